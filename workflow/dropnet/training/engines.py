"""The engine for a network: by what its layers are, and where it is trained."""

from importlib import import_module

import torch

from dropnet.networks.models import engine_of
from dropnet.settings import Settings
from dropnet.training.task import BaseTask, Split


def make_task(
    train: Split,
    validation: Split,
    test: Split,
    settings: Settings,
    dtype: torch.dtype = torch.float32,
    device: str | torch.device = "cpu",
) -> BaseTask:
    """Prepare the splits, pairs of uint8 images [n, c, h, w] and labels [n], for a network."""
    engine = import_module(engine_of(settings, torch.device(device).type == "cuda"))
    task: BaseTask = engine.Task(train, validation, test, settings, dtype, device)
    return task
