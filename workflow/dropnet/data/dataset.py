"""A data set: its arrays, their checksum, and the file they are kept in."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dropnet.errors import UserError
from dropnet.files.artifacts import AGAIN, load_tensors, save_tensors

if TYPE_CHECKING:
    import torch

PARTS = ("train", "test")
ARRAYS = ("train_images", "train_labels", "test_images", "test_labels")


@dataclass(frozen=True, eq=False)
class Dataset:
    """A whole data set, in the official order of its images.

    Images are uint8 tensors [n, channels, height, width], labels uint8 tensors [n] of 0 to
    classes - 1. Raises UserError if the tensors are not that, or do not fit together.
    """

    name: str
    classes: int
    train_images: "torch.Tensor"
    train_labels: "torch.Tensor"
    test_images: "torch.Tensor"
    test_labels: "torch.Tensor"

    def __post_init__(self) -> None:
        if type(self.classes) is not int or not 2 <= self.classes <= 256:
            raise UserError(f"classes: {self.classes!r} is not allowed, only 2 to 256")
        for name, ndim in zip(ARRAYS, (4, 1, 4, 1), strict=True):
            _check_tensor(name, self.tensors[name], ndim)
        for part in PARTS:
            self._check_part(part)
        train, test = (tuple(images.shape[1:]) for images in (self.train_images, self.test_images))
        if train != test:
            raise UserError(f"train_images are {_by(train)} each, but test_images {_by(test)}")

    def _check_part(self, part: str) -> None:
        images, labels = self.tensors[f"{part}_images"], self.tensors[f"{part}_labels"]
        if len(images) != len(labels):
            raise UserError(f"{part}_images are {len(images)}, but {part}_labels are {len(labels)}")
        highest = int(labels.max())
        if highest >= self.classes:
            raise UserError(
                f"{part}_labels hold the label {highest}, allowed with {self.classes} classes:"
                f" 0 to {self.classes - 1}"
            )

    @property
    def tensors(self) -> dict[str, "torch.Tensor"]:
        """The four tensors by name, in the order of `ARRAYS`."""
        return {name: getattr(self, name) for name in ARRAYS}

    @property
    def image_shape(self) -> tuple[int, int, int]:
        """(channels, height, width) of every image."""
        channels, height, width = self.train_images.shape[1:]
        return channels, height, width

    def checksum(self) -> str:
        """SHA-256 over the four arrays: what config.yaml pins as `sha256`.

        For each array in the order of `ARRAYS`, a line in ASCII, `NAME uint8 SIZE,SIZE,...` and a
        line feed, then its bytes in C order. So neither a byte nor a name, a shape or the order can
        change unseen, and the sum does not depend on which files the arrays came from.
        """
        total = hashlib.sha256()
        for name, tensor in self.tensors.items():
            total.update(f"{name} uint8 {','.join(map(str, tensor.shape))}\n".encode("ascii"))
            total.update(tensor.contiguous().numpy().data)
        return total.hexdigest()

    def save(self, path: str | Path) -> None:
        """Write the data set to one safetensors file, atomically."""
        record = {"name": self.name, "classes": self.classes, "sha256": self.checksum()}
        save_tensors(path, self.tensors, record)

    @classmethod
    def load(cls, path: str | Path) -> "Dataset":
        """Read what `save` wrote; shapes, types and labels are checked again, the sum is not.

        Raises UserError if the file is missing, damaged, or something else than a data set.
        """
        tensors, record = load_tensors(path)
        if set(tensors) != set(ARRAYS) or not isinstance(record, dict):
            raise UserError(f"{path}: not a data set; {AGAIN}")
        try:
            return cls(record["name"], record["classes"], **tensors)
        except KeyError as error:
            raise UserError(f"{path}: its record has no {error}; {AGAIN}") from None
        except UserError as error:
            raise UserError(f"{path}: {error}; {AGAIN}") from None


def image_counts(path: str | Path) -> tuple[int, int] | None:
    """Return how many training and test images a file has; None if it is no whole data set.

    What is wrong with it, the job says that reads it.
    """
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="np") as file:
            train, test = (file.get_slice(f"{part}_labels").get_shape()[0] for part in PARTS)
    except (OSError, SafetensorError):
        return None
    return train, test


def from_arrays(name: str, classes: int, arrays: Mapping[str, Any]) -> Dataset:
    """Make a data set of decoded numpy arrays without copying them; raises UserError as it does."""
    import torch

    return Dataset(name, classes, **{array: torch.from_numpy(arrays[array]) for array in ARRAYS})


def verify(dataset: Dataset, expected: object) -> str:
    """Compare the checksum of the data set with the one pinned in the configuration; returns it.

    Raises UserError if they differ; it tells if the training and the test part are exchanged.
    """
    actual = dataset.checksum()
    if actual == expected:
        return actual
    train = {"train_images": dataset.train_images, "train_labels": dataset.train_labels}
    test = {"test_images": dataset.test_images, "test_labels": dataset.test_labels}
    exchanged = dict(zip(ARRAYS, [*test.values(), *train.values()], strict=True))
    hint = ""
    if Dataset(dataset.name, dataset.classes, **exchanged).checksum() == expected:
        hint = ": the files of the training and the test part are swapped"
    raise UserError(
        f"wrong checksum{hint}: the SHA-256 of the arrays is {actual}, expected {expected}"
    )


def _check_tensor(name: str, tensor: "torch.Tensor", ndim: int) -> None:
    """Refuse another type or number of dimensions, and empty arrays."""
    if str(tensor.dtype) != "torch.uint8":
        raise UserError(f"{name}: holds {tensor.dtype}, allowed: torch.uint8")
    if tensor.ndim != ndim or 0 in tensor.shape:
        raise UserError(
            f"{name}: is {_by(tensor.shape)}, expected {ndim} dimensions, none of them empty"
        )


def _by(shape: tuple[int, ...]) -> str:
    return " x ".join(map(str, shape))
