"""This project's engine for fully connected networks, driven as the workflow's scripts drive it."""

import time
from collections.abc import Iterator, Sequence
from typing import Any

import torch

from benchmarks.sides.ours import as_tensors, from_network, write_initial
from benchmarks.sides.protocol import (
    BATCH_SIZE,
    batches,
    data_of_command_line,
    load_network,
    load_split,
    serve,
    timed,
)
from dropnet.metrics import METRICS
from dropnet.networks.cycle import Cycle, Weights
from dropnet.networks.masks import Masks
from dropnet.networks.weights import compact, initial_weights
from dropnet.pruning.algorithm import prune_iteratively
from dropnet.settings import Settings
from dropnet.training.engines import make_task
from dropnet.training.task import BaseTask
from dropnet.training.train import train_cycle


def initial(task: BaseTask, seeds: int) -> list[Weights]:
    """The initial weights for seeds 0, 1, ..."""
    return [initial_weights(task.steps(), seed) for seed in range(seeds)]


def unpruned_masks(task: BaseTask, seeds: int) -> list[Masks]:
    """Masks of which every node remains, for as many seeds."""
    return [Masks.full(task.settings.widths) for _ in range(seeds)]


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

    def _task(self, settings: str) -> BaseTask:
        names = ("train", "validation", "test")
        splits = (as_tensors(load_split(self.data, name)) for name in names)
        return make_task(*splits, Settings.from_json(settings))

    def start_sweep(self, settings: str, seeds: int, metrics: Sequence[str]) -> None:
        """Begin the whole sweep of Figure 3; `next_cycle` then does one cycle after another."""
        self.cycles = self._sweep(self._task(settings), seeds, metrics)

    def next_cycle(self) -> dict[str, Any] | None:
        """Prune, train, score and test the next cycle; None when the sweep is complete."""
        return next(self.cycles, None)

    def _sweep(
        self, task: BaseTask, seeds: int, metrics: Sequence[str]
    ) -> Iterator[dict[str, Any]]:
        theta0 = initial(task, seeds)
        clock = Clock()
        spent = {}

        def train(number: int, masks: list[Masks]) -> Cycle:
            spent["before"] = clock.read()
            steps = [task.steps(mask) for mask in masks]
            weights = [compact(w, s) for w, s in zip(theta0, steps, strict=True)]

            def after_epoch(epoch: object) -> None:
                last = clock.read()
                spent["train"] = {name: spent["train"][name] + last[name] for name in last}

            spent["train"] = {"wall_s": 0.0, "cpu_s": 0.0}
            return train_cycle(task, number, range(seeds), masks, weights, after_epoch)

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

        unpruned = train(0, unpruned_masks(task, seeds))
        yield report("unpruned", unpruned)
        prune, stop = task.settings.prune_fraction, task.settings.stop_fraction
        for metric in metrics:
            cycles = prune_iteratively(unpruned, train, METRICS[metric], prune, stop)
            next(cycles)  # the unpruned one
            clock.read()
            for cycle in cycles:
                yield report(metric, cycle)
                clock.read()  # the driver measures the others in between

    def step(self, settings: str, seeds: int) -> dict[str, float]:
        """One training epoch of the unpruned stack, without validation."""
        task = self._task(settings)
        stack = task.stack(initial(task, seeds), unpruned_masks(task, seeds))
        return timed(lambda: stack.train_epoch(1)) | {"networks": seeds}

    def write_network(self, settings: str, out: str, seed: int, remaining: float) -> None:
        """Write initial weights, and masks that leave some of the nodes, for every side."""
        write_initial(out, self._task(settings), seed, remaining)

    def losses(self, settings: str, network: str, dtype: str, steps: int) -> list[float]:
        """The training loss of each of the first steps, of the compacted network.

        It is trained in a stack, beside a network of full size, as in a real run.
        """
        samples = as_tensors(load_split(self.data, "train").first(steps * BATCH_SIZE))
        one = tuple(part[:1] for part in samples)
        chosen = Settings.from_json(settings)
        task = make_task(samples, one, one, chosen, getattr(torch, dtype))
        weights, masks = from_network(load_network(network), task.steps(), task.dtype)
        compacted = compact(weights, task.steps(masks))
        beside = {name: weight.to(task.dtype) for name, weight in initial(task, 1)[0].items()}
        stack = task.stack([compacted, beside], [masks, *unpruned_masks(task, 1)])
        sums = torch.cat([losses[:, 0] for losses, _ in stack.train_blocks()])
        sizes = [batch.stop - batch.start for batch in batches(len(samples[1]))]
        return (sums / torch.tensor(sizes)).tolist()


def main() -> None:
    torch.set_num_threads(1)
    serve(FullyConnected(data_of_command_line(__doc__)))


if __name__ == "__main__":
    main()
