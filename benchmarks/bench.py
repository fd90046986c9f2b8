"""The shared measuring: a run, its sides and checks, and what several workloads measure alike."""

import argparse
import math
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
from safetensors import safe_open

from benchmarks.processes import REPOSITORY, Process, run
from benchmarks.report import announce, spread, table, tell
from benchmarks.report import show as shown
from dropnet.config.plan import Plan
from dropnet.data.split import VALIDATION_SHARE
from dropnet.metrics import METRICS
from dropnet.pruning.schedule import remaining_counts
from dropnet.settings import Settings

DATA = REPOSITORY / "results/data"  # where the workflow makes the data sets
SIDES = ("ours", "keras", "pytorch")
SCALE = "paper"  # whose protocol the workloads follow
OFFICIAL = {"MNIST": (60_000, 10_000), "CIFAR-10": (50_000, 10_000)}  # training and test images
PRODUCTS = 5  # matrix products before a training epoch, and after it


@dataclass(frozen=True)
class Images:
    """Which images of a data set a workload has.

    Attributes:
        dataset: its name.
        part: "train" or "validation", in the order of the split; "test".
        count: so many of the first ones; None: all.
    """

    dataset: str
    part: str
    count: int | None = None


@dataclass
class Bench:
    """A run: what was asked for, and what is known so far.

    Attributes:
        options: of the command line.
        plan: of config.yaml.
        folder: temporary: arrays, networks, logs.
        samples: by workload, how many images it has under each name.
        checks: what must hold, and whether it did.
    """

    options: argparse.Namespace
    plan: Plan
    folder: Path
    samples: dict[str, dict[str, int]] = field(default_factory=dict)
    checks: list[dict[str, Any]] = field(default_factory=list)

    def settings(self, experiment: str, scale: str = SCALE) -> Settings:
        """Of an experiment of config.yaml."""
        return self.plan.at(scale).settings(experiment)

    def write_arrays(self, workload: str, wanted: Mapping[str, Images]) -> dict[str, int]:
        """Write a workload's images for its sides (`sides.protocol.load_split`); how many."""
        if workload not in self.samples:
            arrays = {}
            for name, images in wanted.items():
                pixels, labels = read_images(self.options.data, images)
                arrays |= {f"{name}_images": pixels, f"{name}_labels": labels}
            np.savez(self._arrays(workload), **arrays)
            self.samples[workload] = {name: len(arrays[f"{name}_labels"]) for name in wanted}
        return self.samples[workload]

    def _arrays(self, workload: str) -> Path:
        return self.folder / f"{workload}.npz"

    def start(self, workload: str, side: str) -> Process:
        """Start a side of a workload whose arrays are written."""
        python = self.options.keras_python if side == "keras" else sys.executable
        module = f"benchmarks.{workload}.{side}"
        command = [python, "-m", module, "--data", self._arrays(workload)]
        return Process(command, self.folder / f"{workload}_{side}.log")

    @contextmanager
    def start_sides(
        self, workload: str, has: Sequence[str] = SIDES
    ) -> Iterator[dict[str, Process]]:
        """Start all sides that were asked for, of those that a workload has, for a block."""
        with ExitStack() as stack:
            sides = [side for side in self.options.sides if side in has]
            yield {side: stack.enter_context(self.start(workload, side)) for side in sides}

    def check(self, name: str, value: float, limit: float) -> bool:
        """Note that `value` must be at most `limit`; return whether it is."""
        passed = value <= limit
        self.checks.append({"name": name, "value": value, "limit": limit, "passed": passed})
        return passed


# --- data --------------------------------------------------------------------------------------


def files_of(data: Path, dataset: str) -> tuple[Path, Path]:
    """A data set, and the split of all its training images, as the workflow names them."""
    return data / f"{dataset}.safetensors", data / f"{dataset}_split_all.safetensors"


def read_images(data: Path, images: Images) -> tuple[np.ndarray, np.ndarray]:
    """Pixels uint8 [n, height, width, channels] and labels [n]."""
    dataset, split = files_of(data, images.dataset)
    if images.part == "test":
        chosen = slice(images.count)
    else:
        with safe_open(split, framework="np") as positions:
            chosen = positions.get_tensor(images.part)[: images.count]
    official = "test" if images.part == "test" else "train"
    with safe_open(dataset, framework="np") as tensors:
        pixels = tensors.get_tensor(f"{official}_images")[chosen]
        return pixels.transpose(0, 2, 3, 1), tensors.get_tensor(f"{official}_labels")[chosen]


# --- the amount of work ------------------------------------------------------------------------


def remaining_in_figure(plan: Plan, figure: str) -> dict[str, list[int]]:
    """By method, how many nodes or filters remain in each cycle of a figure, the unpruned first."""
    shown = plan.figures[figure]
    settings = plan.at(SCALE).settings(shown.experiment)
    return {
        name: remaining_counts(
            settings.widths,
            settings.prune_fraction,
            max(shown.stop_fraction, settings.stop_fraction),
            METRICS[method.metric].per_layer,
        )
        for name, method in shown.methods.items()
    }


