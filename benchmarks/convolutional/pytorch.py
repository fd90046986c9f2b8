"""A plain PyTorch loop over one masked Model B of full size."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from benchmarks.convolutional.workload import FILTERS
from benchmarks.sides.protocol import (
    BATCH_SIZE,
    CLASSES,
    Split,
    data_of_command_line,
    load_split,
    serve,
    timed,
)
from benchmarks.sides.pytorch import LAYOUTS, evaluate, optimiser_of, train_epoch


class ModelB(nn.Module):
    """The masks are buffers that multiply the ReLU outputs, before the pooling."""

    def __init__(self, filters: Sequence[int] = FILTERS) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(1, filters[0], 3, padding="same")
        self.conv2 = nn.Conv2d(filters[0], filters[1], 3, padding="same")
        self.output = nn.Linear(49 * filters[1], CLASSES)
        self.register_buffer("mask1", torch.ones(filters[0], 1, 1))
        self.register_buffer("mask2", torch.ones(filters[1], 1, 1))

    @property
    def masks(self) -> tuple[Tensor, Tensor]:
        return self.mask1, self.mask2

    def forward(self, images: Tensor) -> Tensor:
        first = functional.max_pool2d(functional.relu(self.conv1(images)) * self.mask1, 2)
        second = functional.max_pool2d(functional.relu(self.conv2(first)) * self.mask2, 2)
        return self.output(second.permute(0, 2, 3, 1).flatten(1))  # positions first, as Keras does


def as_tensors(split: Split) -> tuple[Tensor, Tensor]:
    """Images [n, 1, 28, 28], which are in both layouts at once, and labels [n]."""
    images = torch.from_numpy(split.images()).permute(0, 3, 1, 2).contiguous()
    return images, torch.from_numpy(split.labels)


class Convolutional:
    """Answers the driver's requests."""

    def __init__(self, data: str) -> None:
        self.train, self.validation = (
            as_tensors(load_split(data, name)) for name in ("train", "validation")
        )

    def settings(self) -> list[str]:
        return list(LAYOUTS)

    def epoch(self, setting: str) -> dict[str, float]:
        """One epoch with validation."""
        model = ModelB().to(memory_format=LAYOUTS[setting])
        optimiser = optimiser_of(model)

        def work() -> None:
            losses = train_epoch(model, optimiser, *self.train)
            torch.stack(losses).mean().item()
            evaluate(model, *self.validation, BATCH_SIZE)

        return timed(work)


def main() -> None:
    torch.set_num_threads(1)
    serve(Convolutional(data_of_command_line(__doc__)))


if __name__ == "__main__":
    main()
