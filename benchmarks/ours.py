"""This project's engine, driven as the workflow's scripts drive it."""

import time
from collections.abc import Iterator
from typing import Any

import numpy as np
import torch

from common import (
    BATCH_SIZE,
    CLASSES,
    HIDDEN,
    INPUTS,
    LEARNING_RATE,
    METHODS,
    PRUNE_FRACTION,
    STOP_FRACTION,
    Split,
    arguments,
    load_split,
    serve,
    timed,
    write_losses,
)
from dropnet.metrics import METRICS
from dropnet.networks.cycle import Cycle, Weights
from dropnet.networks.masks import Masks
from dropnet.networks.models import fully_connected
from dropnet.networks.steps import steps_of
from dropnet.networks.weights import compact, initial_weights
from dropnet.pruning.algorithm import prune_iteratively
from dropnet.training.fully_connected import Task
from dropnet.training.train import train_cycle

LAYERS = fully_connected(HIDDEN, CLASSES)
FULL = steps_of(LAYERS, (1, 1, INPUTS))


def prepare(
    train: Split, validation: Split, test: Split, dtype: torch.dtype = torch.float32
) -> Task:
    """Prepare the splits for training."""
    splits = [
        (torch.from_numpy(split.pixels)[:, None, None], torch.from_numpy(split.labels))
        for split in (train, validation, test)
    ]
    return Task(*splits, LAYERS, BATCH_SIZE, LEARNING_RATE, dtype)


def initial(seeds: int) -> list[Weights]:
    """The initial weights of FC40-FC40 for seeds 0, 1, ..."""
    return [initial_weights(FULL, seed) for seed in range(seeds)]


class Clock:
    """Wall and CPU time since the last reading."""

    def __init__(self) -> None:
        self.read()

    def read(self) -> dict[str, float]:
        """{"wall_s", "cpu_s"} since the last reading."""
        now = (time.perf_counter(), time.process_time())
        last, self.last = getattr(self, "last", now), now
        return {"wall_s": now[0] - last[0], "cpu_s": now[1] - last[1]}


class Timing:
    """Answers the driver's requests."""

    def __init__(self, path: str) -> None:
        self.task = prepare(*(load_split(path, name) for name in ("train", "validation", "test")))
        self.cycles: Iterator[dict[str, Any]] = iter(())

    def start_sweep(self, seeds: int, epochs: int) -> None:
        """Begin the whole sweep of Figure 3; `next_cycle` then does one cycle after another."""
        self.cycles = self._sweep(seeds, epochs)

    def next_cycle(self) -> dict[str, Any] | None:
        """Prune, train, score and test the next cycle; None when the sweep is complete."""
        return next(self.cycles, None)

    def _sweep(self, seeds: int, epochs: int) -> Iterator[dict[str, Any]]:
        theta0 = initial(seeds)
        clock = Clock()
        spent = {}

        def train(number: int, masks: list[Masks]) -> Cycle:
            spent["before"] = clock.read()
            steps = [self.task.steps(mask) for mask in masks]
            weights = [compact(w, s) for w, s in zip(theta0, steps, strict=True)]

            def after_epoch(epoch: object) -> None:
                last = clock.read()
                spent["train"] = {name: spent["train"][name] + last[name] for name in last}

            spent["train"] = {"wall_s": 0.0, "cpu_s": 0.0}
            # More patience than epochs: all networks train equally long, as the others' do.
            patience = epochs + 1
            return train_cycle(
                self.task, number, range(seeds), masks, weights, epochs, patience, after_epoch
            )

        def report(method: str, cycle: Cycle) -> dict[str, Any]:
            after = clock.read()
            rest = {name: spent["before"][name] + after[name] for name in after}
            return {
                "method": method,
                "cycle": cycle.number,
                "networks": len(cycle.networks),
                "train": spent["train"],
                "rest": rest,
            }

        unpruned = train(0, [Masks.full(HIDDEN) for _ in range(seeds)])
        yield report("unpruned", unpruned)
        for method in METHODS:
            cycles = prune_iteratively(
                unpruned, train, METRICS[method], PRUNE_FRACTION, STOP_FRACTION
            )
            next(cycles)  # the unpruned one
            clock.read()
            for cycle in cycles:
                yield report(method, cycle)
                clock.read()  # the driver measures the others in between

    def step(self, seeds: int) -> dict[str, float]:
        """One training epoch of the unpruned stack, without validation."""
        full = [Masks.full(HIDDEN) for _ in range(seeds)]
        stack = self.task.stack(initial(seeds), full)
        return timed(lambda: stack.train_epoch(1)) | {"networks": seeds}


def step_losses(problem: dict[str, np.ndarray], samples: Split, dtype: str) -> np.ndarray:
    """The training loss of each batch, before its update, of the compacted network.

    It is trained in a stack, beside a network of full size, as in a real run.
    """
    task = prepare(samples, samples.first(1), samples.first(1), getattr(torch, dtype))
    names = {f"dense{layer + 1}": layer for layer in range(len(HIDDEN) + 1)}
    weights = {}
    for name, layer in names.items():
        weights[f"{name}.kernel"] = torch.from_numpy(problem[f"kernel_{layer}"]).to(task.dtype)
        weights[f"{name}.bias"] = torch.from_numpy(problem[f"bias_{layer}"]).to(task.dtype)
    layers = (torch.from_numpy(problem[f"mask_{layer}"]) > 0 for layer in range(len(HIDDEN)))
    masks = Masks(tuple(layers))
    compacted = compact(weights, task.steps(masks))
    beside = {name: weight.to(task.dtype) for name, weight in initial(1)[0].items()}
    stack = task.stack([compacted, beside], [masks, Masks.full(HIDDEN)])
    sums = torch.cat([losses[:, 0] for losses, _ in stack.train_blocks()])
    sizes = [min(BATCH_SIZE, len(samples) - first) for first in range(0, len(samples), BATCH_SIZE)]
    return sums.numpy() / sizes


def main() -> None:
    options = arguments(__doc__)
    torch.set_num_threads(1)
    if options.mode == "time":
        timing = Timing(options.data)
        handlers = ("start_sweep", "next_cycle", "step")
        serve({name: getattr(timing, name) for name in handlers})
    else:
        write_losses(options, step_losses)


if __name__ == "__main__":
    main()
