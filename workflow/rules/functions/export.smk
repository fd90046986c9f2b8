# Of export.smk: which run a network is of, and what is measured.

from dropnet.pruning.schedule import fractions_trained


def settings_of_run(wildcards):
    """The settings of a run, by the folder that it is in; one that is not configured is refused."""
    experiment = wildcards.experiment
    folders = [BASELINE, *(method.folder for method in plan.experiments[experiment])]
    if wildcards.run not in folders:
        refuse(
            f"{experiment} has no run {wildcards.run}; allowed: {', '.join(folders)}"
        )
    return plan.at(wildcards.scale).settings(
        experiment, plan.methods.get(wildcards.run)
    )


def name_of_run(wildcards):
    """What tables call a run."""
    method = plan.methods.get(wildcards.run)
    return method.name if method else BASELINE


def of_the_run(wildcards, artifact, kind):
    """A file of a run: that of the block which has the seed, if the run has the network."""
    settings, method = settings_of_run(wildcards), plan.methods.get(wildcards.run)
    scale, experiment, run = wildcards.scale, wildcards.experiment, wildcards.run
    if wildcards.cycle:
        metric = method.metric if method else None
        cycles = len(fractions_trained(settings, metric, unpruned=True))
        if int(wildcards.cycle.removeprefix("_cycle")) >= cycles:
            refuse(
                f"{experiment}, {run}: there is no{wildcards.cycle.replace('_', ' ')} at scale"
                f" {scale}; allowed: cycle0 to cycle{cycles - 1}"
            )
    blocks = plan.at(scale).seed_blocks(experiment)
    for block in blocks:
        first, last = map(int, block.split("-"))
        if first <= int(wildcards.seed) <= last:
            return f"results/{scale}/{experiment}/{run}/{artifact}_seeds{block}.{kind}"
    refuse(
        f"{experiment} has no seed {wildcards.seed} at scale {scale}; allowed: 0 to"
        f" {blocks[-1].split('-')[1]}"
    )


def measured_at(scale):
    """The experiments of a scale whose speed is measured: those that are pruned by `minimum`."""
    return [
        experiment
        for experiment in plan.at(scale).experiments
        if any(method.name == "minimum" for method in plan.experiments[experiment])
    ]
