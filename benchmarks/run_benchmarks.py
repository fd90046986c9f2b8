"""Compare this project's engine with Keras and plain PyTorch, side by side on one core.

Prints tables and writes results/benchmarks/bench.json. See README.md for what is compared.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path
from statistics import median
from typing import Any

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "workflow"))  # the package is used in place

import numpy as np  # noqa: E402

from common import (  # noqa: E402
    BATCH_SIZE,
    CLASSES,
    HIDDEN,
    LEARNING_RATE,
    PRUNE_FRACTION,
    STOP_FRACTION,
    largest_difference,
    make_problem,
    sweep_networks,
    training_flops,
)
from conv_parts import measure_conv, print_conv  # noqa: E402
from dropnet.errors import UserError, exit_on_user_error  # noqa: E402
from dropnet.files.artifacts import write_json  # noqa: E402
from dropnet.files.provenance import cpu_model, git_state, versions  # noqa: E402
from dropnet.settings import Settings  # noqa: E402
from oracle_parts import measure_oracle, print_oracle  # noqa: E402
from processes import REPOSITORY, Process, run, snakemake  # noqa: E402
from report import announce, cpu_per_wall, print_table, show, spread, tell, walls  # noqa: E402
from workflow_parts import measure_workflow, print_workflow  # noqa: E402

PARTS = ("speed", "step", "memory", "parity", "conv", "oracle", "workflow")
SIDES = ("ours", "keras", "pytorch")
DATA = REPOSITORY / "results/data"
DATASET, SPLIT = "MNIST.safetensors", "MNIST_split_all.safetensors"
COLOURS, COLOUR_SPLIT = "CIFAR-10.safetensors", "CIFAR-10_split_all.safetensors"
SCRIPTS = {"ours": "ours.py", "keras": "keras_reference.py", "pytorch": "pytorch_reference.py"}
MEMORY_LIMIT = 2e9  # bytes
CYCLES_PER_SAMPLE = 15  # of our sweep, between two samples of the others
# Another side's time divided by ours.
RATIOS = {
    "epoch_ratio": "epoch/ours",
    "epoch_cpu_ratio": "CPU epoch/ours",
    "sweep_ratio": "sweep/ours",
}
PRODUCTS = 10  # matrix products per timing of an unpruned epoch
# (name, precision, steps or None for an epoch, largest relative difference of a step's loss)
PARITY_CASES = (("first 200 steps", "float32", 200, 1e-4), ("one epoch", "float64", None, 1e-6))
PROBLEMS = {"full": 1.0, "pruned": 0.3}  # fraction of the hidden nodes that remains


@dataclass
class Bench:
    """What the parts need to know about this run."""

    options: argparse.Namespace
    folder: Path  # temporary: arrays, problems, losses, logs
    arrays: Path
    counts: dict[str, int]  # samples of each split
    checks: list[dict[str, Any]] = field(default_factory=list)  # what must hold, and whether it did

    def command(self, side: str, mode: str, *arguments: str | Path) -> list[str | Path]:
        """The command line that runs one side in one of its modes."""
        python = self.options.keras_python if side == "keras" else Path(sys.executable)
        return [python, HERE / SCRIPTS[side], mode, *arguments]

    def start(self, side: str) -> Process:
        """Start the side that answers timing requests."""
        log = self.folder / f"{side}.log"
        return Process(self.command(side, "time", "--data", self.arrays), log)

    def others(self) -> list[str]:
        """The sides that ours is compared with."""
        return [side for side in self.options.sides if side != "ours"]

    def check(self, name: str, value: float, limit: float) -> bool:
        """Note that `value` must be at most `limit`."""
        passed = value <= limit
        self.checks.append({"name": name, "value": value, "limit": limit, "passed": passed})
        return passed


# --- A: the sweep of Figure 3 ------------------------------------------------------------------


def measure_speed(bench: Bench) -> dict[str, Any]:
    """Time our whole sweep, with samples of the others in between, in several rounds."""
    with ExitStack() as stack:
        workers = {side: stack.enter_context(bench.start(side)) for side in bench.options.sides}
        tried = {side: try_settings(side, workers[side]) for side in bench.others()}
        chosen = {side: usual_and_fastest(seconds) for side, seconds in tried.items()}
        rounds = [
            speed_round(bench, workers, chosen)
            for _ in announce("speed: round", bench.options.rounds)
        ]
    seeds, epochs, networks = bench.options.seeds, bench.options.epochs, sweep_networks()
    return {
        "seeds": seeds,
        "epochs_per_network": epochs,
        "networks_per_seed": networks,
        "settings_tried_s": tried,
        "summary": summarise_speed(rounds, seeds * networks, epochs),
        "peak_bytes": {side: worker.peak_bytes for side, worker in workers.items()},
        "rounds": rounds,
    }


def try_settings(side: str, worker: Process) -> dict[str, float]:
    """Seconds of one epoch in each way the side offers, the usual way first.

    The first epoch of a setting compiles and warms up, and is not counted.
    """
    seconds = {}
    for name in worker.ask("settings"):
        tell(f"speed: trying {side}, {name}")
        worker.ask("epoch", setting=name)
        seconds[name] = worker.ask("epoch", setting=name)["wall_s"]
    worker.ask("cycle")
    return seconds


def usual_and_fastest(seconds: dict[str, float]) -> list[str]:
    """The first setting and the fastest one; one name if they are the same.

    >>> usual_and_fastest({"usual": 2.0, "tuned": 0.5, "other": 1.0})
    ['usual', 'tuned']
    """
    return list(dict.fromkeys([next(iter(seconds)), min(seconds, key=seconds.get)]))


def speed_round(
    bench: Bench, workers: dict[str, Process], settings: dict[str, list[str]]
) -> dict[str, Any]:
    """One whole sweep of ours; every few cycles, an epoch of each of the others."""
    ours: list[dict[str, Any]] = []
    others = {
        side: {"epoch": {name: [] for name in settings[side]}, "cycle": []} for side in settings
    }

    def sample_others() -> None:
        for side, samples in others.items():
            for name, epochs in samples["epoch"].items():
                epochs.append(workers[side].ask("epoch", setting=name))
            samples["cycle"].append(workers[side].ask("cycle"))

    sample_others()
    if "ours" in workers:
        workers["ours"].ask("start_sweep", seeds=bench.options.seeds, epochs=bench.options.epochs)
        while cycle := workers["ours"].ask("next_cycle"):
            ours.append(cycle)
            if len(ours) % CYCLES_PER_SAMPLE == 0:
                sample_others()
    sample_others()
    return {"ours": ours, "others": others}


def summarise_speed(
    rounds: Sequence[dict[str, Any]], networks: int, epochs: int
) -> list[dict[str, Any]]:
    """One row per side and setting, ours first; ratios are taken within each round.

    Ours is the wall time of all its cycles. The others are `networks` times (`epochs` epochs and
    one scoring and test evaluation), from the medians of the round.
    """
    ours = [our_sweep(done["ours"], epochs) for done in rounds if done["ours"]]
    rows = [our_row(ours, rounds)] if ours else []
    for side, samples in rounds[0]["others"].items():
        for setting in samples["epoch"]:
            rows.append(other_row(side, setting, rounds, networks, epochs, ours))
    return rows


def our_sweep(cycles: Sequence[dict[str, Any]], epochs: int) -> dict[str, float]:
    """Seconds of one of our sweeps, and per trained network: of an epoch, and of the rest."""
    networks = sum(cycle["networks"] for cycle in cycles)
    train = sum(cycle["train"]["wall_s"] for cycle in cycles)
    rest = sum(cycle["rest"]["wall_s"] for cycle in cycles)
    return {
        "networks": networks,
        "epoch_s": train / (networks * epochs),
        "epoch_cpu_s": sum(cycle["train"]["cpu_s"] for cycle in cycles) / (networks * epochs),
        "rest_s": rest / networks,
        "sweep_s": train + rest,
    }


def our_row(sweeps: Sequence[dict[str, float]], rounds: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Our row of the table; spreads are over the rounds."""
    return {
        "side": "ours",
        "setting": "compact stacks",
        "networks_trained": sweeps[0]["networks"],
        "epoch_s": spread(sweep["epoch_s"] for sweep in sweeps),
        "epoch_cpu_s": spread(sweep["epoch_cpu_s"] for sweep in sweeps),
        "rest_of_cycle_s": spread(sweep["rest_s"] for sweep in sweeps),
        "sweep_s": spread(sweep["sweep_s"] for sweep in sweeps),
        "cpu_per_wall": cpu_per_wall(cycle["train"] for done in rounds for cycle in done["ours"]),
    }


