"""This project's convolutional engine, driven as the workflow's scripts drive it."""

from functools import cached_property
from typing import Any

import torch

from benchmarks.convolutional.workload import ARCHITECTURES, FILTERS
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
from dropnet.models import masked_widths
from dropnet.training.engines import make_task
from dropnet.training.task import BaseTask, Split, Stack
from dropnet.weights import initial_weights


class Convolutional:
    """Answers the driver's requests."""

    def __init__(self, data: str) -> None:
        self.data = data

    @cached_property
    def splits(self) -> list[Split]:
        return [as_tensors(load_split(self.data, name)) for name in ("train", "validation")]

    def _stack(self, widths: tuple[int, ...], precision: str) -> tuple[BaseTask, Stack]:
        train, validation = self.splits
        compute = getattr(torch, precision)
        layers = layers_of("B", widths)
        task = make_task(
            train, validation, validation, layers, BATCH_SIZE, LEARNING_RATE, compute=compute
        )
        full = Masks.full(masked_widths(layers))
        return task, task.stack([initial_weights(task.steps(), 0)], [full])

    def epoch(self, widths: list[int], precision: str = "float32") -> dict[str, float]:
        """One epoch with validation, of a network with these many filters left."""
        task, stack = self._stack(tuple(widths), precision)

        def work() -> None:
            stack.train_epoch(1)
            stack.evaluate(task.validation)

        return timed(work)

    def step(self, precision: str = "float32") -> dict[str, Any]:
        """One training epoch of the unpruned network, without validation."""
        _, stack = self._stack(FILTERS, precision)
        return timed(lambda: stack.train_epoch(1)) | {"networks": 1}

    def accuracy(self, precision: str, epochs: int) -> float:
        """Validation accuracy after some epochs."""
        task, stack = self._stack(FILTERS, precision)
        for epoch in range(epochs):
            stack.train_epoch(epoch + 1)
        return stack.evaluate(task.validation)[1][0]

    def _parity_task(self, model: str, steps: int) -> BaseTask:
        samples = as_tensors(load_split(self.data, f"parity_{model}").first(steps * BATCH_SIZE))
        layers = layers_of(model, ARCHITECTURES[model].filters)
        return make_task(samples, samples, samples, layers, BATCH_SIZE, LEARNING_RATE)

    def write_network(self, model: str, out: str, seed: int) -> None:
        """Write the initial weights of a model, and masks that leave all of it, for every side."""
        write_initial(out, self._parity_task(model, 1), ARCHITECTURES[model].filters, seed)

    def losses(self, model: str, network: str, steps: int) -> list[float]:
        """The training loss of each of the first steps, before its update."""
        task = self._parity_task(model, steps)
        weights, masks = from_network(load_network(network), task.steps(), task.dtype)
        stack = task.stack([weights], [masks])
        labels = task.train.labels
        return [
            torch.nn.functional.cross_entropy(logits, labels[batch]).item()
            for logits, batch in zip(stack.train_steps(0), batches(len(labels)), strict=True)
        ]


def main() -> None:
    torch.set_num_threads(1)
    serve(Convolutional(data_of_command_line(__doc__)))


if __name__ == "__main__":
    main()
