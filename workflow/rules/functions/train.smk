# Of train.smk: what a job trains on, and how.

from dropnet.networks.models import MODELS, engine_of
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
    if hasattr(wildcards, "variant"):
        folder = f"{wildcards.metric}_{wildcards.variant}"
    scale, experiment, seeds = wildcards.scale, wildcards.experiment, wildcards.seeds
    if seeds not in blocks_of_seeds(scale, experiment).get(folder, []):
        refuse(
            f"{experiment} has no job of {folder} with seeds {seeds} at scale {scale}; allowed:"
            " its methods and blocks of seeds in config.yaml"
        )
    return plan.at(scale).settings(experiment, plan.methods.get(folder))


def modules_of(wildcards):
    """The modules of an experiment's networks: the model, and what may train it.

    Which engine does, makes nothing stale.
    """
    settings = settings_of(wildcards)
    engines = {engine_of(settings, gpu) for gpu in (False, True)}
    return [MODELS[settings.model].module, *sorted(engines)]


def dataset_file(wildcards):
    """The images that a job trains on."""
    return f"results/data/{settings_of(wildcards).dataset}.safetensors"


def split_file(wildcards):
    """Which of them are for training, and which for validation."""
    settings = settings_of(wildcards)
    images = "all" if settings.train_images is None else settings.train_images
    return f"results/data/{settings.dataset}_split_{images}.safetensors"
