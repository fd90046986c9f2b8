"""This project's engine for fully connected networks, driven as the workflow's scripts drive it."""

import time
from collections.abc import Iterator, Sequence
from functools import cached_property
from typing import Any

import torch

from benchmarks.fully_connected.workload import HIDDEN
from benchmarks.sides.ours import as_tensors, from_network, layers_of, write_initial
from benchmarks.sides.protocol import (
    BATCH_SIZE,
    LEARNING_RATE,
    batches,
    data_of_command_line,
    load_network,
    load_split,
    serve,
    timed,
)
from dropnet.masks import Masks
from dropnet.metrics import METRICS
from dropnet.networks import Cycle, Weights
from dropnet.pruning import prune_iteratively
from dropnet.training.engines import make_task
from dropnet.training.task import BaseTask, Split
from dropnet.training.train import train_cycle
from dropnet.weights import compact, initial_weights


def task_of(
    train: Split, validation: Split, test: Split, dtype: torch.dtype = torch.float32
) -> BaseTask:
    """Prepare splits for training FC40-FC40."""
    return make_task(
        train, validation, test, layers_of("A", HIDDEN), BATCH_SIZE, LEARNING_RATE, dtype
    )


def initial(task: BaseTask, seeds: int) -> list[Weights]:
    """The initial weights of FC40-FC40 for seeds 0, 1, ..."""
    return [initial_weights(task.steps(), seed) for seed in range(seeds)]


class Clock:
    """Wall and CPU time since the last reading."""

    def __init__(self) -> None:
        self.read()

    def read(self) -> dict[str, float]:
        """{"wall_s", "cpu_s"} since the last reading."""
        now = (time.perf_counter(), time.process_time())
        last, self.last = getattr(self, "last", now), now
        return {"wall_s": now[0] - last[0], "cpu_s": now[1] - last[1]}


class FullyConnected:
    """Answers the driver's requests."""

    def __init__(self, data: str) -> None:
        self.data = data
        self.cycles: Iterator[dict[str, Any]] = iter(())

    @cached_property
    def task(self) -> BaseTask:
        names = ("train", "validation", "test")
        return task_of(*(as_tensors(load_split(self.data, name)) for name in names))

    def start_sweep(self, **sweep: Any) -> None:
        """Begin the whole sweep of Figure 3; `next_cycle` then does one cycle after another."""
        self.cycles = self._sweep(**sweep)

    def next_cycle(self) -> dict[str, Any] | None:
        """Prune, train, score and test the next cycle; None when the sweep is complete."""
        return next(self.cycles, None)

    def _sweep(
        self,
        seeds: int,
        epochs: int,
        methods: Sequence[str],
        prune_fraction: float,
        stop_fraction: float,
    ) -> Iterator[dict[str, Any]]:
        theta0 = initial(self.task, seeds)
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
        for method in methods:
            cycles = prune_iteratively(
                unpruned, train, METRICS[method], prune_fraction, stop_fraction
            )
            next(cycles)  # the unpruned one
            clock.read()
            for cycle in cycles:
                yield report(method, cycle)
                clock.read()  # the driver measures the others in between

    def step(self, seeds: int) -> dict[str, float]:
        """One training epoch of the unpruned stack, without validation."""
        full = [Masks.full(HIDDEN) for _ in range(seeds)]
        stack = self.task.stack(initial(self.task, seeds), full)
        return timed(lambda: stack.train_epoch(1)) | {"networks": seeds}

    def write_network(self, out: str, seed: int, remaining: float) -> None:
        """Write initial weights, and masks that leave some of the nodes, for every side."""
        write_initial(out, self.task, HIDDEN, seed, remaining)

    def losses(self, network: str, dtype: str, steps: int) -> list[float]:
        """The training loss of each of the first steps, of the compacted network.

        It is trained in a stack, beside a network of full size, as in a real run.
        """
        samples = as_tensors(load_split(self.data, "train").first(steps * BATCH_SIZE))
        one = tuple(part[:1] for part in samples)
        task = task_of(samples, one, one, getattr(torch, dtype))
        weights, masks = from_network(load_network(network), task.steps(), task.dtype)
        compacted = compact(weights, task.steps(masks))
        beside = {name: weight.to(task.dtype) for name, weight in initial(task, 1)[0].items()}
        stack = task.stack([compacted, beside], [masks, Masks.full(HIDDEN)])
        sums = torch.cat([losses[:, 0] for losses, _ in stack.train_blocks()])
        sizes = [batch.stop - batch.start for batch in batches(len(samples[1]))]
        return (sums / torch.tensor(sizes)).tolist()


def main() -> None:
    torch.set_num_threads(1)
    serve(FullyConnected(data_of_command_line(__doc__)))


if __name__ == "__main__":
    main()
