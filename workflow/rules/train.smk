# Training.
#   needs  results/data/{dataset}.safetensors and its split (data.smk)
#   makes  results/{scale}/{experiment}/baseline/: initial weights and the unpruned cycle, once a seed
#          results/{scale}/{experiment}/{method}/: the pruning cycles of one method
#          results/{scale}/{experiment}/{metric}_random_init/: the networks that `metric` left in
#          each cycle, trained from a fresh initialisation
# A block of seeds (0-14, say) trains as one stack, in one job with one thread. An interrupted job
# goes on after its last finished cycle, or epoch of a long cycle; it keeps them in
# cycles_seeds{seeds}/.

from dropnet.networks.models import engine_of
from dropnet.tables.runs import BASELINE


@cache
def blocks_of_seeds(scale, experiment):
    """The blocks of seeds of each job of an experiment, by the job's folder."""
    blocks = {}
    for job in plan.at(scale).jobs(experiment):
        blocks.setdefault(job.folder.name, []).append(job.seeds)
    return blocks


def settings_of(wildcards):
    """All that decides the numbers of a job, but for its seeds and its metric.

    Wildcards that fit none of the jobs, as in a path that somebody made up, are refused.
    """
    folder = getattr(wildcards, "method", BASELINE)
    if hasattr(wildcards, "metric"):
        folder = f"{wildcards.metric}_random_init"
    scale, experiment, seeds = wildcards.scale, wildcards.experiment, wildcards.seeds
    if seeds not in blocks_of_seeds(scale, experiment).get(folder, []):
        raise WorkflowError(
            f"{experiment} has no job of {folder} with seeds {seeds} at scale {scale}; allowed:"
            " its methods and blocks of seeds in config.yaml"
        )
    return plan.at(scale).settings(experiment, plan.methods.get(folder))


def engines(wildcards):
    """The modules that may train the networks of an experiment: which one does, the device decides."""
    places = [False] if config["device"] == "cpu" else [False, True]
    return sorted({engine_of(settings_of(wildcards), gpu) for gpu in places})


def dataset_file(wildcards):
    """The images that a job trains on."""
    return f"results/data/{settings_of(wildcards).dataset}.safetensors"


def split_file(wildcards):
    """Which of them are for training, and which for validation."""
    settings = settings_of(wildcards)
    images = "all" if settings.train_images is None else settings.train_images
    return f"results/data/{settings.dataset}_split_{images}.safetensors"


rule train_baseline:
    input:
        script=script_of("train_baseline"),
        code=lambda w: code_of("train_baseline", *engines(w)),
        dataset=dataset_file,
        split=split_file,
    output:
        runs="results/{scale}/{experiment}/baseline/runs_seeds{seeds}.csv",
        initial="results/{scale}/{experiment}/baseline/initial_seeds{seeds}.safetensors",
        networks="results/{scale}/{experiment}/baseline/networks_seeds{seeds}.safetensors",
        provenance="results/{scale}/{experiment}/baseline/provenance_seeds{seeds}.json",
    log:
        "results/{scale}/{experiment}/baseline/log_seeds{seeds}.txt",
    conda:
        "../../envs/train.yaml"
    threads: 1
    params:
        settings=lambda w: settings_of(w).to_json(),
        # where it is trained makes nothing stale: no comparison of a parameter that asks for `output`
        device=lambda w, output: config["device"],
        # not an output: Snakemake removes the outputs of an interrupted job
        finished="results/{scale}/{experiment}/baseline/cycles_seeds{seeds}",
    message:
        "Train the unpruned {wildcards.experiment} (scale {wildcards.scale}, seeds {wildcards.seeds})"
    shell:
        "python {input.script:q} --settings {params.settings:q} --seeds {wildcards.seeds:q}"
        " --device {params.device:q} --finished {params.finished:q}"
        " --dataset {input.dataset:q} --split {input.split:q}"
        " --runs {output.runs:q} --initial {output.initial:q} --networks {output.networks:q}"
        " --provenance {output.provenance:q} 2> {log:q}"


rule prune_network:
    input:
        script=script_of("prune_network"),
        code=lambda w: code_of(
            "prune_network",
            *engines(w),
            METRICS[plan.methods[w.method].metric].module,
        ),
        dataset=dataset_file,
        split=split_file,
        initial="results/{scale}/{experiment}/baseline/initial_seeds{seeds}.safetensors",
        unpruned="results/{scale}/{experiment}/baseline/networks_seeds{seeds}.safetensors",
    output:
        runs="results/{scale}/{experiment}/{method}/runs_seeds{seeds}.csv",
        networks="results/{scale}/{experiment}/{method}/networks_seeds{seeds}.safetensors",
        provenance="results/{scale}/{experiment}/{method}/provenance_seeds{seeds}.json",
    log:
        "results/{scale}/{experiment}/{method}/log_seeds{seeds}.txt",
    conda:
        "../../envs/train.yaml"
    threads: 1
    params:
        settings=lambda w: settings_of(w).to_json(),
        method=lambda w: plan.methods[w.method].name,
        metric=lambda w: plan.methods[w.method].metric,
        device=lambda w, output: config["device"],
        # not an output: Snakemake removes the outputs of an interrupted job
        finished="results/{scale}/{experiment}/{method}/cycles_seeds{seeds}",
    message:
        "Prune {wildcards.experiment} by {wildcards.method} (scale {wildcards.scale}, seeds {wildcards.seeds})"
    shell:
        "python {input.script:q} --settings {params.settings:q} --method {params.method:q}"
        " --metric {params.metric:q} --device {params.device:q}"
        " --dataset {input.dataset:q} --split {input.split:q}"
        " --initial {input.initial:q} --unpruned {input.unpruned:q} --finished {params.finished:q}"
        " --runs {output.runs:q} --networks {output.networks:q}"
        " --provenance {output.provenance:q} 2> {log:q}"


rule train_random_init:
    input:
        script=script_of("train_random_init"),
        code=lambda w: code_of("train_random_init", *engines(w)),
        dataset=dataset_file,
        split=split_file,
        pruned="results/{scale}/{experiment}/{metric}/networks_seeds{seeds}.safetensors",
    output:
        runs="results/{scale}/{experiment}/{metric}_random_init/runs_seeds{seeds}.csv",
        networks="results/{scale}/{experiment}/{metric}_random_init/networks_seeds{seeds}.safetensors",
        provenance="results/{scale}/{experiment}/{metric}_random_init/provenance_seeds{seeds}.json",
    log:
        "results/{scale}/{experiment}/{metric}_random_init/log_seeds{seeds}.txt",
    conda:
        "../../envs/train.yaml"
    threads: 1
    params:
        settings=lambda w: settings_of(w).to_json(),
        method=lambda w: f"{w.metric} (random_init)",
        device=lambda w, output: config["device"],
        # not an output: Snakemake removes the outputs of an interrupted job
        finished="results/{scale}/{experiment}/{metric}_random_init/cycles_seeds{seeds}",
    message:
        "Train what {wildcards.metric} left of {wildcards.experiment} from a fresh initialisation (scale {wildcards.scale}, seeds {wildcards.seeds})"
    shell:
        "python {input.script:q} --settings {params.settings:q} --method {params.method:q}"
        " --device {params.device:q}"
        " --dataset {input.dataset:q} --split {input.split:q}"
        " --pruned {input.pruned:q} --finished {params.finished:q}"
        " --runs {output.runs:q} --networks {output.networks:q}"
        " --provenance {output.provenance:q} 2> {log:q}"
