"""The engine for a network: by what its layers are."""

from collections.abc import Sequence

import torch

from dropnet.models import Conv, Layer, Residual
from dropnet.training import convolutional, fully_connected

Task = convolutional.Task | fully_connected.Task
Split = tuple[torch.Tensor, torch.Tensor]


def make_task(
    train: Split,
    validation: Split,
    test: Split,
    layers: Sequence[Layer],
    batch_size: int,
    learning_rate: float,
    dtype: torch.dtype = torch.float32,
) -> Task:
    """Prepare the splits, pairs of uint8 images [n, c, h, w] and labels [n], for a network."""
    convolves = any(isinstance(layer, Conv | Residual) for layer in layers)
    engine = convolutional if convolves else fully_connected
    return engine.Task(train, validation, test, layers, batch_size, learning_rate, dtype)
