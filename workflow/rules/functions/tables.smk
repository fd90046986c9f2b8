# Of tables.smk: the files that tables are made from.

from dropnet.networks.models import MODELS


def methods_of(experiments):
    """The names of the methods of each experiment, as JSON."""
    return json.dumps(
        {
            name: [method.name for method in plan.experiments[name]]
            for name in experiments
        }
    )


def classes_of(scale):
    """How many classes each experiment of a scale tells apart, as JSON."""
    at_scale = plan.at(scale)
    return json.dumps(
        {name: at_scale.settings(name).classes for name in at_scale.experiments}
    )


def reductions_of(scale):
    """How each experiment of a scale that compares criteria differs from the paper's protocol, as JSON."""
    at_scale = plan.at(scale)
    return json.dumps({name: at_scale.reductions(name) for name in at_scale.criteria})


def runs_of_criteria(scale):
    """The runs of the experiments of a scale that compare criteria."""
    if not plan.at(scale).criteria:
        refuse(
            f"no experiment of scale {scale} compares criteria; allowed: list one that has"
            " criteria: true in config.yaml"
        )
    return expand(
        "results/{scale}/{experiment}/runs.csv",
        scale=scale,
        experiment=plan.at(scale).criteria,
    )


def runs_so_far(scale):
    """The runs of the methods that have run with all their seeds, whatever else is to be run."""
    found = [
        file
        for experiment, methods in plan.experiments.items()
        for method in methods
        for files in [files_of(scale, experiment, [method], "runs", "csv")]
        if all(map(os.path.exists, files))
        for file in files
    ]
    if not found:
        refuse(
            f"no method has run with all its seeds at scale {scale}; allowed: make a figure first"
        )
    return found


def networks_of(wildcards, methods):
    """The networks of some methods of an experiment, by the method's name."""
    return {
        method.name: files_of(
            wildcards.scale, wildcards.experiment, [method], "networks", "safetensors"
        )
        for method in methods
    }


def networks_of_all(wildcards):
    """Those of every method."""
    return networks_of(wildcards, plan.experiments[wildcards.experiment])


def networks_to_compare(wildcards):
    """Those of the methods that decide what goes: not of those that take over another's masks."""
    if not plan.has_oracle(wildcards.experiment):
        refuse(
            f"{wildcards.experiment} has no oracle to compare with; allowed: add oracle to its methods"
        )
    methods = plan.experiments[wildcards.experiment]
    return networks_of(wildcards, [m for m in methods if not m.parent])


def model_of(wildcards):
    """The module that lists the layers of an experiment's networks."""
    return MODELS[config["experiments"][wildcards.experiment]["model"]].module


def joined(files_by_method):
    """All files in one list."""
    return [file for files in files_by_method.values() for file in files]