def other_row(
    side: str,
    setting: str,
    rounds: Sequence[dict[str, Any]],
    networks: int,
    epochs: int,
    ours: Sequence[dict[str, float]],
) -> dict[str, Any]:
    """Another side's row; spreads are over all samples, for sweeps and ratios over the rounds."""
    epochs_done = [done["others"][side]["epoch"][setting] for done in rounds]
    epoch_walls = [walls(samples) for samples in epochs_done]
    epoch_cpu = [median(sample["cpu_s"] for sample in samples) for samples in epochs_done]
    cycle_walls = [walls(done["others"][side]["cycle"]) for done in rounds]
    epoch_medians = [median(seconds) for seconds in epoch_walls]
    sweeps = [
        networks * (epochs * epoch + median(rest))
        for epoch, rest in zip(epoch_medians, cycle_walls, strict=True)
    ]
    row = {
        "side": side,
        "setting": setting,
        "networks_trained": networks,
        "epoch_s": spread(chain.from_iterable(epoch_walls)),
        "epoch_cpu_s": spread(epoch_cpu),
        "rest_of_cycle_s": spread(chain.from_iterable(cycle_walls)),
        "sweep_s": spread(sweeps),
        "cpu_per_wall": cpu_per_wall(chain.from_iterable(epochs_done)),
    }
    if ours:
        row["epoch_ratio"] = spread(
            epoch / sweep["epoch_s"] for epoch, sweep in zip(epoch_medians, ours, strict=True)
        )
        row["epoch_cpu_ratio"] = spread(
            epoch / sweep["epoch_cpu_s"] for epoch, sweep in zip(epoch_cpu, ours, strict=True)
        )
        row["sweep_ratio"] = spread(
            theirs / sweep["sweep_s"] for theirs, sweep in zip(sweeps, ours, strict=True)
        )
    return row


