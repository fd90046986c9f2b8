"""This project's convolutional engine, driven as the workflow's scripts drive it."""

import argparse
from typing import Any

import numpy as np
import torch

from common import LEARNING_RATE, serve, timed
from conv_common import ARCHITECTURES, BATCH_SIZE, CLASSES, FILTERS, load_images
from dropnet.networks.masks import Masks
from dropnet.networks.models import MODELS, Layer, masked_widths
from dropnet.networks.weights import initial_weights
from dropnet.training.convolutional import Task

NAMES = {"B": "Conv", "C": "ConvFC256"}


def layers_of(model: str, filters: tuple[int, ...]) -> tuple[Layer, ...]:
    """The layers of Model B or C."""
    return MODELS[NAMES[model]](filters, CLASSES)


def tensors(images: np.ndarray, labels: np.ndarray) -> tuple[torch.Tensor, torch.Tensor]:
    """Images uint8 [n, channels, height, width] and labels [n]."""
    return torch.from_numpy(images).permute(0, 3, 1, 2), torch.from_numpy(labels)


class Timing:
    """Answers the driver's requests."""

    def __init__(self, data: str) -> None:
        self.splits = [
            tensors(*load_images(data, f"mnist_{name}")) for name in ("train", "validation")
        ]

    def _task(self, widths: tuple[int, ...], precision: str) -> Task:
        train, validation = self.splits
        return Task(
            train, validation, validation, layers_of("B", widths), BATCH_SIZE, LEARNING_RATE,
            compute=getattr(torch, precision),
        )  # fmt: skip

    def _stack(self, widths: tuple[int, ...], precision: str) -> Any:
        task = self._task(widths, precision)
        full = Masks.full(masked_widths(task.layers))
        return task.stack([initial_weights(task.steps(), 0)], [full])

    def epoch(self, widths: list[int], precision: str = "float32") -> dict[str, float]:
        """One epoch with validation, of a network with these many filters left."""
        stack = self._stack(tuple(widths), precision)

        def work() -> None:
            stack.train_epoch(1)
            stack.evaluate(stack.task.validation)

        return timed(work)

    def steps(self, precision: str = "float32") -> dict[str, float]:
        """One training epoch of the unpruned network, without validation."""
        stack = self._stack(FILTERS, precision)
        return timed(lambda: stack.train_epoch(1))

    def accuracy(self, precision: str, epochs: int) -> float:
        """Validation accuracy after some epochs."""
        stack = self._stack(FILTERS, precision)
        for epoch in range(epochs):
            stack.train_epoch(epoch + 1)
        return stack.evaluate(stack.task.validation)[1][0]


def losses(data: str, model: str, problem: dict[str, np.ndarray], steps: int) -> np.ndarray:
    """The training loss of each of the first steps, before its update."""
    filters, _, side, channels = ARCHITECTURES[model]
    images, labels = load_images(data, f"parity_{model}")
    train = tensors(images[: steps * BATCH_SIZE], labels[: steps * BATCH_SIZE])
    task = Task(train, train, train, layers_of(model, filters), BATCH_SIZE, LEARNING_RATE)
    assert task.image_shape == (channels, side, side)
    weights = initial_weights(task.steps(), 0)
    names = [name for name in weights if name.endswith(".kernel")]
    for layer, name in enumerate(names):
        kernel = torch.from_numpy(problem[f"kernel_{layer}"])
        weights[name] = kernel.permute(3, 2, 0, 1) if kernel.dim() == 4 else kernel
    stack = task.stack([weights], [Masks.full(masked_widths(task.layers))])
    found = []
    for step, logits in enumerate(stack.train_steps(0)):
        target = task.train.labels[step * BATCH_SIZE : (step + 1) * BATCH_SIZE]
        found.append(torch.nn.functional.cross_entropy(logits, target).item())
    return np.array(found)


def main() -> None:
    torch.set_num_threads(1)
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", required=True)
    options = parser.parse_args()
    timing = Timing(options.data)

    def write_losses(model: str, problem: str, steps: int, out: str) -> None:
        with np.load(problem) as arrays:
            np.save(out, losses(options.data, model, dict(arrays), steps))

    handlers = {name: getattr(timing, name) for name in ("epoch", "steps", "accuracy")}
    serve(handlers | {"losses": write_losses})


if __name__ == "__main__":
    main()
