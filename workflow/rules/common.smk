# What several stages share: wildcards that can only be configured names, the code that a rule
# depends on, the files of an experiment, and what a run makes in the end.

import hashlib
import json
import os
import re
from functools import cache

from snakemake.exceptions import WorkflowError

from dropnet.files import artifacts, code_files
from dropnet.metrics import METRICS


def one_of(names):
    """A wildcard constraint that admits these names only."""
    return "|".join(re.escape(name) for name in names) or "(?!)"


wildcard_constraints:
    scale=one_of(config["scales"]),
    experiment=one_of(config["experiments"]),
    method=one_of(name for name, method in plan.methods.items() if not method.parent),
    metric=one_of(METRICS),
    figure=one_of(config["figures"]),
    dataset=one_of(config["datasets"]),
    seeds=one_of(
        {
            block
            for scale in config["scales"]
            for experiment in config["experiments"]
            for block in plan.at(scale).seed_blocks(experiment)
        }
    ),
    train_images=r"all|\d+",


def refuse(words):
    """Refuse a file that was asked for: what it asks for, and what is allowed."""
    raise WorkflowError(f"error: {words}")


def script_of(rule_name):
    """The script of a rule has the rule's name."""
    return os.path.relpath(WORKFLOW / "scripts" / f"{rule_name}.py")


@cache  # reading hundreds of files for each of a thousand jobs would take a minute
def code_of(rule_name, *modules):
    """The package's files that the script of a rule depends on; an edit of one reruns the rule."""
    files = code_files.code_of(script_of(rule_name), modules)
    return [os.path.relpath(file) for file in files]


@cache
def versions_of(stage):
    """The versions of the packages that decide the numbers of a stage, where its jobs run.

    With conda, or where one plans without these packages, they are those that its environment pins.
    """
    pins = (WORKFLOW.parent / "envs" / "train.yaml").read_text()
    pinned = dict(re.findall(r"^ +- ([\w.-]+)==(\S+)$", pins, re.MULTILINE))
    here = {} if WITH_CONDA else code_files.versions_of(stage)
    return {name: here.get(name, pinned[name]) for name in code_files.DECIDING[stage]}


def in_a_file(*words):
    """One argument that stands for many: the name, behind an @, of a file with one of them a line.

    Linux takes no more than 128 KiB as one argument, and a job's command is one argument of bash.
    """
    text = "".join(f"{word}\n" for word in words)
    path = f".snakemake/lists/{hashlib.sha256(text.encode()).hexdigest()}.txt"
    if not os.path.exists(path):
        artifacts.write_text(path, text)
    return f"@{path}"


def reference(name):
    """A file of what is known of the paper."""
    return os.path.relpath(WORKFLOW / "reference" / name)


def files_of(scale, experiment, methods, artifact, kind):
    """The files, one a block of seeds, of some methods of an experiment."""
    return expand(
        f"results/{{scale}}/{{experiment}}/{{method}}/{artifact}_seeds{{seeds}}.{kind}",
        scale=scale,
        experiment=experiment,
        method=[method.folder for method in methods],
        seeds=plan.at(scale).seed_blocks(experiment),
    )


def final_files(scale):
    """All that a run at a scale makes, but for the report."""
    criteria = ["criteria", "ranks", "layers"] if plan.at(scale).criteria else []
    return [
        *expand(
            "figures/{scale}/{figure}.{type}",
            scale=scale,
            figure=[
                *plan.at(scale).figures,
                "removable",
                *plan.at(scale).pictures_of_criteria,
            ],
            type=["png", "svg"],
        ),
        *expand(
            "results/{scale}/{table}.csv",
            scale=scale,
            table=["runs", "curves", "claims", "removable", *criteria],
        ),
        *expand(
            "results/{scale}/{experiment}/agreement.csv",
            scale=scale,
            experiment=filter(plan.has_oracle, plan.at(scale).experiments),
        ),
    ]


def files_written(scale):
    """What a run at a scale writes that others read, as far as it is known before any job."""
    trained = [
        f"results/{scale}/{job.folder}/{artifact}_seeds{job.seeds}.{kind}"
        for job in plan.at(scale).jobs()
        for artifact, kind in (
            ("runs", "csv"),
            ("networks", "safetensors"),
            ("provenance", "json"),
        )
    ]
    return [*trained, *final_files(scale)]


if workflow.is_main_process:
    with exit_on_user_error():
        # Snakemake would stumble over these with a page of Python
        written = [
            file
            for scale in config["scales"]
            if any(os.path.lexists(f"{top}/{scale}") for top in ("results", "figures"))
            for file in files_written(scale)
        ]
        if words := workspace.in_the_way(written):
            raise UserError(words)
