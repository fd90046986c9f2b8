"""CIFAR-10's own files, binary or of Python: five training batches and a test batch."""

import hashlib
import math
import pickle
from pathlib import Path

import numpy as np

from dropnet.data import formats
from dropnet.data.formats import Arrays, Layout, blamed_on, whole
from dropnet.errors import UserError

SHAPE = (3, 32, 32)
_PIXELS = math.prod(SHAPE)
TRAIN = tuple(f"data_batch_{number}" for number in range(1, 6))
TEST = "test_batch"
BATCHES = (*TRAIN, TEST)


def _join_batches(batches: dict[str, tuple[np.ndarray, np.ndarray]]) -> Arrays:
    """Join (images [n, 3, 32, 32], labels [n]) of the six batches, in their official order."""
    return {
        "train_images": np.concatenate([batches[name][0] for name in TRAIN]),
        "train_labels": np.concatenate([batches[name][1] for name in TRAIN]),
        "test_images": batches[TEST][0],
        "test_labels": batches[TEST][1],
    }


def _read_bin(path: Path) -> tuple[np.ndarray, np.ndarray]:
    """Read one batch: rows of 3,073 bytes, a label and 32 x 32 pixels of red, green and blue."""
    row = 1 + _PIXELS
    with blamed_on(path.name):
        size = path.stat().st_size
        if size == 0 or size % row or size > formats.LARGEST_FILE:
            raise UserError(
                f"{path.name}: truncated or of another format:"
                f" {size} bytes are not a whole number of images of {row} bytes"
            )
        rows = np.fromfile(path, dtype=np.uint8).reshape(-1, row)
    return rows[:, 1:].reshape(-1, *SHAPE), rows[:, 0].copy()


def _decode_bin(paths: dict[str, Path]) -> Arrays:
    """Decode the binary version of CIFAR-10."""
    return _join_batches({Path(name).stem: _read_bin(path) for name, path in paths.items()})


def _read_py(path: Path, md5: str) -> tuple[np.ndarray, np.ndarray]:
    """Read one batch of the Python version: a pickle, which could run code when it is loaded.

    The very bytes that are loaded have been compared with the official checksum before.
    """
    content = whole(path, formats.LARGEST_FILE)
    actual = hashlib.md5(content, usedforsecurity=False).hexdigest()
    if actual != md5:
        raise UserError(
            f"{path.name}: not the official file, so it is not unpickled:"
            f" its MD5 is {actual}, expected {md5}"
        )
    batch = pickle.loads(content, encoding="latin1")
    images = np.asarray(batch["data"], dtype=np.uint8).reshape(-1, *SHAPE)
    return images, np.asarray(batch["labels"], dtype=np.uint8)


def _decode_py(paths: dict[str, Path]) -> Arrays:
    """Decode the Python version of CIFAR-10, verified against torchvision's list of checksums."""
    try:
        from torchvision.datasets import CIFAR10
    except ImportError as error:
        raise UserError(f"{TEST}: torchvision is needed to verify it ({error})") from None
    md5 = dict(CIFAR10.train_list + CIFAR10.test_list)
    return _join_batches({name: _read_py(path, md5[name]) for name, path in paths.items()})


FILES = "data_batch_1.bin to data_batch_5.bin, test_batch.bin, or folder cifar-10-batches-py"
LAYOUTS = (
    Layout(
        tuple(f"{name}.bin" for name in BATCHES),
        _decode_bin,
        subfolders=(".", "cifar-10-batches-bin"),
    ),
    Layout(BATCHES, _decode_py, subfolders=(".", "cifar-10-batches-py")),
)
