"""What the tasks of all engines have in common."""

from collections.abc import Sequence

import torch

from dropnet.masks import Masks
from dropnet.models import Layer
from dropnet.structure import Step, steps_of

Split = tuple[torch.Tensor, torch.Tensor]


class BaseTask:
    """A data set prepared for training networks of one architecture on it.

    Attributes:
        layers: of the network.
        image_shape: (channels, height, width).
        batch_size: samples of a batch.
        learning_rate: of SGD.
        dtype: precision of the weights, and of all sums.
        compute: precision of the convolutions.
        device: where the networks are trained.
    """

    def __init__(
        self,
        image_shape: tuple[int, ...],
        layers: Sequence[Layer],
        batch_size: int,
        learning_rate: float,
        dtype: torch.dtype = torch.float32,
        compute: torch.dtype | None = None,
        device: str | torch.device = "cpu",
    ) -> None:
        """Start a task; `compute` is `dtype` unless it is given."""
        # Gradients far below 1e-38 are common late in training and slow a processor down tenfold;
        # TensorFlow, which the paper used, flushes them to zero as well.
        torch.set_flush_denormal(True)
        self.image_shape = tuple(image_shape)
        self.layers = layers
        self.batch_size = batch_size
        self.learning_rate = learning_rate
        self.dtype = dtype
        self.compute = compute or dtype
        self.device = torch.device(device)

    def steps(self, masks: Masks | None = None) -> tuple[Step, ...]:
        """Return the steps of the network under its masks."""
        return steps_of(self.layers, self.image_shape, masks)

    def zeros(self, *shape: int, dtype: torch.dtype | None = None) -> torch.Tensor:
        """Return zeros where the networks are trained, in the precision of the weights."""
        return torch.zeros(shape, dtype=dtype or self.dtype, device=self.device)
