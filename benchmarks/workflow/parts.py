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

SCALE = "preview"
FIGURES = ("fig03", "fig04", "fig05")  # those of the fully connected networks
PARTS = ("Snakefile", "config.yaml", "workflow", "envs", "profiles")
# aims, shown beside the times
LEAST_EFFICIENCY, MOST_START_UP, MOST_NO_OP_S, MOST_SNAKEMAKE = 0.85, 0.10, 10.0, 0.03
MOST_MINUTES = 15
DATASETS = ("MNIST", "CIFAR-10")
SCRIPTS = Path("workflow/scripts")
STARTS = 5  # of each script, to know how long it takes until it begins to work


def measure_workflow(bench: Bench) -> dict[str, Any]:
    """Run a few figures with one core, with two, and when nothing is to do; then all figures."""
    project = copy_project(bench.folder / "project", bench.options.data)
    figures = FIGURES[:1] if bench.options.quick else FIGURES
    targets = [f"figures/{SCALE}/{figure}.png" for figure in figures]
    all_cores = set(range(os.cpu_count() or 1))
    others = os.sched_getaffinity(0)
    os.sched_setaffinity(0, all_cores)  # the other parts have one core for all that they start
    try:
        seconds = {}
        for cores in (1, 2):
            clear(project)
            tell(f"workflow: {', '.join(figures)} with {cores} of {len(all_cores)} cores")
            seconds[cores] = seconds_to_make(project, cores, targets)
        no_op = seconds_to_make(project, 2, targets)
        clear(project)
        tell(f"workflow: {'them' if bench.options.quick else 'all figures'} with 2 cores")
        whole = whole_run(project, targets if bench.options.quick else [])
    finally:
        os.sched_setaffinity(0, others)
    return {
        "figures": figures,
        "seconds": {str(cores): value for cores, value in seconds.items()},
        "efficiency": seconds[1] / (2 * seconds[2]),
        "no_op_s": no_op,
        "whole": whole,
    }


def clear(project: Path) -> None:
    """Remove what was made, but for the data."""
    for folder in (f"results/{SCALE}", "figures", ".snakemake"):
        shutil.rmtree(project / folder, ignore_errors=True)


def whole_run(project: Path, targets: Sequence[str]) -> dict[str, Any]:
    """Make targets, or everything, with two cores; how long, and what starting and Snakemake took.

    Starting is a share of the time that all jobs took, each from its start to its end.
    """
    usage = project / "own_seconds.txt"
    seconds = seconds_to_make(
        project, 2, targets, module=("benchmarks.workflow.own_time", str(usage))
    )
    own = float(usage.read_text(encoding="utf-8"))
    jobs = jobs_of(project)
    start_up = {rule: seconds_to_start(script) for rule, script in sorted(jobs["script"].items())}
    starting = sum(start_up[rule] * count for rule, count in jobs["count"].items())
    return {
        "seconds": seconds,
        "jobs": jobs["count"],
        "job_seconds": jobs["seconds"],
        "start_up_s": start_up,
        "start_up_share": starting / jobs["seconds"],
        "snakemake_s": own,
        "snakemake_share": own / seconds,
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
    for name in DATASETS:
        dataset, _ = files_of(data, name)
        shutil.copy(dataset, folder / "results/data")
    return folder


def seconds_to_make(project: Path, cores: int, targets: Sequence[str], **options: Any) -> float:
    """Make the targets; the seconds that it took. Options are those of `processes.snakemake`."""
    words = ["--cores", str(cores), "--config", f"scale={SCALE}", "--", *targets]
    options |= {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT}
    began = time.perf_counter()
    done = snakemake(project, *words, **options)
    if done.returncode != 0:
        raise UserError(f"the workflow failed: {done.stdout[-500:]}")
    return time.perf_counter() - began


def jobs_of(project: Path) -> dict[str, Any]:
    """How many jobs of each rule have run, its script, and how long all jobs took.

    All of it as Snakemake noted it. A rule's script need not have its name.
    """
    seen, scripts = {}, {}
    for file in (project / ".snakemake/metadata").iterdir():
        job = json.loads(file.read_text())
        seen[job["rule"], *(job["log"] or job["input"])] = job["endtime"] - job["starttime"]
        scripts[job["rule"]] = next(
            Path(path).stem for path in job["input"] if Path(path).parent == SCRIPTS
        )
    count = dict(Counter(rule for rule, *_ in seen))
    return {"count": count, "script": scripts, "seconds": sum(seen.values())}


def seconds_to_start(script: str) -> float:
    """Median seconds until a script has all that it imports."""
    taken = []
    for _ in range(STARTS):
        began = time.perf_counter()
        run_script(script, "--help")
        taken.append(time.perf_counter() - began)
    return median(taken)


def workflow_page(result: Mapping[str, Any]) -> str:
    """All of it as tables."""
    names = ", ".join(re.sub("fig0?", "", name) for name in result["figures"])
    whole = result["whole"]
    jobs = sum(whole["jobs"].values())
    title = f"K. The workflow: scale {SCALE}, all figures ({jobs} jobs) and Figures {names}\n"
    one, two = result["seconds"]["1"], result["seconds"]["2"]
    rows = [
        ("all: minutes with 2 cores", f"{whole['seconds'] / 60:.1f}", f"{MOST_MINUTES} or less"),
        ("  processor seconds of Snakemake itself", f"{whole['snakemake_s']:.0f}", ""),
        (
            "  the same, share of a core",
            f"{whole['snakemake_share']:.1%}",
            f"{MOST_SNAKEMAKE:.0%} or less",
        ),
        (
            "  starting scripts, share of all jobs' time",
            f"{whole['start_up_share']:.1%}",
            f"{MOST_START_UP:.0%} or less",
        ),
        (f"Figures {names}: seconds with 1 core", f"{one:.0f}", ""),
        ("  seconds with 2 cores", f"{two:.0f}", ""),
        ("  parallel efficiency", f"{result['efficiency']:.2f}", f"{LEAST_EFFICIENCY} or more"),
        ("  seconds of a no-op rerun", f"{result['no_op_s']:.1f}", f"{MOST_NO_OP_S:g} or less"),
    ]
    return title + table(("", "measured", "aim"), rows)
