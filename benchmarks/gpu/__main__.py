"""Train Conv64-Conv64 on a GPU in three ways, side by side, and say how they compare.

`make bench-gpu` runs it; on a machine with torch, Triton and NumPy alone, without this project's
environment, `PYTHONPATH=workflow python -m benchmarks.gpu` does. Images are noise: no time depends
on them. All ways take the same steps:

  ours     the stacked engine: all networks of the job take each step together, by replayed graphs
  one by one  the engine of a processor on this GPU: one network after the other, from Python
  plain    PyTorch's modules, autograd and SGD, one network after the other

The sweep is Figure 6's: each width of its schedule for the same number of steps, so that it is a
comparison of speed at equal epochs; evaluation and scores are not in it.
"""

import argparse
import json
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from benchmarks.sides.pytorch import optimiser_of, train_epoch
from dropnet.networks.masks import Masks
from dropnet.networks.models import masked_widths
from dropnet.networks.weights import compact, initial_weights
from dropnet.pruning.schedule import remaining_counts
from dropnet.settings import Settings
from dropnet.training import convolutional
from dropnet.training.device import find_device, name_of

FLOAT32_TFLOPS = {"H100": 67.0, "H200": 67.0, "A100": 19.5}  # without tensor cores, as published
ROUNDS = 3


def settings(width: int, precision: str) -> Settings:
    """Figure 6's experiment, with layers of another width."""
    return Settings(
        experiment=f"Conv{width}-Conv{width}", scale="bench", dataset="MNIST", data=None,
        classes=10, model="Conv", widths=(width, width), prune_fraction=0.2, stop_fraction=0.01,
        selection="exact", precision=precision, augmentation="none", train_images=None,
        test_images=None, batch_size=32, learning_rate=0.1, max_epochs=100, patience=5,
    )  # fmt: skip


def noise(count: int, side: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Images and labels that mean nothing."""
    generator = torch.Generator().manual_seed(count)
    pixels = torch.randint(0, 256, (count, 1, side, side), generator=generator, dtype=torch.uint8)
    return pixels, torch.randint(0, 10, (count,), generator=generator)


def flops(width: int, side: int, batch: int = 32) -> float:
    """Of a training step of one network; the images' gradient is not needed."""
    first = side**2 * 9 * width
    second = (side // 2) ** 2 * 9 * width**2
    last = (side // 4) ** 2 * width * 10
    return 2 * batch * (2 * first + 3 * second + 3 * last)


class Bench:
    """The ways of training, and a clock."""

    def __init__(self, options: argparse.Namespace) -> None:
        """Take the options of the command line."""
        self.options = options
        self.device = find_device(options.device, options.precision)
        self.splits = [noise(count, options.side) for count in (32 * options.steps, 32, 32)]

    def wait(self) -> None:
        """Until the device has done all that it was asked for."""
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)

    def seconds(self, epoch: Callable[[], Any]) -> dict[str, float]:
        """Of an epoch: the first, with compilation and recording, and the median of others."""
        times = []
        for _ in range(1 + ROUNDS):
            self.wait()
            begun = time.perf_counter()
            epoch()
            self.wait()
            times.append(time.perf_counter() - begun)
        return {"first": times[0], "median": statistics.median(times[1:])}

    def stack(self, engine: Any, width: int, networks: int) -> Callable[[], Any]:
        """An epoch of an engine of this project."""
        task = engine.Task(
            *self.splits, settings(width, self.options.precision), torch.float32, self.device
        )
        full = Masks.full(masked_widths(task.layers))
        weights = [
            compact(initial_weights(task.steps(), seed), task.steps(full))
            for seed in range(networks)
        ]
        stack = task.stack(weights, [full] * networks)
        return lambda: stack.train_epoch(1)

    def plain(self, width: int) -> Callable[[], Any]:
        """An epoch of a plain loop, for one network."""
        nn = torch.nn
        network = nn.Sequential(
            nn.Conv2d(1, width, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2),
            nn.Conv2d(width, width, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2),
            nn.Flatten(), nn.Linear((self.options.side // 4) ** 2 * width, 10),
        ).to(self.device)  # fmt: skip
        optimiser = optimiser_of(network)
        images, labels = self.splits[0]
        images, labels = (images.float() / 255).to(self.device), labels.to(self.device)
        return lambda: train_epoch(network, optimiser, images, labels)

    def microseconds(self, width: int) -> dict[str, float]:
        """Of a network and step, in each way."""
        from dropnet.training import stacked  # it needs Triton

        options = self.options
        together = self.seconds(self.stack(stacked, width, options.networks))
        alone = self.seconds(self.stack(convolutional, width, 1))
        plain = self.seconds(self.plain(width))
        scale = 1e6 / options.steps
        return {
            "ours": together["median"] * scale / options.networks,
            "one by one": alone["median"] * scale,
            "plain": plain["median"] * scale,
            "seconds of compiling and recording": together["first"] - together["median"],
        }


def sweep_widths(width: int) -> list[int]:
    """The widths of Figure 6's schedule, if both layers lose alike; the last filters are one."""
    counts = remaining_counts([width, width], 0.2, 0.02, per_layer=True)
    return [max(1, count // 2) for count in counts]


def measure(options: argparse.Namespace) -> dict[str, Any]:
    """Measure all widths of the sweep; print a line for each."""
    bench = Bench(options)
    name = name_of(bench.device)
    rows = {}
    for width in dict.fromkeys(sweep_widths(options.width)):
        rows[width] = bench.microseconds(width)
        words = ", ".join(f"{way} {value:,.4g}" for way, value in rows[width].items())
        print(f"width {width}: {words}", flush=True)
    widths = sweep_widths(options.width)
    sweep = {way: sum(rows[w][way] for w in widths) for way in ("ours", "one by one", "plain")}
    tflops = flops(options.width, options.side) / rows[options.width]["ours"] / 1e6
    peak = next((rate for chip, rate in FLOAT32_TFLOPS.items() if chip in name), None)
    return {
        "device": name,
        "versions": {"torch": torch.__version__},
        "networks": options.networks,
        "precision": options.precision,
        "microseconds of a network and step": rows,
        "sweep, times as fast as": {way: sweep[way] / sweep["ours"] for way in sweep},
        "unpruned step, TFLOP/s": tflops,
        "share of the float32 rate": tflops / peak if peak else None,
        "peak memory, GB": (
            torch.cuda.max_memory_allocated() / 1e9 if bench.device.type == "cuda" else None
        ),
    }


def main(words: list[str] | None = None) -> None:
    """Measure, print the result, and write it where it is wanted."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--networks", type=int, default=15)
    parser.add_argument("--width", type=int, default=64, help="of the unpruned layers")
    parser.add_argument("--side", type=int, default=28, help="of the images")
    parser.add_argument("--steps", type=int, default=200, help="of an epoch")
    parser.add_argument("--precision", default="float32", choices=["float32", "tf32", "bfloat16"])
    parser.add_argument("--output", type=Path, help="JSON")
    options = parser.parse_args(words)
    result = measure(options)
    print(json.dumps({k: v for k, v in result.items() if "microseconds" not in k}, indent=1))
    if options.output:
        options.output.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    from dropnet.errors import exit_on_user_error

    with exit_on_user_error():
        main(sys.argv[1:])
