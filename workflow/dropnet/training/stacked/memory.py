"""Where the values of a stack lie on the device, and what an operation is given of them.

Layouts, `n` the networks of the stack:

    images                     [samples, height + 3, width + 3, channels] with a border of zeros
    what an operation gives    [n, samples, height + 3, width + 3, filters] or [n, samples, nodes]
    its gradient               the same, and so is which of 2x2 positions a pooling took
    kernel of a convolution    [n, taps and channels, filters]; channels in groups of 4
    kernel of a layer of nodes [n, positions and channels, nodes], likewise
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import torch

from dropnet.training.stacked import kernels
from dropnet.training.task import BaseTask

BORDER, GROUP = kernels.BORDER.value, kernels.CHANNEL_GROUP.value
IMAGES = -1  # the source of the first operation


@dataclass(frozen=True)
class Grid:
    """Where the outputs of an operation lie in memory: [height, width, channels] and the border."""

    height: int
    width: int
    channels: int
    border: int = BORDER

    @property
    def across(self) -> int:
        """From one row to the next."""
        return (self.width + self.border) * self.channels

    @property
    def sample(self) -> int:
        """From one sample to the next."""
        return (self.height + self.border) * self.across

    @property
    def positions(self) -> int:
        """Of a sample."""
        return self.height * self.width

    def places(self) -> torch.Tensor:
        """Where the positions of a sample lie, [height * width]."""
        first = 1 if self.border else 0
        down = (torch.arange(self.height) + first).view(-1, 1) * self.across
        return (down + (torch.arange(self.width) + first) * self.channels).flatten()

    def shape(self, networks: int, samples: int) -> tuple[int, ...]:
        """Of the outputs of networks."""
        if not self.border:
            return networks, samples, self.channels
        return networks, samples, self.height + BORDER, self.width + BORDER, self.channels


class Input(NamedTuple):
    """What an operation reads.

    Attributes:
        values: of one or of all batches.
        network: from one network's values to the next one's; 0 where all share them.
        batch: from one batch's values to the next one's; 0 where there is one batch.
        number: of the batch, int32 [1] on the device.
    """

    values: torch.Tensor
    network: int
    batch: int
    number: torch.Tensor


class Output(NamedTuple):
    """What an operation gives; in evaluation it is the values alone.

    Attributes:
        values: as its grid has them.
        gradient: of the values.
        winners: which of 2x2 positions a pooling took.
    """

    values: torch.Tensor
    gradient: torch.Tensor | None = None
    winners: torch.Tensor | None = None

    def slope(self) -> torch.Tensor:
        """The gradient, in training."""
        assert self.gradient is not None
        return self.gradient


class Batch(NamedTuple):
    """What an operation reads and gives for some samples, as many as its memory has room for.

    Attributes:
        read: the output of each source, or the images.
        samples: how many there are.
        out: where its output goes.
    """

    read: Sequence[Input]
    samples: int
    out: Output


class Below(NamedTuple):
    """The gradient of what an operation has read, which it is to write.

    Attributes:
        gradient: of the source.
        relu: the source is the output of a ReLU: where it is 0, so is the gradient.
        adds: another reader has written there before.
    """

    gradient: torch.Tensor
    relu: bool
    adds: bool


class Scratch:
    """Room for what one operation at a time needs for a moment.

    A recorded graph keeps to its place: it does not grow after the first step.
    """

    def __init__(self, task: BaseTask) -> None:
        """Start with none."""
        self._task = task
        self._room = task.zeros(0)

    def reserve(self, numbers: int) -> None:
        """Make it hold at least so many numbers."""
        if len(self._room) < numbers:
            self._room = self._task.zeros(numbers)

    def __call__(self) -> torch.Tensor:
        """Return it."""
        return self._room