def print_speed(result: dict[str, Any]) -> None:
    """The sweep as a table."""
    print(
        f"\nA. Figure 3 sweep (FC40-FC40, {result['seeds']} seeds x {result['networks_per_seed']} "
        f"networks, {result['epochs_per_network']} epoch(s) each), one core; median (min-max);\n"
        "   epoch: one network, validation included; rest: one network's scores and test accuracy"
    )
    rows = [
        (
            f"{row['side']}: {row['setting']}",
            show(row["epoch_s"], 1e3),
            show(row["rest_of_cycle_s"], 1e3),
            show(row["sweep_s"]),
            f"{row['cpu_per_wall']:.0%}",
            *(show(row[ratio]) if ratio in row else "" for ratio in RATIOS),
        )
        for row in result["summary"]
    ]
    print_table(
        ("side", "epoch, ms", "rest, ms", "sweep, s", "CPU/wall", *RATIOS.values()),
        rows,
    )


# --- B: the unpruned training step against the core's matrix products --------------------------


def measure_step(bench: Bench) -> dict[str, Any]:
    """Useful GFLOP/s of our unpruned training epoch, and of 2048 x 2048 products around it."""
    with bench.start("ours") as ours, bench.start("pytorch") as pytorch:
        ours.ask("step", seeds=bench.options.seeds)
        pytorch.ask("product")
        rounds = []
        for _ in announce("step: round", 3 * bench.options.rounds):
            products = [pytorch.ask("product")["gflops"] for _ in range(PRODUCTS // 2)]
            spent = ours.ask("step", seeds=bench.options.seeds)
            products += [pytorch.ask("product")["gflops"] for _ in range(PRODUCTS // 2)]
            flops = spent["networks"] * training_flops(bench.counts["train"])
            rate = flops / spent["wall_s"] / 1e9
            rounds.append(
                {"spent": spent, "gflops": rate, "product_gflops": products}
                | {"share": rate / median(products)}
            )
    return {
        "gflop_per_network_and_epoch": training_flops(bench.counts["train"]) / 1e9,
        "networks": rounds[0]["spent"]["networks"],
        "gflops": spread(r["gflops"] for r in rounds),
        "product_gflops": spread(rate for r in rounds for rate in r["product_gflops"]),
        "share": spread(r["share"] for r in rounds),
        "rounds": rounds,
    }


def print_step(result: dict[str, Any]) -> None:
    """The training step as a table."""
    print(
        f"\nB. Unpruned training step, {result['networks']} networks, "
        f"{result['gflop_per_network_and_epoch']:.2f} GFLOP per network and epoch"
    )
    print_table(
        ("training, GFLOP/s", "2048^3 product, GFLOP/s", "share"),
        [(show(result["gflops"]), show(result["product_gflops"]), show(result["share"]))],
    )


# --- C: peak memory of a job -------------------------------------------------------------------


def measure_memory(bench: Bench) -> dict[str, Any]:
    """Peak resident memory of the workflow's two training jobs, run as the workflow runs them.

    One epoch a cycle: what a job holds does not depend on how long it trains.
    """
    settings = Settings(
        experiment="FC40-FC40",
        scale="benchmark",
        dataset="MNIST",
        classes=CLASSES,
        model="FC",
        widths=HIDDEN,
        prune_fraction=PRUNE_FRACTION,
        stop_fraction=STOP_FRACTION,
        selection="exact",
        precision="float32",
        augmentation="none",
        train_images=None,
        test_images=None,
        batch_size=BATCH_SIZE,
        learning_rate=LEARNING_RATE,
        max_epochs=1,
        patience=1,
    )
    peaks = {
        name: run_job(bench, name, settings, job)
        for name, job in job_options(bench.folder, bench.options.seeds).items()
    }
    for name, peak in peaks.items():
        bench.check(f"peak memory of {name}, bytes", peak, MEMORY_LIMIT)
    return {"seeds": bench.options.seeds, "peak_bytes": peaks, "limit_bytes": MEMORY_LIMIT}


def job_options(folder: Path, seeds: int) -> dict[str, dict[str, str | Path]]:
    """The command line options of each job, in the order in which they run."""
    initial, unpruned = folder / "initial.safetensors", folder / "unpruned.safetensors"
    return {
        "train_baseline": {
            "seeds": f"0-{seeds - 1}",
            "initial": initial,
            "networks": unpruned,
            "finished": folder / "epochs",
        },
        "prune_network": {
            "method": "minimum",
            "initial": initial,
            "unpruned": unpruned,
            "networks": folder / "networks.safetensors",
            "finished": folder / "cycles",
        },
    }


def run_job(bench: Bench, name: str, settings: Settings, job: dict[str, str | Path]) -> int:
    """Run one job of the workflow; its peak resident memory in bytes."""
    tell(f"memory: {name}")
    files = {"dataset": bench.options.data / DATASET, "split": bench.options.data / SPLIT}
    made = {"runs": bench.folder / f"{name}.csv", "provenance": bench.folder / f"{name}.json"}
    named = {"settings": settings.to_json()} | files | made | job
    words = chain.from_iterable((f"--{option}", value) for option, value in named.items())
    script = REPOSITORY / f"workflow/scripts/{name}.py"
    return run([sys.executable, script, *words], bench.folder / f"{name}.log")


def print_memory(result: dict[str, Any]) -> None:
    """The jobs' peak memory."""
    print(f"\nC. Peak memory of a job with {result['seeds']} seeds")
    print_table(
        ("job", "peak, MB", "limit, MB"),
        [
            (name, f"{peak / 1e6:,.0f}", f"{result['limit_bytes'] / 1e6:,.0f}")
            for name, peak in result["peak_bytes"].items()
        ],
    )


# --- D: the same losses ------------------------------------------------------------------------


def measure_parity(bench: Bench) -> list[dict[str, Any]]:
    """Losses of the same steps from the same weights; each side against Keras (else PyTorch)."""
    problems = {name: bench.folder / f"problem_{name}.npz" for name in PROBLEMS}
    for seed, (name, remaining) in enumerate(PROBLEMS.items()):
        np.savez(problems[name], **make_problem(seed, remaining))
    reference = "keras" if "keras" in bench.options.sides else "pytorch"
    sides = [reference, *(side for side in bench.options.sides if side != reference)]
    rows = []
    for title, dtype, steps, limit in PARITY_CASES:
        steps = steps or -(-bench.counts["train"] // BATCH_SIZE)
        losses = {side: losses_of(bench, side, problems, dtype, steps) for side in sides}
        for side in sides[1:]:
            for name in PROBLEMS:
                difference = largest_difference(losses[side][name], losses[reference][name])
                passed = bench.check(f"parity {side} {name} {dtype}", difference, limit)
                rows.append(
                    {"side": side, "reference": reference, "network": name, "case": title}
                    | {"dtype": dtype, "steps": len(losses[reference][name])}
                    | {"largest_difference": difference, "limit": limit, "passed": passed}
                )
    return rows


def losses_of(
    bench: Bench, side: str, problems: dict[str, Path], dtype: str, steps: int
) -> dict[str, np.ndarray]:
    """The training loss of each step on one side, by problem."""
    tell(f"parity: {side}, {dtype}, {steps} steps")
    outs = {name: bench.folder / f"losses_{side}_{dtype}_{name}.npy" for name in problems}
    numbers = ("--dtype", dtype, "--steps", str(steps))
    files = ("--problem", *problems.values(), "--out", *outs.values())
    command = bench.command(side, "losses", "--data", bench.arrays, *numbers, *files)
    run(command, bench.folder / f"losses_{side}.log")
    return {name: np.load(out) for name, out in outs.items()}


def print_parity(rows: Sequence[dict[str, Any]]) -> None:
    """The differences as a table."""
    print("\nD. Training loss of each step: largest relative difference")
    print_table(
        ("compared", "network", "steps", "precision", "difference", "limit", ""),
        [
            (f"{row['side']} - {row['reference']}", row["network"], f"{row['steps']}", row["dtype"])
            + (f"{row['largest_difference']:.1e}", f"{row['limit']:.0e}")
            + ("ok" if row["passed"] else "FAILED",)
            for row in rows
        ],
    )


# --- the run -----------------------------------------------------------------------------------

MEASURES: dict[str, tuple[Callable[[Bench], Any], Callable[[Any], None]]] = {
    "speed": (measure_speed, print_speed),
    "step": (measure_step, print_step),
    "memory": (measure_memory, print_memory),
    "parity": (measure_parity, print_parity),
    "conv": (measure_conv, print_conv),
    "oracle": (measure_oracle, print_oracle),
    "workflow": (measure_workflow, print_workflow),
}


def parse_options(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """The command line. Raises UserError for values that are not allowed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", type=listed(PARTS), default=PARTS, help="parts, by commas")
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


def listed(allowed: Sequence[str]) -> Callable[[str], list[str]]:
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
    alone = ("step", "memory", "conv", "oracle", "workflow")
    if set(alone) & set(options.only) and "ours" not in options.sides:
        listed = f"{', '.join(alone[:-1])} or {alone[-1]}"
        raise UserError(f"--only {listed} needs ours, which --sides leaves out")
    if "parity" in options.only and len(set(options.sides)) < 2:
        raise UserError("--only parity needs two sides to compare, e.g. --sides ours,keras")
    if options.core not in os.sched_getaffinity(0):
        cores = ", ".join(map(str, sorted(os.sched_getaffinity(0))))
        raise UserError(f"--core {options.core} is not available; allowed: {cores}")
    for name in ("seeds", "epochs", "rounds"):
        if getattr(options, name) < 1:
            raise UserError(f"--{name} {getattr(options, name)}: must be 1 or more")


def make_missing_data(data: Path, colours: bool) -> None:
    """Let the workflow make the data sets; in a folder of the user's own, they must exist."""
    names = (DATASET, SPLIT, COLOURS, COLOUR_SPLIT) if colours else (DATASET, SPLIT)
    missing = [data / name for name in names if not (data / name).is_file()]
    if missing and data != DATA:
        raise UserError(f"no {missing[0]}; the workflow's own data are used without --data")
    if missing:
        tell("making the data sets")
        targets = [file.relative_to(REPOSITORY) for file in missing]
        done = snakemake(REPOSITORY, "--quiet", "--cores", "1", *targets)
        if done.returncode != 0:
            raise UserError("the workflow could not make the data sets: see its messages above")


def write_arrays(data: Path, target: Path, quick: bool) -> dict[str, int]:
    """Write MNIST as plain arrays that every side can read; the samples of each split.

    Images are uint8 [n, 784]; `train` and `validation` are in the order of the split file. A
    quick run keeps an odd number of training images, so that the last batch stays a partial one.
    """
    from safetensors.numpy import load_file

    files = [data / DATASET, data / SPLIT]
    tensors, split = load_file(files[0]), load_file(files[1])
    keep = {"train": 3216, "validation": 640, "test": 640} if quick else {}
    arrays = {}
    for name in ("train", "validation", "test"):
        official = "test" if name == "test" else "train"
        images = tensors[f"{official}_images"].reshape(-1, 784)
        chosen = (split[name] if name in split else np.arange(len(images)))[: keep.get(name)]
        arrays[f"{name}_images"] = images[chosen]
        arrays[f"{name}_labels"] = tensors[f"{official}_labels"][chosen]
    np.savez(target, **arrays)
    return {name: len(arrays[f"{name}_labels"]) for name in ("train", "validation", "test")}


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


def main() -> None:
    options = parse_options()
    with exit_on_user_error(), tempfile.TemporaryDirectory(prefix="dropnet-bench-") as folder:
        refuse_impossible(options)
        make_missing_data(options.data, "conv" in options.only)
        os.sched_setaffinity(0, {options.core})  # inherited by every process started from here
        started = time.time()
        report = {"quick": options.quick, "made_with": describe(options)}
        arrays = Path(folder) / "mnist.npz"
        bench = Bench(
            options, Path(folder), arrays, write_arrays(options.data, arrays, options.quick)
        )
        report["samples"] = bench.counts
        for part in options.only:
            measure, show_part = MEASURES[part]
            report[part] = measure(bench)
            show_part(report[part])
            write_json(options.out, report)  # a part that fails does not lose those before it
        report["made_with"]["load_average_after"] = os.getloadavg()
        report |= {"checks": bench.checks, "wall_s": time.time() - started}
        write_json(options.out, report)
        print(f"\n{report['wall_s']:.0f} s on {report['made_with']['processor']}; {options.out}")
        if failed := [check["name"] for check in bench.checks if not check["passed"]]:
            raise UserError(f"out of bounds: {', '.join(failed)}")


if __name__ == "__main__":
    main()
