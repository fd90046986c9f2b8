"""A copy of this project on a few hundred real images that the repository carries, to run whole.

Its data set, experiments, scale and figures are all added in config.yaml, which is the only file
that differs from a clone's.
"""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from helpers.processes import start

ROOT = Path(__file__).parents[2]
FIXTURE = ROOT / "tests" / "fixtures" / "mnist_small"
SHA256 = "49032938e60417c5d14f13fa294baedf4023ae24fd8c6c052f5fe84de4ea8174"
METHODS = ["minimum", "maximum", "random_layer"]


def write_config(folder, **changes):
    """The shipped configuration plus a data set, a scale, an experiment and two figures."""
    config = yaml.safe_load((ROOT / "config.yaml").read_text())
    config["scale"] = "tiny"
    config["datasets"]["digits"] = {
        "classes": 10,
        "image": [1, 28, 28],
        "sha256": SHA256,
        "sources": [{"folder": str(FIXTURE), "format": "idx"}],
    }
    config["scales"] = {
        "tiny": {"seeds": 3, "seeds_per_job": 2, "train_images": 500, "max_epochs": 8}
    }
    config["experiments"] = {
        "FC8-FC6": {
            "dataset": "digits",
            "model": "FC",
            "widths": [8, 6],
            "prune_fraction": 0.4,
            "stop_fraction": 0.2,
            "methods": METHODS,
        },
        "Conv3-Conv2": {
            "dataset": "digits",
            "model": "Conv",
            "widths": [9, 9],
            "prune_fraction": 0.5,
            "stop_fraction": 0.5,
            "methods": ["minimum", "minimum (random_init)", "minimum (p=0.9)"],
            "scales": {"tiny": {"widths": [3, 2], "seeds": 1, "max_epochs": 2}},
        },
        "FC3-FC3": {
            "dataset": "digits",
            "model": "FC",
            "widths": [3, 3],
            "prune_fraction": 0,
            "stop_fraction": 0.5,
            "methods": ["oracle", "minimum", "random_layer"],
            "scales": {"tiny": {"seeds": 1, "max_epochs": 2}},
        },
    }
    config["figures"] = {
        "mine": {"experiment": "FC8-FC6", "shows": "test_accuracy", "title": "Mine: 50% of $x$"},
        "filters": {
            "experiment": "Conv3-Conv2",
            "shows": "test_accuracy",
            "methods": ["minimum (p=0.5)", "minimum (random_init)"],
            "stop_fraction": 0.7,
            "title": "Filters",
        },
        "mine_epochs": {"experiment": "FC8-FC6", "shows": "epochs", "title": "Mine"},
    } | changes
    (folder / "config.yaml").write_text(yaml.safe_dump(config, sort_keys=False))


def copy_project(folder):
    """A clone's files, with the configuration above."""
    folder.mkdir()
    for name in ("Snakefile", "workflow", "envs", "profiles"):
        source = ROOT / name
        if source.is_dir():
            shutil.copytree(source, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(source, folder)
    write_config(folder)
    return folder


def start_snakemake(folder, *arguments, cores="2", under=(), **options):
    """Start Snakemake in a project, under another command if given; all output goes to stdout."""
    return start(
        [*under, sys.executable, "-m", "snakemake", "--cores", cores, *arguments],
        cwd=folder,
        env=environment(),
        stderr=subprocess.STDOUT,
        **options,
    )


def snakemake(folder, *arguments, **options):
    """Run Snakemake in a project; returns the finished process with all output in stdout."""
    run = start_snakemake(folder, *arguments, **options)
    output, _ = run.communicate()
    return subprocess.CompletedProcess(run.args, run.returncode, output)


def environment():
    """This interpreter's programs first; Snakemake's own variables of an outer run left out."""
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    return {**os.environ, "PATH": path}


def skip(reason):
    """Skip a test, but not in CI, which has to try everything."""
    if os.environ.get("CI"):
        pytest.fail(reason)
    pytest.skip(reason)


def jobs_at_work(folder):
    """The processes that run a project's scripts, left-over ones included: number -> command."""
    found = {}
    for entry in Path("/proc").iterdir():
        try:
            words = (entry / "cmdline").read_bytes().decode().split("\0")
            here = os.path.samefile(entry / "cwd", folder)
        except (OSError, ValueError):  # it has ended, or is nobody's
            continue
        if here and len(words) > 1 and words[1].startswith("workflow/scripts/"):
            found[int(entry.name)] = " ".join(words)
    return found


def planned(folder, *arguments):
    """The rules that a dry run would run, each with its number of jobs."""
    output = snakemake(folder, "-n", *arguments).stdout
    if "Nothing to be done" in output:
        return {}
    stats = output.split("Job stats:")[1].split("total")[0]
    counts = {name: int(n) for name, n in re.findall(r"^(\w+) +(\d+)$", stats, re.MULTILINE)}
    return {name: n for name, n in counts.items() if name != "figures"}


def tables(folder):
    """The bytes of every table of a run, by path."""
    results = folder / "results"
    return {
        str(path.relative_to(results)): path.read_bytes() for path in sorted(results.rglob("*.csv"))
    }
