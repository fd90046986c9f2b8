"""Train networks on a GPU in four ways, side by side, and say how they compare.

`make bench-gpu` runs it; on a machine with torch, Triton (which wants a C compiler and the headers
of Python) and NumPy alone, without this project's environment, `PYTHONPATH=workflow python -m
benchmarks.gpu` does. Images are noise: no time depends on them. All ways take the same steps:

  ours     the stacked engine: all networks of the job take each step together, by replayed graphs
  one by one  the engine of a processor on this GPU: one network after the other, from Python
  plain    PyTorch's modules, autograd and SGD, one network after the other, by the same switches:
           deterministic kernels, and the precision that is asked for
  plain, torch's switches  the same as torch comes: any kernels, convolutions rounded to TF32

The networks are those of `--model`: Conv64-Conv64, ResNet18 or VGG19, and narrower ones. The sweep
of Conv64-Conv64 is Figure 6's: each width of its schedule for the same number of steps, so that it
is a comparison of speed at equal epochs; that of the others has four widths, down to a sixteenth.
Evaluation and scores are not in it.
"""

import argparse
import json
import os
import re
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import torch
import triton

from benchmarks.sides.modules import plain_network
from benchmarks.sides.pytorch import optimiser_of, train_epoch
from dropnet.errors import UserError, exit_on_user_error
from dropnet.files.artifacts import write_json
from dropnet.networks.masks import Masks
from dropnet.networks.models import layers_of, masked_widths
from dropnet.networks.sizes import size_of
from dropnet.networks.steps import steps_of
from dropnet.networks.weights import compact, initial_weights
from dropnet.pruning.schedule import remaining_counts
from dropnet.settings import Settings
from dropnet.training import convolutional
from dropnet.training.device import find_device, name_of

FLOAT32_TFLOPS = {"H100": 67.0, "H200": 67.0, "A100": 19.5}  # without tensor cores, as published
ROUNDS = 3


#: For each model: its layers, or stages, as multiples of the first one; channels, side of images.
MODELS = {
    "Conv": ((1, 1), 1, 28),
    "ResNet18": ((1, 1, 2, 4, 8), 3, 32),
    "VGG19": ((1, 2, 4, 8, 8), 3, 32),
}


def settings(model: str, width: int, precision: str = "float32") -> Settings:
    """An experiment of the paper, its first layer of another width and the others in proportion."""
    widths = tuple(width * times for times in MODELS[model][0])
    return Settings(
        experiment=f"{model}-{width}", scale="bench", dataset="noise", data=None,
        classes=10, model=model, widths=widths, prune_fraction=0.2, stop_fraction=0.01,
        selection="exact", precision=precision, augmentation="none", train_images=None,
        test_images=None, batch_size=32, learning_rate=0.1, max_epochs=100, patience=5,
    )  # fmt: skip


