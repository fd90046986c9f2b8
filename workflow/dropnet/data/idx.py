"""IDX, MNIST's format: a magic number 00 00 TYPE NDIM, NDIM big-endian sizes of 4 bytes, values."""

import gzip
import io
import math
import os
import struct
from pathlib import Path

import numpy as np

from dropnet.data import formats
from dropnet.data.formats import Arrays, Layout, blamed_on, check_counts
from dropnet.errors import UserError

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
    with blamed_on(name), open(path, "rb") as file:
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
        if size > formats.LARGEST_FILE:
            raise UserError(
                f"{name}: announces {size} values, at most {formats.LARGEST_FILE} are allowed"
            )
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
        check_counts(len(images), image_path.name, len(labels), label_path.name)
        arrays[f"{part}_images"] = images if images.ndim == 4 else images[:, None]
        arrays[f"{part}_labels"] = labels
    return arrays


_IDX_NAMES = tuple(
    f"{part}-{values}-ubyte"
    for part in ("train", "t10k")
    for values in ("images-idx3", "labels-idx1")
)

FILES = f"{', '.join(_IDX_NAMES)} (raw or .gz)"
LAYOUTS = (Layout(_IDX_NAMES, _decode_idx, ("", ".gz"), (".", "raw")),)
