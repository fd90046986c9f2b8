"""The engine for a network: by what its layers are."""

from collections.abc import Sequence
from importlib import import_module
from typing import Any

from dropnet.models import Conv, Layer, Residual
from dropnet.training.task import BaseTask, Split


def engine_of(layers: Sequence[Layer]) -> str:
    """Return the module of `dropnet.training` that trains a network of these layers.

    It is imported when it is needed, so that a job depends on the code of its own engine only.
    """
    convolves = any(isinstance(layer, Conv | Residual) for layer in layers)
    return "convolutional" if convolves else "fully_connected"


def make_task(
    train: Split,
    validation: Split,
    test: Split,
    layers: Sequence[Layer],
    *args: Any,
    **kw: Any,
) -> BaseTask:
    """Prepare the splits, pairs of uint8 images [n, c, h, w] and labels [n], for a network.

    The other arguments are those of `training.task.BaseTask`, from `batch_size` on.
    """
    engine = import_module(f"dropnet.training.{engine_of(layers)}")
    return engine.Task(train, validation, test, layers, *args, **kw)
