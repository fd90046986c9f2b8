"""Compare this project with Keras and plain PyTorch, side by side on one core.

Prints tables, and writes them and what they show into results/benchmarks/bench.txt and bench.json.
Parts that are not measured this time stay there as they are. See README.md for what is compared.
"""

import argparse
import json
import os
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.bench import DATA, SIDES, Bench, files_of
from benchmarks.convolutional import parts as convolutional
from benchmarks.criteria import parts as criteria
from benchmarks.fully_connected import parts as fully_connected
from benchmarks.large import parts as large
from benchmarks.oracle import parts as oracle
from benchmarks.processes import REPOSITORY, snakemake
from benchmarks.report import tell
from benchmarks.workflow import parts as workflow
from dropnet.config.check import load
from dropnet.config.plan import Plan
from dropnet.errors import UserError, exit_on_user_error
from dropnet.files.artifacts import write_json, write_text
from dropnet.files.provenance import cpu_model, git_state, versions


@dataclass(frozen=True)
class Part:
    """A part of the benchmarks.

    Attributes:
        measure: takes the run; what it returns goes into the JSON.
        page: makes tables of that.
        needs_ours: whether it makes sense for our side only, or ours beside others.
        datasets: that it uses.
    """

    measure: Callable[[Bench], Any]
    page: Callable[[Any], str]
    needs_ours: bool = True
    datasets: Sequence[str] = ("MNIST",)


PARTS = {
    "speed": Part(fully_connected.measure_speed, fully_connected.speed_page, needs_ours=False),
    "step": Part(fully_connected.measure_step, fully_connected.step_page),
    "memory": Part(fully_connected.measure_memory, fully_connected.memory_page),
    "parity": Part(fully_connected.measure_parity, fully_connected.parity_page, needs_ours=False),
    "conv": Part(
        convolutional.measure_conv, convolutional.conv_page, datasets=("MNIST", "CIFAR-10")
    ),
    "oracle": Part(oracle.measure_oracle, oracle.oracle_page),
    "criteria": Part(criteria.measure_criteria, criteria.criteria_page),
    "large": Part(large.measure_large, large.large_page, datasets=("CIFAR-10",)),
    "workflow": Part(
        workflow.measure_workflow, workflow.workflow_page, datasets=("MNIST", "CIFAR-10")
    ),
}


