"""From the data set's file and its split to a prepared task."""

import logging
from pathlib import Path

import torch

from dropnet.data.classes import check_classes
from dropnet.data.dataset import Dataset
from dropnet.data.split import Split
from dropnet.errors import UserError
from dropnet.files.artifacts import AGAIN
from dropnet.settings import Settings
from dropnet.training.engines import make_task
from dropnet.training.task import BaseTask

logger = logging.getLogger("dropnet")


def load_task(
    settings: Settings,
    dataset: str | Path,
    split: str | Path,
    device: torch.device,
) -> BaseTask:
    """Read a data set and the indices of its split, and prepare them for training."""
    data = Dataset.load(dataset)
    indices = Split.load(split)
    train, validation = indices.train, indices.validation
    if len(train) + len(validation) > len(data.train_labels):
        raise UserError(f"{split}: not a split of {dataset}; {AGAIN}")
    if (settings.test_images or 0) > len(data.test_labels):
        raise UserError(
            f"{settings.dataset}: test_images: {settings.test_images} is not allowed, the test set"
            f" has 1 to {len(data.test_labels)}"
        )
    test_labels = data.test_labels[: settings.test_images]
    try:
        missing = check_classes(f"test_images: {len(test_labels)}", test_labels, data.test_labels)
    except UserError as error:
        raise UserError(f"{settings.dataset}: {error}") from None
    if missing:
        logger.warning("warning: %s: %s", settings.dataset, missing)
    return make_task(
        train=(data.train_images[train], data.train_labels[train]),
        validation=(data.train_images[validation], data.train_labels[validation]),
        test=(data.test_images[: settings.test_images], test_labels),
        settings=settings,
        device=device,
    )
