"""The fixed split of the official training set into training and validation images."""

from dataclasses import dataclass
from math import ceil
from pathlib import Path
from typing import TYPE_CHECKING

from dropnet.data.classes import check_classes
from dropnet.errors import UserError
from dropnet.files.artifacts import AGAIN, load_tensors, save_tensors

if TYPE_CHECKING:
    import torch

VALIDATION_SHARE = 0.1
RANDOM_STATE = 42  # the authors' notebooks


@dataclass(frozen=True, eq=False)
class Split:
    """Positions in the official training set: int64 tensors [n] without a common element.

    The order is the one in which the images are shown to the network. Raises UserError for anything
    else.
    """

    train: "torch.Tensor"
    validation: "torch.Tensor"

    def __post_init__(self) -> None:
        for name, tensor in (("train", self.train), ("validation", self.validation)):
            if str(tensor.dtype) != "torch.int64" or tensor.ndim != 1 or not len(tensor):
                raise UserError(f"{name}: expected one dimension of torch.int64, not empty")
        count = len(self.train) + len(self.validation)
        used = sorted(self.train.tolist() + self.validation.tolist())
        if used != list(range(count)):
            raise UserError(
                f"train and validation do not have each of 0 to {count - 1} exactly once"
            )

    def save(self, path: str | Path) -> None:
        """Write the split to one safetensors file, atomically."""
        record = {
            "train_images": len(self.train) + len(self.validation),
            "validation_share": VALIDATION_SHARE,
            "random_state": RANDOM_STATE,
        }
        save_tensors(path, {"train": self.train, "validation": self.validation}, record)

    @classmethod
    def load(cls, path: str | Path) -> "Split":
        """Read what `save` wrote. Raises UserError if it is missing, damaged or something else."""
        tensors, _ = load_tensors(path)
        if set(tensors) != {"train", "validation"}:
            raise UserError(f"{path}: not a split; {AGAIN}")
        try:
            return cls(**tensors)
        except UserError as error:
            raise UserError(f"{path}: {error}; {AGAIN}") from None


def stratified_split(labels: "torch.Tensor", train_images: int | None = None) -> Split:
    """Set a stratified tenth of the first `train_images` images (None: all) aside for validation.

    `labels` are uint8 [n], of the official training set in its order. The split is scikit-learn's
    train_test_split(test_size=0.1, stratify=labels, random_state=42), as in the authors' notebooks.
    Raises UserError if there are fewer images than asked for, too few to split by class, or if they
    lack classes and cannot do so by chance.
    """
    import torch
    from sklearn.model_selection import train_test_split

    available = len(labels)
    count = available if train_images is None else train_images
    if not 1 <= count <= available:
        raise UserError(
            f"train_images: {count} is not allowed, the training set has 1 to {available}"
        )
    check_classes(f"train_images: {count}", labels[:count], labels)
    labels = labels[:count]
    _check_classes(torch.bincount(labels).tolist(), count)
    parts = train_test_split(
        torch.arange(count).numpy(),
        test_size=VALIDATION_SHARE,
        stratify=labels.numpy(),
        random_state=RANDOM_STATE,
    )
    return Split(*map(torch.from_numpy, parts))


def missing_classes(split: Split, labels: "torch.Tensor") -> list[str]:
    """Return a line for each part of a split that lacks classes, by chance; `labels` as above."""
    count = len(split.train) + len(split.validation)
    parts = {"images to train on": split.train, "validation images": split.validation}
    lines = [
        check_classes(f"train_images: {count}: {len(part)} {what}", labels[part], labels)
        for what, part in parts.items()
    ]
    return [line for line in lines if line]


def _check_classes(counts: list[int], images: int) -> None:
    """Refuse what cannot be stratified; `counts` are the images of each class."""
    first = f"train_images: {images} is too few:"
    single = next((label for label, count in enumerate(counts) if count == 1), None)
    if single is not None:
        raise UserError(f"{first} class {single} has 1 image among them, and needs 2 or more")
    classes, validation = sum(count > 0 for count in counts), ceil(VALIDATION_SHARE * images)
    if classes < 2:
        raise UserError(f"{first} they are all of one class")
    if min(validation, images - validation) < classes:
        raise UserError(f"{first} {validation} validation images cannot hold all {classes} classes")
