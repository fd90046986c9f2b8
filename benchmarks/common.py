"""What every side of the benchmarks shares: the workload, the arithmetic, the line protocol.

Needs the standard library and NumPy alone, so that the Keras environment can import it.
"""

import argparse
import gc
import json
import os
import sys
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

# Figure 3 of the paper: Model A on MNIST (protocol: batches of 32, SGD at 0.1, no shuffling).
INPUTS, HIDDEN, CLASSES = 784, (40, 40), 10
BATCH_SIZE = 32
LEARNING_RATE = 0.1
PRUNE_FRACTION, STOP_FRACTION = 0.2, 0.05
GLOBAL_METHODS = ("minimum", "maximum", "random")
LAYER_METHODS = ("minimum_layer", "maximum_layer", "random_layer")
METHODS = GLOBAL_METHODS + LAYER_METHODS

# One thread everywhere; set before NumPy's, PyTorch's or TensorFlow's libraries start their pools.
ONE_THREAD = {
    "OMP_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "TF_NUM_INTRAOP_THREADS": "1",
    "TF_NUM_INTEROP_THREADS": "1",
    "TF_CPP_MIN_LOG_LEVEL": "2",
    "CUDA_VISIBLE_DEVICES": "",
}


@dataclass(frozen=True)
class Split:
    """A split as the data set gives it: pixels uint8 [n, 784] and labels int64 [n]."""

    pixels: np.ndarray
    labels: np.ndarray

    def __len__(self) -> int:
        return len(self.labels)

    def images(self, dtype: str = "float32") -> np.ndarray:
        """Pixels / 255 in the given precision, [n, 784]."""
        return self.pixels.astype(dtype) / np.asarray(255, dtype)

    def first(self, count: int) -> "Split":
        """The first `count` samples."""
        return Split(self.pixels[:count], self.labels[:count])


def load_split(path: str | Path, name: str) -> Split:
    """Read the split `name` (train, validation or test) of the arrays the driver wrote."""
    with np.load(path) as arrays:
        return Split(arrays[f"{name}_images"], arrays[f"{name}_labels"].astype(np.int64))


def batches(count: int) -> list[slice]:
    """The consecutive batches of `count` samples, the last one possibly smaller (protocol)."""
    return [slice(start, min(start + BATCH_SIZE, count)) for start in range(0, count, BATCH_SIZE)]


# --- the amount of work ------------------------------------------------------------------------


def nodes_remaining(nodes: int) -> list[int]:
    """Nodes of every recorded network when `nodes` are pruned by Algorithm 1 down to the stop.

    >>> nodes_remaining(80)
    [80, 64, 52, 42, 34, 28, 23, 19, 16, 13, 11, 9, 8, 7, 6, 5, 4]
    """
    counts = [nodes]
    while counts[-1] > STOP_FRACTION * nodes:
        counts.append(counts[-1] - max(1, int(PRUNE_FRACTION * counts[-1])))
    return counts


def sweep_networks() -> int:
    """Networks that Figure 3 records per seed: every method's own cycles, the unpruned included."""
    whole = len(nodes_remaining(sum(HIDDEN)))
    by_layer = len(nodes_remaining(HIDDEN[0]))  # equal widths: all layers shrink alike
    return len(GLOBAL_METHODS) * whole + len(LAYER_METHODS) * by_layer


def training_flops(samples: int, hidden: tuple[int, ...] = HIDDEN) -> int:
    """Floating-point operations of the matrix products that train one network for one epoch.

    A multiplication and an addition per weight and sample for the outputs, as many for the
    weights' gradients, and as many for the gradients passed down, which the first layer lacks:
    nobody needs the gradient of the images. Activations, loss and update are not counted.

    >>> training_flops(54_000) / 1e9
    7.42176
    """
    widths = (INPUTS, *hidden, CLASSES)
    weights = [fan_in * fan_out for fan_in, fan_out in zip(widths, widths[1:], strict=False)]
    return 2 * samples * (2 * sum(weights) + sum(weights[1:]))


# --- the parity problems -----------------------------------------------------------------------


