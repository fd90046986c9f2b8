"""What the tasks of all engines have in common."""

import ctypes
from collections.abc import Sequence
from functools import cache
from typing import Any, Protocol

import torch

from dropnet.networks.cycle import Weights
from dropnet.networks.masks import Masks
from dropnet.networks.models import layers_of
from dropnet.networks.steps import Step, steps_of
from dropnet.settings import Settings

Split = tuple[torch.Tensor, torch.Tensor]

M_TRIM_THRESHOLD, M_TOP_PAD, M_MMAP_THRESHOLD = -1, -2, -3  # malloc.h


class Stack(Protocol):
    """Networks that are trained side by side for the same epochs.

    Attributes:
        size: number of networks.
    """

    size: int

    def weights(self) -> list[dict[str, torch.Tensor]]:
        """Return copies of the current weights of each network at its own size."""

    def train_epoch(self, epoch: int) -> tuple[list[float], list[float]]:
        """Train one epoch and return each network's mean loss and accuracy over it.

        Both are Keras' running means: every batch counts as it was before its own update.

        Args:
            epoch: its number, 1 for the first; all that may differ between epochs follows from it.
        """

    def evaluate(self, samples: Any) -> tuple[list[float], list[float]]:
        """Return each network's mean loss and accuracy on the samples."""

    def statistics(
        self, samples: Any, gatherers: Sequence[Any] = ()
    ) -> list[dict[str, list[torch.Tensor]]]:
        """Return each network's statistics over the samples, as `dropnet.metrics` names them.

        Args:
            samples: that are looked at.
            gatherers: a `gathering.Gatherer` for each network, of what its metric gathers besides;
                or none.
        """


class BaseTask:
    """A data set prepared for training networks of one architecture on it.

    Attributes:
        settings: of the experiment.
        layers: of the network.
        image_shape: (channels, height, width).
        batch_size: samples of a batch.
        learning_rate: of SGD.
        dtype: precision of the weights, and of all sums.
        compute: precision of the convolutions.
        device: where the networks are trained.
        augmentation: "none": training images are taken as they are, in their order, in every epoch;
            "affine": shuffled and mapped anew in each, see `augmentation`.
        train: the training split; plain, it is in the order of the batches of every epoch.
        validation: the validation split.
        test: the test set.
    """

    train: Any
    validation: Any
    test: Any

    def __init__(
        self,
        image_shape: Sequence[int],
        settings: Settings,
        dtype: torch.dtype = torch.float32,
        device: str | torch.device = "cpu",
    ) -> None:
        """Start a task; convolutions compute in `dtype` or, if the settings say so, in less."""
        # Gradients far below 1e-38 are common late in training and slow a processor down tenfold;
        # TensorFlow, which the paper used, flushes them to zero as well.
        torch.set_flush_denormal(True)
        _keep_freed_memory()
        channels, height, width = image_shape
        self.settings = settings
        self.image_shape = (channels, height, width)
        self.layers = layers_of(settings)
        self.batch_size = settings.batch_size
        self.learning_rate = settings.learning_rate
        self.augmentation = settings.augmentation
        self.dtype = dtype
        self.compute = torch.bfloat16 if settings.precision == "bfloat16" else dtype
        self.device = torch.device(device)

    def steps(self, masks: Masks | None = None) -> tuple[Step, ...]:
        """Return the steps of the network under its masks."""
        return steps_of(self.layers, self.image_shape, masks)

    def stack(self, weights: Sequence[Weights], masks: Sequence[Masks]) -> Stack:
        """Return networks with the given (compacted) weights."""
        raise NotImplementedError

    def images(self, samples: Any, start: int, count: int) -> torch.Tensor:
        """Return up to `count` images [n, c, h, w] from the given one on, values from 0 to 1."""
        raise NotImplementedError

    def zeros(self, *shape: int, dtype: torch.dtype | None = None) -> torch.Tensor:
        """Return zeros where the networks are trained, in the precision of the weights."""
        return torch.zeros(shape, dtype=dtype or self.dtype, device=self.device)


@cache
def _keep_freed_memory() -> None:
    """Tell the C library to keep freed memory for the next tensor.

    Otherwise it hands the largest activations back to the system in each step and gets them anew,
    page by page: 8% of a training step of Conv64-Conv64. Another library than glibc decides for
    itself.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        for parameter, value in ((M_MMAP_THRESHOLD, 32 << 20), (M_TRIM_THRESHOLD, 2**31 - 1)):
            mallopt(parameter, value)
        mallopt(M_TOP_PAD, 64 << 20)
