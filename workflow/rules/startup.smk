# Before any rule: where the package is, whether this machine lets a run write, and the checked plan.
#   makes  `plan`: what config.yaml asks for (dropnet.config.plan); the rules ask it
#          the prefix of every shell command

import atexit
import logging
import os
import shlex
import sys
from pathlib import Path

from snakemake.logging import logger
from snakemake.settings.types import DeploymentMethod

WORKFLOW = Path(workflow.basedir) / "workflow"
sys.path.insert(0, str(WORKFLOW))
# jobs find the package `dropnet` in the same place on whatever machine they run, and nothing of
# the user's in front of it
os.environ |= {"PYTHONPATH": str(WORKFLOW)}

from dropnet.config.check import check, check_images
from dropnet.config.plan import Plan
from dropnet.data.dataset import image_counts
from dropnet.errors import GO_ON, UserError, exit_on_user_error
from dropnet.files import provenance, workspace, yaml_files
from dropnet.last_words import LastWords
from dropnet.paper import claims
from dropnet.publish import record

# conda brings packages, and an interpreter, of its own
WITH_CONDA = DeploymentMethod.CONDA in workflow.deployment_settings.deployment_method


def trouble():
    """What keeps a run from writing: a full disk, a read-only folder; or None."""
    return workspace.trouble(".", ".snakemake", "results", "figures")


def to_ask_for():
    """What a run can be asked for, of the scale that it has first."""
    scales = dict.fromkeys([config["scale"], *config["scales"]])
    return [
        *(f"results/{scale}/report.html" for scale in scales),
        *(file for scale in scales for file in final_files(scale)),
    ]


last_words = LastWords(to_ask_for)


@atexit.register
def tell_what_was_wrong():
    """Say it at the end, below all pages; also a full disk, of which there is no room in any log."""
    words = last_words.told()
    if found := trouble():
        words += f"error: {found}\n"
    print(words, end="", file=sys.stderr, flush=True)


if workflow.is_main_process:
    logger.addHandler(last_words)


# Jobs run under the interpreter that runs Snakemake here, whatever PATH has; with conda, under that
# of their environment.
interpreter = shlex.quote(sys.executable).replace("{", "{{").replace("}", "}}")
PYTHON = "" if WITH_CONDA else f'python() {{{{ {interpreter} "$@"; }}}}; '

# a job that is killed cannot speak for itself
shell.prefix(
    f"{PYTHON}set -euo pipefail; trap 'status=$?; [ $status -le 128 ] || echo \"error: a job was ended by"
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
        atexit.unregister(tell_what_was_wrong)
        raise UserError(words)
    yaml_files.read("config.yaml")  # a file that is no YAML is refused in our words


configfile: "config.yaml"


with exit_on_user_error():
    for file in workflow.configfiles:
        if not os.path.samefile(file, "config.yaml"):
            yaml_files.read(file)  # Snakemake lets the last of two equal keys win
    check(config)
    if words := workspace.trouble(
        *(
            f"{top}/{scale}"
            for top in ("results", "figures")
            for scale in config["scales"]
        ),
        "results/data",
    ):
        raise UserError(words)
    if workflow.is_main_process:
        claims.load()

plan = Plan(config)

if workflow.is_main_process:
    with exit_on_user_error():
        present = {
            name: found
            for name in config["datasets"]
            if (found := image_counts(f"results/data/{name}.safetensors"))
        }
        check_images(config, present)
        # functions of rules ask it, too, where an error would be a page of Python
        record.folders("published")

if workflow.is_main_process and (why := provenance.git_state().get("unknown")):
    print(
        f"warning: results will not tell which commit made them, so that `make publish` refuses them:"
        f" {why}",
        file=sys.stderr,
        flush=True,
    )