def make_problem(seed: int, remaining: float = 1.0) -> dict[str, np.ndarray]:
    """Initial weights and masks for one parity check, at full size.

    Keys `kernel_0..2` [inputs, outputs] (Glorot uniform), `bias_0..2` [outputs] (zero), all
    float64 with values that float32 holds exactly, and `mask_0..1` [width] of zeros and ones: a
    random fraction `remaining` of all the hidden nodes is kept.
    """
    generator = np.random.default_rng(seed)
    widths = (INPUTS, *HIDDEN, CLASSES)
    problem = {}
    for layer, (fan_in, fan_out) in enumerate(zip(widths, widths[1:], strict=False)):
        limit = (6 / (fan_in + fan_out)) ** 0.5
        kernel = generator.uniform(-limit, limit, (fan_in, fan_out))
        problem[f"kernel_{layer}"] = kernel.astype(np.float32).astype(np.float64)
        problem[f"bias_{layer}"] = np.zeros(fan_out)
    mask = np.zeros(sum(HIDDEN))
    mask[generator.permutation(len(mask))[: round(remaining * len(mask))]] = 1
    for layer, part in enumerate(np.split(mask, np.cumsum(HIDDEN)[:-1])):
        problem[f"mask_{layer}"] = part
    return problem


def largest_difference(losses: np.ndarray, reference: np.ndarray) -> float:
    """The largest |a - b| / |b| over the steps; infinite if lengths differ or a loss is not finite.

    >>> largest_difference(np.array([1.0, 2.2]), np.array([1.0, 2.0])).__round__(3)
    0.1
    """
    if losses.shape != reference.shape or not np.isfinite([losses, reference]).all():
        return float("inf")
    return float(np.max(np.abs(losses - reference) / np.abs(reference)))


# --- one side's command line and line protocol -------------------------------------------------


def timed(work: Callable[[], Any]) -> dict[str, float]:
    """Run `work` once: {"wall_s", "cpu_s"}. Wall above CPU time means that the core was shared."""
    gc.collect()
    wall, cpu = time.perf_counter(), time.process_time()
    work()
    return {"wall_s": time.perf_counter() - wall, "cpu_s": time.process_time() - cpu}


def serve(handlers: Mapping[str, Callable[..., Any]]) -> None:
    """Answer requests, one JSON object a line on standard input, until it ends.

    {"do": NAME, ...} calls handlers[NAME](...); its result goes out as one JSON line. Whatever
    else a library prints to standard output is sent to standard error.
    """
    with os.fdopen(os.dup(sys.stdout.fileno()), "w") as replies:
        os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
        for line in sys.stdin:
            request = json.loads(line)
            print(json.dumps(handlers[request.pop("do")](**request)), file=replies, flush=True)


def serve_timing(description: str, make: Callable[[str], Any], names: Iterable[str]) -> None:
    """Parse `--data FILE`, make what answers from it, and serve its methods of these names."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--data", required=True)
    timing = make(parser.parse_args().data)
    serve({name: getattr(timing, name) for name in names})


def arguments(description: str) -> argparse.Namespace:
    """Parse the command line that all sides share (see README.md).

    `time --data FILE`: answer timing requests; `losses --data FILE --dtype D --steps N
    --problem FILE... --out FILE...`: write the training loss of each step, one .npy a problem.
    """
    parser = argparse.ArgumentParser(description=description)
    modes = parser.add_subparsers(dest="mode", required=True)
    time_mode, losses_mode = modes.add_parser("time"), modes.add_parser("losses")
    for mode in (time_mode, losses_mode):
        mode.add_argument("--data", type=Path, required=True, help="arrays (.npz) of the driver")
    losses_mode.add_argument("--dtype", choices=("float32", "float64"), required=True)
    losses_mode.add_argument("--steps", type=int, required=True)
    losses_mode.add_argument("--problem", type=Path, nargs="+", required=True)
    losses_mode.add_argument("--out", type=Path, nargs="+", required=True)
    return parser.parse_args()


def write_losses(
    options: argparse.Namespace,
    losses_of: Callable[[dict[str, np.ndarray], Split, str], np.ndarray],
) -> None:
    """Write `losses_of(problem, training samples, dtype)` for each problem asked for."""
    samples = load_split(options.data, "train").first(options.steps * BATCH_SIZE)
    for source, target in zip(options.problem, options.out, strict=True):
        with np.load(source) as problem:
            losses = losses_of(dict(problem), samples, options.dtype)
        np.save(target, losses.astype(np.float64))
