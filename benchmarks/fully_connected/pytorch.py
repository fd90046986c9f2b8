"""A plain PyTorch loop over one masked Model A of full size."""

from collections.abc import Mapping, Sequence
from functools import cached_property

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from benchmarks.fully_connected.workload import HIDDEN, INPUTS
from benchmarks.sides.protocol import (
    BATCH_SIZE,
    CLASSES,
    LARGE_BATCH,
    Split,
    data_of_command_line,
    load_network,
    load_split,
    serve,
    timed,
)
from benchmarks.sides.pytorch import evaluate, optimiser_of, take_over, train_epoch


class ModelA(nn.Module):
    """The masks are buffers that multiply the ReLU outputs."""

    def __init__(self, widths: Sequence[int] = HIDDEN, dtype: torch.dtype = torch.float32) -> None:
        super().__init__()
        self.hidden1 = nn.Linear(INPUTS, widths[0], dtype=dtype)
        self.hidden2 = nn.Linear(widths[0], widths[1], dtype=dtype)
        self.output = nn.Linear(widths[1], CLASSES, dtype=dtype)
        self.register_buffer("mask1", torch.ones(widths[0], dtype=dtype))
        self.register_buffer("mask2", torch.ones(widths[1], dtype=dtype))

    @property
    def masks(self) -> tuple[Tensor, Tensor]:
        return self.mask1, self.mask2

    def activations(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """The masked ReLU outputs of both hidden layers."""
        first = functional.relu(self.hidden1(images)) * self.mask1
        second = functional.relu(self.hidden2(first)) * self.mask2
        return first, second

    def forward(self, images: Tensor) -> Tensor:
        return self.output(self.activations(images)[1])


def as_tensors(split: Split, dtype: str = "float32") -> tuple[Tensor, Tensor]:
    """Images [n, 784] and labels [n]."""
    return torch.from_numpy(split.vectors(dtype)), torch.from_numpy(split.labels)


@torch.no_grad()
def node_scores(model: ModelA, images: Tensor) -> list[Tensor]:
    """E|activation| of every hidden node over all images (section 3 of the paper)."""
    model.eval()
    totals = [torch.zeros(len(mask), dtype=images.dtype) for mask in model.masks]
    for batch in images.split(LARGE_BATCH):
        for total, activations in zip(totals, model.activations(batch), strict=True):
            total += activations.abs().sum(0)
    return [total / len(images) for total in totals]


def step_losses(network: Mapping[str, np.ndarray], samples: Split, dtype: str) -> list[float]:
    """The training loss of each batch, before its update, from a network's weights and masks."""
    images, labels = as_tensors(samples, dtype)
    model = ModelA(dtype=images.dtype)
    take_over(model, network)
    return torch.stack(train_epoch(model, optimiser_of(model), images, labels)).tolist()


class FullyConnected:
    """Answers the driver's requests."""

    def __init__(self, data: str) -> None:
        self.data = data
        self.model = ModelA()
        self.optimiser = optimiser_of(self.model)

    @cached_property
    def splits(self) -> dict[str, tuple[Tensor, Tensor]]:
        names = ("train", "validation", "test")
        return {name: as_tensors(load_split(self.data, name)) for name in names}

    def settings(self) -> list[str]:
        return ["plain loop"]

    def epoch(self, setting: str) -> dict[str, float]:
        """One epoch with validation."""
        assert setting in self.settings()
        train, validation = self.splits["train"], self.splits["validation"]

        def work() -> None:
            losses = train_epoch(self.model, self.optimiser, *train)
            torch.stack(losses).mean().item()
            evaluate(self.model, *validation, LARGE_BATCH)

        return timed(work)

    def cycle(self) -> dict[str, float]:
        """What a pruning cycle does besides training: score all nodes, evaluate on the test set."""
        images, test = self.splits["train"][0], self.splits["test"]

        def work() -> None:
            node_scores(self.model, images)
            evaluate(self.model, *test, LARGE_BATCH)

        return timed(work)

    def losses(self, network: str, dtype: str, steps: int) -> list[float]:
        """The training loss of each of the first steps, from a network's weights and masks."""
        samples = load_split(self.data, "train").first(steps * BATCH_SIZE)
        return step_losses(load_network(network), samples, dtype)


def main() -> None:
    torch.set_num_threads(1)
    serve(FullyConnected(data_of_command_line(__doc__)))


if __name__ == "__main__":
    main()
