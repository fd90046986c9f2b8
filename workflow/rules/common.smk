# What all rules share: the checked configuration, wildcards that can only be configured names, and
# functions from wildcards to files and settings.

import atexit
import json
import logging
import os
import re
import sys
from functools import cache
from pathlib import Path

WORKFLOW = Path(workflow.basedir) / "workflow"
sys.path.insert(0, str(WORKFLOW))
# jobs find the package `dropnet` in the same place on whatever machine they run, and nothing of
# the user's in front of it
os.environ |= {"PYTHONPATH": str(WORKFLOW)}

from snakemake.exceptions import WorkflowError

from dropnet.paper import claims
from dropnet.files import code_files
from dropnet.config import plan as configuration
from dropnet.files import workspace
from dropnet.errors import GO_ON, UserError, exit_on_user_error
from dropnet.config.methods import methods_of
from dropnet.metrics import METRICS
from dropnet.networks.models import engine_of, layers_of


def trouble():
    """What keeps a run from writing: a full disk, a read-only folder; or None."""
    return workspace.trouble(".", ".snakemake", "results", "figures")


@atexit.register
def tell_trouble():
    """Say it at the end too: on a full disk there is no room for it in any log."""
    if words := trouble():
        print(f"error: {words}", file=sys.stderr, flush=True)


# a job that is killed cannot speak for itself
shell.prefix(
    "set -euo pipefail; trap 'status=$?; [ $status -le 128 ] || echo \"error: a job was ended by"
    " signal $((status - 128)); if nobody did so, memory was short: use fewer cores, or give jobs"
    f" more memory, {GO_ON}\" >&2' EXIT; "
)

# and no traceback for each line that Snakemake cannot write into its own
logging.raiseExceptions = False

with exit_on_user_error():
    words = workspace.unfit_name(os.getcwd(), workflow.basedir) or trouble()
    if workflow.is_main_process:  # and not of one job on a cluster, of many at a time
        words = words or workspace.dated_in_the_future("results", "figures")
    if words:
        atexit.unregister(tell_trouble)
        raise UserError(words)
    configuration.read("config.yaml")  # a file that is no YAML is refused in our words


configfile: "config.yaml"


with exit_on_user_error():
    for file in workflow.configfiles:
        configuration.read(file)  # Snakemake lets the last of two equal keys win
    configuration.check(config)
    if words := workspace.trouble(
        *(
            f"{top}/{scale}"
            for top in ("results", "figures")
            for scale in config["scales"]
        ),
        "results/data",
    ):
        raise UserError(words)
    claims.load()


def one_of(names):
    """A wildcard constraint that admits these names only."""
    return "|".join(re.escape(name) for name in names) or "(?!)"


# the methods of all experiments, by the part of a path that stands for them
METHODS = {
    method.folder: method
    for experiment in config["experiments"].values()
    for method in methods_of(experiment)
}


wildcard_constraints:
    scale=one_of(config["scales"]),
    experiment=one_of(config["experiments"]),
    method=one_of(name for name, method in METHODS.items() if not method.random_init),
    metric=one_of(METRICS),
    figure=one_of(config["figures"]),
    dataset=one_of(config["datasets"]),
    seeds=one_of(
        {
            block
            for scale in config["scales"]
            for experiment in config["experiments"]
            for block in configuration.seed_blocks(config, scale, experiment)
        }
    ),
    train_images=r"all|\d+",


def script_of(rule_name):
    """The script of a rule has the rule's name."""
    return os.path.relpath(WORKFLOW / "scripts" / f"{rule_name}.py")


@cache  # reading hundreds of files for each of a thousand jobs would take a minute
def code_of(rule_name, *modules):
    """The package's files that the script of a rule depends on; an edit of one reruns the rule."""
    files = code_files.code_of(script_of(rule_name), modules)
    return [os.path.relpath(file) for file in files]


def reference(name):
    """A file of what is known of the paper."""
    return os.path.relpath(WORKFLOW / "reference" / name)


def engine_module(wildcards):
    """The module that trains the networks of an experiment."""
    return engine_of(layers_of(experiment_settings(wildcards)))


def experiment_settings(wildcards):
    """All that decides the numbers of an experiment at a scale, but for seeds and metric.

    Wildcards that fit none of its jobs, as in a path that somebody made up, are refused.
    """
    folder = getattr(wildcards, "method", None)
    if hasattr(wildcards, "metric"):
        folder = f"{wildcards.metric}_random_init"
    folder = folder or configuration.BASELINE
    seeds = getattr(wildcards, "seeds", None)
    scale, experiment = wildcards.scale, wildcards.experiment
    if seeds and seeds not in blocks_of_seeds(scale, experiment).get(folder, []):
        raise WorkflowError(
            f"{experiment} has no job of {folder} with seeds {seeds} at scale {scale}; allowed:"
            " its methods and blocks of seeds in config.yaml"
        )
    return configuration.settings(config, scale, experiment, METHODS.get(folder))


