"""Data set's configuration -> verified data set, and the record of where it came from."""

import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from dropnet.data import sources
from dropnet.data.dataset import Dataset, from_arrays, verify
from dropnet.errors import UserError

if TYPE_CHECKING:
    import torch

COLOURS = (3, 4)  # channels of an image that is coloured, and may have a transparency


def prepare(
    name: str, settings: Mapping[str, Any], data_dir: Path, log: Callable[[str], None]
) -> tuple[Dataset, dict[str, Any]]:
    """Fetch, decode and verify data set `name`; returns it and a record for its provenance.

    `settings` is its part of config.yaml: `sources`, `classes`, `image`, `sha256`; a `sha256` of
    None takes the data as they are found. `log` gets a line for each source that is passed over.
    Raises UserError if no source is there, or the first is wrong.
    """
    expected = settings.get("sha256", "")
    pinned = expected is not None
    if pinned and not (isinstance(expected, str) and re.fullmatch(r"[0-9a-f]{64}", expected)):
        raise UserError(
            f"datasets.{name}.sha256: {expected!r} is not a SHA-256 of 64 hexadecimal digits;"
            f" `make checksum DATASET={name}` prints it"
        )
    dataset, fetched = _decode(name, settings, data_dir, log)
    with sources.blamed_on(name, fetched.source):
        try:
            actual = verify(dataset, expected) if pinned else dataset.checksum()
        except UserError as error:
            raise UserError(f"{', '.join(fetched.files)}: {error}") from None
    log(f"{name}: taken from {fetched.source}, SHA-256 {actual}{'' if pinned else ', not pinned'}")
    record = {"source": str(fetched.source), "files": fetched.files, "sha256": actual}
    return dataset, record | {"pinned": pinned}


def checksum(
    name: str, settings: Mapping[str, Any], data_dir: Path, log: Callable[[str], None]
) -> str:
    """SHA-256 of the data set as the first source that is there gives it, whatever is pinned."""
    dataset, fetched = _decode(name, settings, data_dir, log)
    log(f"{name}: taken from {fetched.source}")
    return dataset.checksum()


def _decode(
    name: str, settings: Mapping[str, Any], data_dir: Path, log: Callable[[str], None]
) -> tuple[Dataset, sources.Fetched]:
    key = f"datasets.{name}.sources"
    entries = sources.parse(settings.get("sources"), key, settings.get("image"))
    fetched = sources.fetch(name, entries, data_dir, log)
    with sources.blamed_on(name, fetched.source):
        classes: Any = settings.get("classes")  # checked by the data set
        listed = fetched.arrays.get("classes")
        if listed is not None and len(listed) != classes:
            raise UserError(
                f"classes: {classes} is not that of {', '.join(fetched.files)};"
                f" allowed: {len(listed)}"
            )
        arrays = fetched.arrays
        if "image" in settings:
            arrays |= {
                key: _of_shape(arrays[key], settings["image"])
                for key in ("train_images", "test_images")
            }
        dataset = from_arrays(name, classes, arrays)
        for part in ("train_images", "test_images"):
            _check_pixels(part, dataset.tensors[part])
        return dataset, fetched


def _of_shape(images: np.ndarray, wanted: object) -> np.ndarray:
    """Return images [n, channels, height, width], also where the files have the channels last.

    Raises UserError if they are not of the shape (channels, height, width) that is wanted.
    """
    shape = images.shape[1:]
    if len(shape) != 3:
        return images  # the data set says what is wrong with it
    of_last = (shape[2], *shape[:2])
    last = shape[2] in COLOURS and min(shape[:2]) > max(COLOURS)
    if wanted == list(shape) and not last:
        return images
    if wanted == list(of_last):
        return np.ascontiguousarray(images.transpose(0, 3, 1, 2))
    raise UserError(
        f"image: {wanted} is not that of the files; allowed:"
        f" {list(of_last if last else shape)} (channels, height, width)"
    )


def _check_pixels(part: str, images: "torch.Tensor") -> None:
    """Refuse images that nothing can be learnt from, as they are when numbers were lost.

    Raises UserError if all are equal, or none of their bytes is above 1.
    """
    lost = "as where numbers from 0 to 1 were made bytes without multiplying them by 255"
    if int(images.max()) <= 1:
        raise UserError(f"{part}: no pixel is above 1, {lost}; allowed: bytes from 0 to 255")
    if len(images) > 1 and bool((images == images[0]).all()):
        raise UserError(f"{part}: all {len(images)} images are equal; allowed: different ones")
