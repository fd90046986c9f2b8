"""This project's convolutional engine, driven as the workflow's scripts drive it."""

from functools import cached_property
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
from dropnet.networks.masks import Masks
from dropnet.networks.models import masked_widths
from dropnet.networks.weights import initial_weights
from dropnet.settings import Settings
from dropnet.training.engines import make_task
from dropnet.training.task import BaseTask, Split, Stack


class Convolutional:
    """Answers the driver's requests."""

    def __init__(self, data: str) -> None:
        self.data = data

    @cached_property
    def splits(self) -> list[Split]:
        return [as_tensors(load_split(self.data, name)) for name in ("train", "validation")]

    def _stack(self, settings: str) -> tuple[BaseTask, Stack]:
        train, validation = self.splits
        task = make_task(train, validation, validation, Settings.from_json(settings))
        full = Masks.full(masked_widths(task.layers))
        return task, task.stack([initial_weights(task.steps(), 0)], [full])

    def epoch(self, settings: str) -> dict[str, float]:
        """One epoch with validation, of a network of the widths in its settings."""
        task, stack = self._stack(settings)

        def work() -> None:
            stack.train_epoch(1)
            stack.evaluate(task.validation)

        return timed(work)

    def step(self, settings: str) -> dict[str, Any]:
        """One training epoch, without validation."""
        _, stack = self._stack(settings)
        return timed(lambda: stack.train_epoch(1)) | {"networks": 1}

    def accuracy(self, settings: str, epochs: int) -> float:
        """Validation accuracy after some epochs."""
        task, stack = self._stack(settings)
        for epoch in range(epochs):
            stack.train_epoch(epoch + 1)
        return stack.evaluate(task.validation)[1][0]

    def _parity_task(
        self, model: str, settings: str, steps: int, dtype: str = "float32"
    ) -> BaseTask:
        samples = as_tensors(load_split(self.data, f"parity_{model}").first(steps * BATCH_SIZE))
        chosen = Settings.from_json(settings)
        return make_task(samples, samples, samples, chosen, getattr(torch, dtype))

    def write_network(self, model: str, settings: str, out: str, seed: int) -> None:
        """Write the initial weights of a model, and masks that leave all of it, for every side."""
        write_initial(out, self._parity_task(model, settings, 1), seed)

    def losses(
        self, model: str, settings: str, network: str, steps: int, dtype: str
    ) -> list[float]:
        """The training loss of each of the first steps, before its update."""
        task = self._parity_task(model, settings, steps, dtype)
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
