"""The engine for a network: by what its layers are."""

from collections.abc import Sequence
from importlib import import_module
from typing import Any

from dropnet.networks.models import Layer, engine_of
from dropnet.training.task import BaseTask, Split


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
    engine = import_module(engine_of(layers))
    task: BaseTask = engine.Task(train, validation, test, layers, *args, **kw)
    return task
