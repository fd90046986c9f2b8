"""Tiny ImageNet, as it is distributed: a folder tiny-imagenet-200, or a .zip that holds it.

What is read of it, `lines` below being the lines of a text file:

    wnids.txt                       the classes; a label is a line's number, from 0
    train/WNID/WNID_boxes.txt       lines that begin with the name of an image and a tab
    train/WNID/images/NAME          the images, JPEG of 64 x 64 pixels
    val/val_annotations.txt         lines that begin with an image's name, a tab and its WNID
    val/images/NAME

The official test images have no labels; those for validation are the test set, as in the paper.
Nothing is unpacked to disk, and no name that a file gives can lead out of the folder.
"""

import lzma
import math
import re
import struct
import zipfile
import zlib
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path

import numpy as np

from dropnet.data.formats import Layout, in_turn
from dropnet.errors import UserError

FOLDER = "tiny-imagenet-200"
ARCHIVE = f"{FOLDER}.zip"
CLASSES = "wnids.txt"
ANNOTATIONS = "val/val_annotations.txt"

SHAPE = (3, 64, 64)
LARGEST_TEXT = 2**22  # bytes; the annotations take 0.4 MB
LARGEST_IMAGE = 2**18  # bytes; 64 x 64 pixels take about 2 kB, and 12 kB uncompressed
LARGEST_DATA = 2**31  # bytes, decoded, or read from an archive: all images are held in memory

#: Content of a file of the data set: of its name seen from the top folder, and at most so long.
Read = Callable[[str, int], bytes]
_PLAIN_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*")


def decode_folder(paths: dict[str, Path]) -> dict[str, np.ndarray]:
    """Decode the unpacked folder, given the path of its wnids.txt."""
    root = paths[CLASSES].parent

    def read(name: str, limit: int) -> bytes:
        path = root / name
        try:
            if not path.is_file():
                raise UserError(f"{name}: missing")
            with open(path, "rb") as file:
                return _bounded(file.read(limit + 1), name, limit)
        except OSError as error:
            raise UserError(f"{name}: cannot be read ({error.strerror or error})") from None

    return _decode(read)


def decode_archive(paths: dict[str, Path]) -> dict[str, np.ndarray]:
    """Decode the .zip where it lies: members are read one by one, by their full names."""
    with _blamed_on_archive():
        archive = zipfile.ZipFile(paths[ARCHIVE])
    with archive:
        _check_names(archive)
        left = LARGEST_DATA

        def read(name: str, limit: int) -> bytes:
            nonlocal left
            member = f"{FOLDER}/{name}"
            if member not in archive.NameToInfo:
                raise UserError(f"{name}: missing in {ARCHIVE}")
            with _blamed_on_archive(name), archive.open(member) as file:
                # the size that it announces is not trusted; at its end zipfile compares its CRC
                content = _bounded(file.read(limit + 1), name, limit)
            left -= len(content)
            if left < 0:
                raise UserError(f"{ARCHIVE}: unpacks to more than {LARGEST_DATA} bytes")
            return content

        return _decode(read)


@contextmanager
def _blamed_on_archive(member: str = "") -> Iterator[None]:
    """Turn what a damaged .zip raises into a UserError that begins with its name."""
    try:
        yield
    except (
        *(zipfile.BadZipFile, zlib.error, lzma.LZMAError, EOFError, OSError, ValueError),
        *(struct.error, RuntimeError, NotImplementedError),  # encrypted; of an unknown method
    ) as error:
        where = f"{ARCHIVE}: {member}" if member else ARCHIVE
        raise UserError(f"{where}: truncated or corrupt archive ({error})") from None


def _check_names(archive: zipfile.ZipFile) -> None:
    """Refuse an archive with two members of one name: which of them is meant?"""
    counts = Counter(archive.namelist())
    twice = next((name for name, count in counts.items() if count > 1), None)
    if twice is not None:
        raise UserError(f"{ARCHIVE}: holds {twice!r} more than once, allowed: each name once")


def _bounded(content: bytes, name: str, limit: int) -> bytes:
    if len(content) > limit:
        raise UserError(f"{name}: more than the {limit} bytes that are allowed")
    return content


