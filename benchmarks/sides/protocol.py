"""What every side needs: the paper's protocol, the driver's arrays, a clock, and requests.

Needs the standard library and NumPy alone, so that the environment of Keras can import it.
"""

import argparse
import gc
import json
import os
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

# The protocol: batches of 32 in the order of the split, SGD. The tests hold config.yaml to it.
CLASSES, BATCH_SIZE, LEARNING_RATE = 10, 32, 0.1
LARGE_BATCH = 2000  # for evaluation, where the batch size does not change the result


@dataclass(frozen=True)
class Split:
    """Some images: pixels uint8 [n, height, width, channels] and labels int64 [n]."""

    pixels: np.ndarray
    labels: np.ndarray

    def __len__(self) -> int:
        return len(self.labels)

    def images(self, dtype: str = "float32") -> np.ndarray:
        """Pixels / 255 in the given precision, [n, height, width, channels]."""
        return self.pixels.astype(dtype) / np.asarray(255, dtype)

    def vectors(self, dtype: str = "float32") -> np.ndarray:
        """The same, [n, height * width * channels]."""
        return self.images(dtype).reshape(len(self), -1)

    def first(self, count: int) -> "Split":
        """The first `count` of them."""
        return Split(self.pixels[:count], self.labels[:count])


def load_split(path: str | Path, name: str) -> Split:
    """Read the images `name` of the arrays that the driver wrote."""
    with np.load(path) as arrays:
        return Split(arrays[f"{name}_images"], arrays[f"{name}_labels"].astype(np.int64))


def load_network(path: str | Path) -> dict[str, np.ndarray]:
    """Read weights and masks that our side wrote, of a network at full size.

    `kernel_0`, `bias_0`, ... of each layer with weights: kernels [inputs, outputs] or [3, 3,
    channels, filters]; `mask_0`, ... of each masked layer, zeros and ones [width].
    """
    with np.load(path) as arrays:
        return dict(arrays)


def batches(count: int) -> list[slice]:
    """The consecutive batches of `count` samples, the last one possibly smaller."""
    return [slice(start, min(start + BATCH_SIZE, count)) for start in range(0, count, BATCH_SIZE)]


def timed(work: Callable[[], Any]) -> dict[str, float]:
    """Run `work` once: {"wall_s", "cpu_s"}. Wall above CPU time means that the core was shared."""
    gc.collect()
    wall, cpu = time.perf_counter(), time.process_time()
    work()
    return {"wall_s": time.perf_counter() - wall, "cpu_s": time.process_time() - cpu}


def data_of_command_line(description: str) -> str:
    """The driver's arrays (.npz), as `--data` names them."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--data", required=True, help="arrays (.npz) that the driver wrote")
    return parser.parse_args().data


def serve(side: Any) -> None:
    """Answer requests, one JSON object a line on standard input, until it ends.

    {"do": NAME, ...} calls the method NAME of `side` with the rest; what it returns goes out as one
    line of JSON. Whatever else a library prints to standard output is sent to standard error.
    """
    with os.fdopen(os.dup(sys.stdout.fileno()), "w") as replies:
        os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
        for line in sys.stdin:
            request = json.loads(line)
            answer = getattr(side, request.pop("do"))(**request)
            print(json.dumps(answer), file=replies, flush=True)