def images_of(settings: Settings) -> tuple[int, int, int]:
    """Images of the training split, the validation split and the test set."""
    train, test = OFFICIAL[settings.dataset]
    train, test = settings.train_images or train, settings.test_images or test
    validation = math.ceil(VALIDATION_SHARE * train)
    return train - validation, validation, test


# --- speed -------------------------------------------------------------------------------------


def try_settings(title: str, worker: Process) -> dict[str, float]:
    """Seconds of one epoch in each way that a side offers, the usual way first.

    The first epoch of a setting compiles and warms up, and is not counted.
    """
    seconds = {}
    for name in worker.ask("settings"):
        tell(f"{title}: trying {name}")
        worker.ask("epoch", setting=name)
        seconds[name] = worker.ask("epoch", setting=name)["wall_s"]
    return seconds


def measure_share(
    bench: Bench, title: str, ours: Process, flops: float, **request: Any
) -> dict[str, Any]:
    """GFLOP/s of our unpruned training epoch, and of the large matrix products around it.

    Args:
        bench: the run.
        title: of the part.
        ours: our side, which is asked for a `step`.
        flops: operations that train one network for one epoch.
        request: what else it is told.
    """
    command = [sys.executable, "-m", "benchmarks.sides.product"]
    rounds = []
    with Process(command, bench.folder / "product.log") as product:
        product.ask("gflops")
        ours.ask("step", **request)
        for _ in announce(f"{title}: round", 3 * bench.options.rounds):
            products = [product.ask("gflops") for _ in range(PRODUCTS)]
            spent = ours.ask("step", **request)
            products += [product.ask("gflops") for _ in range(PRODUCTS)]
            rate = spent["networks"] * flops / spent["wall_s"] / 1e9
            rounds.append(
                {"spent": spent, "gflops": rate, "product_gflops": products}
                | {"share": rate / median(products)}
            )
    return {
        "networks": rounds[0]["spent"]["networks"],
        "gflops": spread(r["gflops"] for r in rounds),
        "product_gflops": spread(chain.from_iterable(r["product_gflops"] for r in rounds)),
        "share": spread(r["share"] for r in rounds),
        "rounds": rounds,
    }


def share_table(result: Mapping[str, Any]) -> str:
    """What `measure_share` found."""
    return table(
        ("training, GFLOP/s", "2048^3 product, GFLOP/s", "share"),
        [[shown(result[key]) for key in ("gflops", "product_gflops", "share")]],
    )


# --- the same losses ---------------------------------------------------------------------------


def compare_losses(
    bench: Bench, name: str, losses: Sequence[float], reference: Sequence[float], limit: float
) -> dict[str, Any]:
    """Note that the losses of each step must differ by at most `limit`, and by how much they do."""
    difference = largest_difference(losses, reference)
    passed = bench.check(f"parity {name}", difference, limit)
    found = {"steps": len(reference), "largest_difference": difference}
    return found | {"limit": limit, "passed": passed}


def largest_difference(losses: Sequence[float], reference: Sequence[float]) -> float:
    """The largest |a - b| / |b| over the steps; infinite if lengths differ or a loss is not finite.

    >>> round(largest_difference([1.0, 2.2], [1.0, 2.0]), 3)
    0.1
    """
    if len(losses) != len(reference) or not np.isfinite([losses, reference]).all():
        return float("inf")
    return max(abs(a - b) / abs(b) for a, b in zip(losses, reference, strict=True))


#: What `judged` shows of a comparison.
JUDGED = ("difference", "limit", "")


def judged(row: Mapping[str, Any]) -> tuple[str, str, str]:
    """What `compare_losses` found, for a table."""
    verdict = "ok" if row["passed"] else "FAILED"
    return f"{row['largest_difference']:.1e}", f"{row['limit']:.0e}", verdict


# --- memory ------------------------------------------------------------------------------------


def peaks_of_jobs(
    bench: Bench, settings: Settings, metric: str, split: Path, seeds: int
) -> dict[str, int]:
    """Run a baseline and a method as the workflow does; the peak memory of both jobs in bytes.

    Args:
        bench: the run.
        settings: of the experiment.
        metric: the method's.
        split: the file.
        seeds: how many there are.
    """
    folder = bench.folder / f"jobs_{settings.experiment}_{settings.scale}"
    folder.mkdir()
    dataset, _ = files_of(bench.options.data, settings.dataset)
    initial, unpruned = folder / "initial.safetensors", folder / "unpruned.safetensors"
    jobs = {
        "train_baseline": {"seeds": f"0-{seeds - 1}", "initial": initial, "networks": unpruned},
        "prune_network": {"method": metric, "metric": metric, "initial": initial}
        | {"unpruned": unpruned, "networks": folder / "networks.safetensors"},
    }
    peaks = {}
    for name, own in jobs.items():
        tell(f"memory: {name} of {settings.experiment} at scale {settings.scale}")
        files = {"dataset": dataset, "split": split, "finished": folder / f"finished_{name}"}
        made = {"runs": folder / f"{name}.csv", "provenance": folder / f"{name}.json"}
        named = {"settings": settings.to_json()} | files | made | own
        words = chain.from_iterable((f"--{option}", value) for option, value in named.items())
        script = REPOSITORY / f"workflow/scripts/{name}.py"
        peaks[name] = run([sys.executable, script, *words], folder / f"{name}.log")
    return peaks
