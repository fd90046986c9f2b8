"""The workflow itself: what a second core brings, what starting costs, what a no-op rerun takes."""

import json
import os
import re
import shutil
import subprocess
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks.bench import Bench, files_of
from benchmarks.processes import REPOSITORY, run_script, snakemake
from benchmarks.report import table, tell
from dropnet.errors import UserError

FIGURES = ("fig03", "fig04", "fig05")  # those of the fully connected networks, at scale preview
PARTS = ("Snakefile", "config.yaml", "workflow", "envs", "profiles")
LEAST_EFFICIENCY, MOST_START_UP, MOST_NO_OP_S = 0.85, 0.10, 10.0  # aims, shown beside the times
STARTS = 5  # of each script, to know how long it takes until it begins to work


def measure_workflow(bench: Bench) -> dict[str, Any]:
    """Run the same figures with one core and with two, then once more when nothing is to do."""
    project = copy_project(bench.folder / "project", bench.options.data)
    figures = FIGURES[:1] if bench.options.quick else FIGURES
    targets = [f"figures/preview/{figure}.png" for figure in figures]
    all_cores = set(range(os.cpu_count() or 1))
    others = os.sched_getaffinity(0)
    os.sched_setaffinity(0, all_cores)  # the other parts have one core for all that they start
    try:
        seconds = {}
        for cores in (1, 2):
            shutil.rmtree(project / "results/preview", ignore_errors=True)
            shutil.rmtree(project / "figures", ignore_errors=True)
            tell(f"workflow: {', '.join(figures)} with {cores} of {len(all_cores)} cores")
            seconds[cores] = seconds_to_make(project, cores, targets)
            if cores == 1:
                jobs = jobs_of(project)
        no_op = seconds_to_make(project, 2, targets)
        start_up = {rule: seconds_to_start(rule) for rule in sorted(jobs["count"])}
    finally:
        os.sched_setaffinity(0, others)
    starting = sum(start_up[rule] * count for rule, count in jobs["count"].items())
    between = seconds[1] - jobs["seconds"]  # with one core, no two jobs run at a time
    return {
        "figures": figures,
        "seconds": {str(cores): value for cores, value in seconds.items()},
        "efficiency": seconds[1] / (2 * seconds[2]),
        "jobs": jobs["count"],
        "start_up_s": start_up,
        "start_up_share": (starting + between) / seconds[1],
        "of_interpreters": starting / seconds[1],
        "of_snakemake": between / seconds[1],
        "no_op_s": no_op,
    }


def copy_project(folder: Path, data: Path) -> Path:
    """A project without results, but with the data sets, so that nothing is fetched."""
    folder.mkdir()
    for name in PARTS:
        source = REPOSITORY / name
        if source.is_dir():
            shutil.copytree(source, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(source, folder)
    (folder / "results/data").mkdir(parents=True)
    dataset, _ = files_of(data, "MNIST")
    shutil.copy(dataset, folder / "results/data")
    return folder


def seconds_to_make(project: Path, cores: int, targets: Sequence[str]) -> float:
    """Make the targets; the seconds that it took."""
    words = ["--cores", str(cores), "--config", "scale=preview", "--", *targets]
    began = time.perf_counter()
    done = snakemake(project, *words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    if done.returncode != 0:
        raise UserError(f"the workflow failed: {done.stdout[-500:]}")
    return time.perf_counter() - began


def jobs_of(project: Path) -> dict[str, Any]:
    """How many jobs of each rule have run, and how long all of them took, as Snakemake noted it."""
    seen = {}
    for file in (project / ".snakemake/metadata").iterdir():
        job = json.loads(file.read_text())
        seen[job["rule"], *(job["log"] or job["input"])] = job["endtime"] - job["starttime"]
    return {"count": dict(Counter(rule for rule, *_ in seen)), "seconds": sum(seen.values())}


def seconds_to_start(rule: str) -> float:
    """Median seconds until a rule's script has all that it imports."""
    taken = []
    for _ in range(STARTS):
        began = time.perf_counter()
        run_script(rule, "--help")
        taken.append(time.perf_counter() - began)
    return median(taken)


def workflow_page(result: Mapping[str, Any]) -> str:
    """All of it as tables."""
    names = ", ".join(re.sub("fig0?", "", name) for name in result["figures"])
    jobs = sum(result["jobs"].values())
    title = f"K. The workflow: Figures {names} at scale preview, {jobs} jobs\n"
    one, two = result["seconds"]["1"], result["seconds"]["2"]
    rows = [
        ("seconds with 1 core", f"{one:.0f}", ""),
        ("seconds with 2 cores", f"{two:.0f}", ""),
        ("parallel efficiency", f"{result['efficiency']:.2f}", f"{LEAST_EFFICIENCY} or more"),
        (
            "start-up, share of the time with 1 core",
            f"{result['start_up_share']:.1%}",
            f"{MOST_START_UP:.0%} or less",
        ),
        ("  interpreters and imports", f"{result['of_interpreters']:.1%}", ""),
        ("  Snakemake", f"{result['of_snakemake']:.1%}", ""),
        ("seconds of a no-op rerun", f"{result['no_op_s']:.1f}", f"{MOST_NO_OP_S:g} or less"),
    ]
    return title + table(("", "measured", "aim"), rows)