def parse_options(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """The command line; values that it cannot be end the program in argparse's words."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.run", description=__doc__)
    parser.add_argument("--only", type=listed(PARTS), default=list(PARTS), help="parts, by commas")
    parser.add_argument("--sides", type=listed(SIDES), default=SIDES, help="sides, by commas")
    parser.add_argument("--quick", action="store_true", help="a smoke test: few images and seeds")
    parser.add_argument("--seeds", type=int, default=15)
    parser.add_argument("--epochs", type=int, default=1, help="epochs per network of the sweep")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--core", type=int, default=max(os.sched_getaffinity(0)))
    parser.add_argument("--data", type=Path, default=DATA, help="a folder of the data sets")
    parser.add_argument("--out", type=Path, default=REPOSITORY / "results/benchmarks/bench.json")
    parser.add_argument(
        "--keras-python",
        type=Path,
        default=Path(os.environ.get("KERAS_PYTHON", REPOSITORY / ".venv-keras/bin/python")),
        help="a Python with tensorflow-cpu (default: $KERAS_PYTHON or .venv-keras/bin/python)",
    )
    options = parser.parse_args(arguments)
    if options.quick:
        options.rounds, options.seeds = 1, min(options.seeds, 3)
        options.out = options.out.with_stem(options.out.stem + "_quick")
    return options


def listed(allowed: Iterable[str]) -> Callable[[str], list[str]]:
    """A parser for a comma-separated choice of `allowed`, kept in their order."""

    def names(text: str) -> list[str]:
        chosen = text.split(",")
        if unknown := [name for name in chosen if name not in allowed]:
            raise argparse.ArgumentTypeError(f"{unknown[0]!r} is none of {', '.join(allowed)}")
        return [name for name in allowed if name in chosen]

    return names


def refuse_impossible(options: argparse.Namespace) -> None:
    """Raise UserError for a run that cannot work, before anything is measured."""
    if "keras" in options.sides and not options.keras_python.is_file():
        raise UserError(
            f"no Keras at {options.keras_python}: make a venv with tensorflow-cpu there, give "
            "another with --keras-python, or leave it out with --sides ours,pytorch"
        )
    *but_last, last = (name for name, part in PARTS.items() if part.needs_ours)
    if {*but_last, last} & set(options.only) and "ours" not in options.sides:
        names = f"{', '.join(but_last)} or {last}"
        raise UserError(f"--only {names} needs ours, which --sides leaves out")
    if "parity" in options.only and len(set(options.sides)) < 2:
        raise UserError("--only parity needs two sides to compare, e.g. --sides ours,keras")
    if options.core not in os.sched_getaffinity(0):
        cores = ", ".join(map(str, sorted(os.sched_getaffinity(0))))
        raise UserError(f"--core {options.core} is not available; allowed: {cores}")
    for name in ("seeds", "epochs", "rounds"):
        if getattr(options, name) < 1:
            raise UserError(f"--{name} {getattr(options, name)}: must be 1 or more")
    refuse_no_file(options.out)
    stored(options.out)


def refuse_no_file(out: Path) -> None:
    """Raise UserError if no file can be written there."""
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(f"--out {out}: {error.strerror}; allowed: a file") from None
    if out.is_dir() or not os.access(out.parent, os.W_OK):
        raise UserError(f"--out {out}: cannot be written; allowed: a file") from None


def make_missing_data(data: Path, datasets: Iterable[str]) -> None:
    """Let the workflow make the data sets; in a folder of the user's own, they must exist."""
    files = (file for dataset in datasets for file in files_of(data, dataset))
    missing = [file for file in files if not file.is_file()]
    if missing and data != DATA:
        raise UserError(f"no {missing[0]}; the workflow's own data are used without --data")
    if missing:
        tell("making the data sets")
        targets = [file.relative_to(REPOSITORY) for file in missing]
        done = snakemake(REPOSITORY, "--quiet", "--cores", "1", *targets)
        if done.returncode != 0:
            raise UserError("the workflow could not make the data sets: see its messages above")


def describe(options: argparse.Namespace) -> dict[str, Any]:
    """Code, processor, core, load and versions: what a reader needs to judge the numbers."""
    return {
        "git": git_state(),
        "processor": cpu_model(),
        "cores": os.cpu_count(),
        "core_used": options.core,
        "load_average_before": os.getloadavg(),
        "versions": versions(),
        "keras_versions": keras_versions(options.keras_python)
        if "keras" in options.sides
        else None,
    }


def keras_versions(python: Path) -> dict[str, str]:
    """Versions under the Python of Keras. Raises UserError if it lacks TensorFlow."""
    packages = ("tensorflow-cpu", "keras", "numpy")
    code = (
        "import json, sys; from importlib.metadata import version; "
        "print(json.dumps({name: version(name) for name in sys.argv[1:]}))"
    )
    answer = subprocess.run(
        [python, "-c", code, *packages], capture_output=True, text=True, check=False
    )
    if answer.returncode != 0:
        raise UserError(
            f"{python} lacks one of {', '.join(packages)}: install tensorflow-cpu there"
        )
    return json.loads(answer.stdout)


def measure(bench: Bench) -> None:
    """Measure the parts that were asked for, printing and writing each as it ends.

    In the JSON each part has what it was made with, and its checks.
    """
    options = bench.options
    out: Path = options.out
    report = stored(out)
    for name in options.only:
        started, checked = time.time(), len(bench.checks)
        made_with = describe(options)
        found = PARTS[name].measure(bench)
        made_with["load_average_after"] = os.getloadavg()
        made_with |= {"samples": dict(bench.samples), "wall_s": time.time() - started}
        checks = bench.checks[checked:]
        report[name] = {"made_with": made_with, "checks": checks, "measured": found}
        print(f"\n{PARTS[name].page(found)}", flush=True)
        write_json(out, report)  # a part that fails does not lose those before it
        write_text(out.with_suffix(".txt"), page(report))


def stored(out: Path) -> dict[str, Any]:
    """Return what earlier runs have left in the JSON, by part."""
    try:
        report = json.loads(out.read_text(encoding="utf-8"))
        if report.keys() - PARTS.keys():
            raise KeyError("a part that there is not")
        page(report)  # it has what is told of each part
    except FileNotFoundError:
        return {}
    except (ValueError, LookupError, AttributeError, TypeError, RecursionError):
        raise UserError(
            f"{out} is not what a run of these benchmarks wrote: remove it, or give another --out"
        ) from None
    return report


def page(report: Mapping[str, Any]) -> str:
    """All parts as tables, and what they were made with."""
    parts = {name: report[name] for name in PARTS if name in report}
    pages = [PARTS[name].page(part["measured"]) for name, part in parts.items()]
    origins: dict[str, list[str]] = {}
    for name, part in parts.items():
        of = part["made_with"]
        commit = (of["git"]["commit"] or "unknown")[:10]
        code = f"{commit}{'' if of['git']['clean'] else ' and changes'}"
        origins.setdefault(f"on {of['processor']}, code {code}", []).append(name)
    for words, names in origins.items():
        seconds = sum(parts[name]["made_with"]["wall_s"] for name in names)
        pages.append(f"{', '.join(names)}: {seconds:,.0f} s {words}")
    return "\n\n".join(pages) + "\n"


def main() -> None:
    options = parse_options()
    with exit_on_user_error(), tempfile.TemporaryDirectory(prefix="dropnet-bench-") as folder:
        refuse_impossible(options)
        datasets = dict.fromkeys(name for part in options.only for name in PARTS[part].datasets)
        make_missing_data(options.data, datasets)
        os.sched_setaffinity(0, {options.core})  # inherited by every process started from here
        plan = Plan(load(REPOSITORY / "config.yaml"))
        bench = Bench(options, plan, Path(folder))
        measure(bench)
        print(f"\nwritten: {options.out}")
        if failed := [check["name"] for check in bench.checks if not check["passed"]]:
            raise UserError(f"out of bounds: {', '.join(failed)}")


if __name__ == "__main__":
    main()