@cache
def blocks_of_seeds(scale, experiment):
    """The blocks of seeds of each job of an experiment, by the job's folder."""
    blocks = {}
    for job in configuration.jobs(config, scale, experiment):
        blocks.setdefault(job.folder.name, []).append(job.seeds)
    return blocks


def final_files(scale):
    """All that a run at a scale makes, but for the report."""
    return [
        *expand(
            "figures/{scale}/{figure}.{type}",
            scale=scale,
            figure=[*all_figures(scale), "removable"],
            type=["png", "svg"],
        ),
        *expand(
            "results/{scale}/{table}.csv",
            scale=scale,
            table=["runs", "curves", "claims", "removable"],
        ),
        *expand(
            "results/{scale}/{experiment}/agreement.csv",
            scale=scale,
            experiment=oracle_experiments(scale),
        ),
    ]


def split_file(wildcards):
    """The indices of training and validation images for the scale."""
    chosen = experiment_settings(wildcards)
    images = "all" if chosen.train_images is None else chosen.train_images
    return f"results/data/{chosen.dataset}_split_{images}.safetensors"


def all_methods(experiment):
    """The methods of an experiment."""
    return methods_of(config["experiments"][experiment])


def files_of(wildcards, artifact, kind, methods, experiment=None):
    """The files, one a block of seeds, of some methods of an experiment."""
    experiment = experiment or wildcards.experiment
    return expand(
        f"results/{{scale}}/{{experiment}}/{{method}}/{artifact}_seeds{{seeds}}.{kind}",
        scale=wildcards.scale,
        experiment=experiment,
        method=[method.folder for method in methods],
        seeds=configuration.seed_blocks(config, wildcards.scale, experiment),
    )


def networks_of_all(wildcards):
    """The networks of every method of an experiment, by its name."""
    return {
        method.name: files_of(wildcards, "networks", "safetensors", [method])
        for method in all_methods(wildcards.experiment)
    }


def networks_of_pruned(wildcards):
    """The same of the methods that decide what goes: not of those that take over another's masks."""
    if "oracle" not in config["experiments"][wildcards.experiment]["methods"]:
        raise WorkflowError(
            f"{wildcards.experiment} has no oracle to compare with; allowed: add oracle to its methods"
        )
    pruned = [m.name for m in all_methods(wildcards.experiment) if not m.random_init]
    return {name: networks_of_all(wildcards)[name] for name in pruned}


def methods_by_experiment(scale):
    """The methods of every experiment at a scale, as JSON."""
    return json.dumps(
        {
            name: config["experiments"][name]["methods"]
            for name in all_experiments(scale)
        }
    )


def oracle_experiments(scale):
    """The names of the experiments at a scale that have an oracle to compare with."""
    return [
        experiment
        for experiment in all_experiments(scale)
        if "oracle" in config["experiments"][experiment]["methods"]
    ]


def all_experiments(scale):
    """The names of the experiments that run at a scale."""
    return configuration.experiments(config, scale)


def all_figures(scale):
    """The names of the figures that are drawn at a scale."""
    return configuration.figures(config, scale)


def reductions(scale, experiment):
    """How an experiment at a scale differs from the paper's protocol, in words, or ''."""
    return configuration.reductions(config, scale, experiment)


def figure_config(wildcards):
    """The configuration of a figure."""
    return config["figures"][wildcards.figure]


def overlaid(wildcards):
    """The paper's figure whose curves are drawn behind a figure, or None."""
    return configuration.paper_figure(config, wildcards.figure)


def figure_methods(wildcards):
    """The names of a figure's curves, and the method of each."""
    return configuration.figure_methods(config, wildcards.figure)


def drawn_from(scale):
    """What each figure at a scale is drawn from, as the judge of the claims needs it."""
    return {
        figure: {
            "experiment": config["figures"][figure]["experiment"],
            "methods": configuration.figure_runs(config, figure),
            # fewer seeds make an interval wider; anything else would judge another experiment
            "reductions": configuration.reductions(
                config,
                scale,
                config["figures"][figure]["experiment"],
                ignore=["seeds"],
            ),
        }
        for figure in all_figures(scale)
        if configuration.is_of_paper(config, figure)
    }


def scale_note(scale):
    """What a picture of several experiments says of their scale."""
    reduced = [reductions(scale, experiment) for experiment in all_experiments(scale)]
    return configuration.scale_note(scale, reduced, configuration.note(config, scale))


def pictures(scale):
    """What the report says of each figure (the fields of dropnet.report.html.Picture)."""
    return [
        {
            "name": figure,
            "title": config["figures"][figure]["title"],
            "experiment": config["figures"][figure]["experiment"],
            "reductions": reductions(scale, config["figures"][figure]["experiment"]),
            "file": f"figures/{scale}/{figure}.png",
        }
        for figure in all_figures(scale)
    ]


def provenance_of_all(scale):
    """The provenance of every training job at a scale."""
    return [
        f"results/{scale}/{job.folder}/provenance_seeds{job.seeds}.json"
        for job in configuration.all_jobs(config, scale)
    ]