def noise(count: int, channels: int, side: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Images and labels that mean nothing."""
    generator = torch.Generator().manual_seed(count)
    shape = (count, channels, side, side)
    pixels = torch.randint(0, 256, shape, generator=generator, dtype=torch.uint8)
    return pixels, torch.randint(0, 10, (count,), generator=generator)


def flops(experiment: Settings, channels: int, side: int, batch: int = 32) -> float:
    """Of a training step of one network; the images' gradient is not needed."""
    steps = steps_of(layers_of(experiment), (channels, side, side))
    first = size_of(steps[:1], side, side).multiply_adds
    return 2 * batch * (3 * size_of(steps, side, side).multiply_adds - first)


class Switches(NamedTuple):
    """How torch computes on a GPU, for the whole process."""

    deterministic: bool
    convolutions: str
    products: str

    @classmethod
    def now(cls) -> "Switches":
        """Return those that are set."""
        cudnn, products = torch.backends.cudnn, torch.backends.cuda.matmul.fp32_precision
        convolutions = cudnn.conv.fp32_precision  # type: ignore[attr-defined]
        return cls(cudnn.deterministic, convolutions, products)

    def set(self) -> None:
        """Make them those of the process."""
        torch.backends.cudnn.deterministic = self.deterministic
        torch.backends.cudnn.conv.fp32_precision = self.convolutions  # type: ignore[attr-defined]
        torch.backends.cuda.matmul.fp32_precision = self.products


class Bench:
    """The ways of training, and a clock."""

    def __init__(self, options: argparse.Namespace) -> None:
        """Take the options of the command line."""
        self.options = options
        self.as_torch_comes = Switches.now()
        self.device = find_device(options.device, options.precision)
        _, self.channels, side = MODELS[options.model]
        self.side = options.side or side
        counts = (32 * options.steps, 32, 32)
        self.splits = [noise(count, self.channels, self.side) for count in counts]

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
        experiment = settings(self.options.model, width, self.options.precision)
        task = engine.Task(*self.splits, experiment, torch.float32, self.device)
        full = Masks.full(masked_widths(task.layers))
        weights = [
            compact(initial_weights(task.steps(), seed), task.steps(full))
            for seed in range(networks)
        ]
        stack = task.stack(weights, [full] * networks)
        return lambda: stack.train_epoch(1)

    def plain(self, width: int) -> Callable[[], Any]:
        """An epoch of a plain loop, for one network."""
        layers = layers_of(settings(self.options.model, width))
        network = plain_network(layers, self.channels, self.side).to(self.device)
        optimiser = optimiser_of(network)
        images, labels = self.splits[0]
        images, labels = (images.float() / 255).to(self.device), labels.to(self.device)
        rounded = self.options.precision == "bfloat16"

        def epoch() -> None:
            with torch.autocast(self.device.type, torch.bfloat16, enabled=rounded):
                train_epoch(network, optimiser, images, labels)

        return epoch

    def microseconds(self, width: int) -> dict[str, float]:
        """Of a network and step, in each way."""
        from dropnet.training.stacked import engine  # it needs Triton

        options = self.options
        together = self.seconds(self.stack(engine, width, options.networks))
        alone = self.seconds(self.stack(convolutional, width, 1))
        plain = self.seconds(self.plain(width))
        switches = Switches.now()
        self.as_torch_comes.set()
        untouched = self.seconds(self.plain(width))
        switches.set()
        scale = 1e6 / options.steps
        return {
            "ours": together["median"] * scale / options.networks,
            "one by one": alone["median"] * scale,
            "plain": plain["median"] * scale,
            "plain, torch's switches": untouched["median"] * scale,
            # recording alone where Triton's cache has the kernels already
            "seconds of compiling and recording": together["first"] - together["median"],
        }


def sweep_widths(width: int, model: str = "Conv") -> list[int]:
    """The widths of Figure 6's schedule, if both layers lose alike; the last filters are one."""
    if model != "Conv":
        return [max(1, width // part) for part in (1, 2, 5, 16)]
    counts = remaining_counts([width, width], 0.2, 0.02, per_layer=True)
    return [max(1, count // 2) for count in counts]


def measure(options: argparse.Namespace) -> dict[str, Any]:
    """Measure all widths of the sweep; print a line for each."""
    bench = Bench(options)
    name = name_of(bench.device)
    rows = {}
    for width in dict.fromkeys(sweep_widths(options.width, options.model)):
        rows[width] = bench.microseconds(width)
        words = ", ".join(f"{way} {value:,.4g}" for way, value in rows[width].items())
        print(f"width {width}: {words}", flush=True)
    widths = sweep_widths(options.width, options.model)
    ways = ("ours", "one by one", "plain", "plain, torch's switches")
    sweep = {way: sum(rows[w][way] for w in widths) for way in ways}
    unpruned = flops(settings(options.model, options.width), bench.channels, bench.side)
    tflops = unpruned / rows[options.width]["ours"] / 1e6
    peak = next((rate for chip, rate in FLOAT32_TFLOPS.items() if chip in name), None)
    return {
        "device": name,
        "versions": {"torch": torch.__version__, "triton": triton.__version__},
        "model": options.model,
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


def refuse_impossible(options: argparse.Namespace) -> None:
    """Raise UserError for a run that cannot work, before anything is measured."""
    for name in ("networks", "width", "steps", "side"):
        value = getattr(options, name)
        if value is not None and value < 1:
            raise UserError(f"--{name} {value}: must be 1 or more")
    if not re.fullmatch(r"cuda(:\d+)?|cpu", options.device):
        raise UserError(f"--device {options.device!r} is not allowed; allowed: cuda, cuda:1, ...")
    if options.device == "cpu" and os.environ.get("TRITON_INTERPRET") != "1":
        raise UserError(
            "--device cpu: without a GPU kernels run in Triton's interpreter alone, a smoke test"
            " and nothing to compare: set TRITON_INTERPRET=1"
        )
    if options.output and not options.output.resolve().parent.is_dir():
        raise UserError(f"--output {options.output}: there is no such folder")
    if options.output and options.output.is_dir():
        raise UserError(f"--output {options.output}: is a folder; allowed: a file")


def main(words: list[str] | None = None) -> None:
    """Measure, print the result, and write it where it is wanted."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--networks", type=int, default=15)
    parser.add_argument("--model", default="Conv", choices=list(MODELS))
    parser.add_argument("--width", type=int, default=64, help="of the first layer, unpruned")
    parser.add_argument("--side", type=int, help="of the images; the paper's if it is not given")
    parser.add_argument("--steps", type=int, default=200, help="of an epoch")
    parser.add_argument("--precision", default="float32", choices=["float32", "tf32", "bfloat16"])
    parser.add_argument("--output", type=Path, help="JSON")
    options = parser.parse_args(words)
    refuse_impossible(options)
    result = measure(options)
    print(json.dumps({k: v for k, v in result.items() if "microseconds" not in k}, indent=1))
    if options.output:
        write_json(options.output, result)


if __name__ == "__main__":
    with exit_on_user_error():
        main(sys.argv[1:])