def _decode(read: Read) -> dict[str, np.ndarray]:
    """Decode all images; `classes` are the names of the classes by label."""
    classes = _class_names(read)
    parts = {"train": _train_images(read, classes), "test": _test_images(read, classes)}
    count = sum(map(len, parts.values()))
    if count > LARGEST_DATA // math.prod(SHAPE):
        raise UserError(
            f"{CLASSES}: its classes and {ANNOTATIONS} list {count} images,"
            f" allowed: {LARGEST_DATA // math.prod(SHAPE)}"
        )
    arrays = {"classes": np.array(classes)}
    for part, listed in parts.items():
        images = np.empty((len(listed), *SHAPE), dtype=np.uint8)
        for image, (name, _) in zip(images, listed, strict=True):
            image[:] = _decode_image(read(name, LARGEST_IMAGE), name)
        arrays[f"{part}_images"] = images
        arrays[f"{part}_labels"] = np.array([label for _, label in listed], dtype=np.uint8)
    return arrays


def _class_names(read: Read) -> list[str]:
    classes = [name for (name,) in _rows(read, CLASSES, 1)]
    if len(classes) > 256:
        raise UserError(f"{CLASSES}: lists {len(classes)} classes, allowed: at most 256")
    twice = next((name for name in classes if classes.count(name) > 1), None)
    if twice is not None:
        raise UserError(f"{CLASSES}: {twice!r} is listed twice, allowed: each class once")
    return classes


def _train_images(read: Read, classes: list[str]) -> list[tuple[str, int]]:
    """The training images and their labels, one of each class in turn, in the order of wnids.txt.

    Within a class the order is that of its list.
    """
    by_class = []
    for label, wnid in enumerate(classes):
        # an image with several boxes has several lines
        names = dict.fromkeys(name for (name,) in _rows(read, f"train/{wnid}/{wnid}_boxes.txt", 1))
        by_class.append([(f"train/{wnid}/images/{name}", label) for name in names])
    return in_turn(by_class)


def _test_images(read: Read, classes: list[str]) -> list[tuple[str, int]]:
    """The official validation images and their labels, in the order of their list."""
    labels = {wnid: label for label, wnid in enumerate(classes)}
    listed: dict[str, int] = {}
    for name, wnid in _rows(read, ANNOTATIONS, 2):
        if wnid not in labels:
            raise UserError(
                f"{ANNOTATIONS}: {name} is of the class {wnid!r},"
                f" allowed: the {len(classes)} of {CLASSES}"
            )
        if listed.setdefault(name, labels[wnid]) != labels[wnid]:
            raise UserError(f"{ANNOTATIONS}: {name} is of two classes, allowed: one")
    return [(f"val/images/{name}", label) for name, label in listed.items()]


def _rows(read: Read, name: str, columns: int) -> Iterator[list[str]]:
    """The first columns of a text file's lines; they name files or folders, and are held to it."""
    content = read(name, LARGEST_TEXT)
    lines = content.decode("ascii", errors="replace").splitlines()
    rows = [[cell.strip() for cell in line.split("\t")[:columns]] for line in lines if line.strip()]
    if not rows:
        raise UserError(f"{name}: empty, allowed: one or more lines")
    for row in rows:
        if len(row) < columns or not all(map(_PLAIN_NAME.fullmatch, row)):
            raise UserError(
                f"{name}: the line {' '.join(row)[:60]!r} is not allowed, only {columns} names of"
                " letters, digits, . _ - with a tab behind each"
            )
    return iter(rows)


def _decode_image(content: bytes, name: str) -> np.ndarray:
    """Decode a JPEG to [3, 64, 64]; grey becomes three equal channels."""
    from PIL import Image

    channels, height, width = SHAPE
    try:
        with Image.open(BytesIO(content), formats=["JPEG"]) as picture:
            if picture.size != (width, height):  # told by the header, before anything is decoded
                raise UserError(
                    f"{name}: is {picture.width} x {picture.height} pixels,"
                    f" allowed: {width} x {height}"
                )
            pixels = np.asarray(picture.convert("RGB"))
    except (
        *(OSError, SyntaxError, ValueError, EOFError, IndexError, struct.error),
        Image.DecompressionBombError,
    ) as error:
        raise UserError(f"{name}: not a whole JPEG image ({error})") from None
    return pixels.transpose(2, 0, 1)


FILES = f"{ARCHIVE}, or the folder {FOLDER} that it holds,"
LAYOUTS = (
    Layout((CLASSES, ANNOTATIONS), decode_folder, subfolders=(FOLDER, "."), below=("train", "val")),
    Layout((ARCHIVE,), decode_archive),
)
