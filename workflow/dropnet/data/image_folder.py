"""Pictures in folders, a folder a class, as torchvision's ImageFolder has them.

    train/CLASS/NAME.png    or .jpg, .jpeg; of any names
    test/CLASS/NAME.png     likewise; val in place of test, where there is no test

Classes are numbered in the order of their names. All pictures have one size, the configured one,
and become grey or RGB as it says. Whatever else lies there is refused: nobody knows what it means.
"""

import math
import os
import struct
import warnings
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from dropnet.data import formats
from dropnet.data.formats import Arrays, Layout, blamed_on, in_turn
from dropnet.errors import UserError

if TYPE_CHECKING:
    from PIL import Image

EXTENSIONS = (".png", ".jpg", ".jpeg")
MODES = {1: "L", 3: "RGB"}  # of a picture with so many channels
#: What becomes 8 bits a channel without a loss that nobody asked for.
EIGHT_BITS = ("1", "L", "LA", "P", "PA", "RGB", "RGBA", "CMYK", "YCbCr")
PNG_DEPTH = 24  # the byte of a PNG that says how many bits a channel has: its header comes first
LARGEST_PICTURE = 2**26  # bytes of a file; 2,000 x 2,000 pixels take 12 MB uncompressed

Shape = tuple[int, int, int]


def decode(paths: dict[str, Path], image: object) -> Arrays:
    """Decode all pictures; `classes` are the names of the folders.

    Args:
        paths: of the folders `train` and `test`.
        image: channels, height and width, as configured; None for those of the first picture.

    Returns:
        The arrays, in each part one image of each class in turn.

    Raises:
        UserError: if anything is not as above.
    """
    classes = _folders(paths["train"])
    if not 2 <= len(classes) <= 256:
        raise UserError(f"train: holds {len(classes)} folders of classes, allowed: 2 to 256")
    _check_classes(paths["test"], classes)
    shape = None if image is None else _shape(image)
    arrays: Arrays = {"classes": np.array(classes)}
    for part, folder in paths.items():
        listed = in_turn(
            [[(file, n) for file in _files(folder / c)] for n, c in enumerate(classes)]
        )
        shape = shape or _shape_of(listed[0][0])
        if len(listed) * math.prod(shape) > formats.LARGEST_FILE:
            raise UserError(
                f"{folder.name}: holds {len(listed)} pictures,"
                f" allowed of this size: {formats.LARGEST_FILE // math.prod(shape)}"
            )
        images = np.empty((len(listed), *shape), dtype=np.uint8)
        for pixels, (file, _) in zip(images, listed, strict=True):
            pixels[:] = _read(file, shape)
        arrays[f"{part}_images"] = images
        arrays[f"{part}_labels"] = np.array([label for _, label in listed], dtype=np.uint8)
    return arrays


def _folders(folder: Path) -> list[str]:
    """The names of the classes in a part, sorted."""
    for path in (entries := list(_entries(folder, 1))):
        if not path.is_dir():
            raise UserError(f"{_shown(path, 2)}: not a folder; allowed: a folder for each class")
    return [path.name for path in entries]


def _check_classes(folder: Path, classes: Sequence[str]) -> None:
    """Refuse a test set of other classes than those of the training set."""
    tested = _folders(folder)
    for name in classes:
        if name not in tested:
            raise UserError(f"{_shown(folder / name, 2)}: missing; allowed: the classes of train")
    for name in tested:
        if name not in classes:
            raise UserError(
                f"{_shown(folder / name, 2)}: no class of train; allowed: the classes of train"
            )


def _files(folder: Path) -> list[Path]:
    """The pictures of a class, sorted by name."""
    files = list(_entries(folder, 2))
    for path in files:
        if not path.is_file() or path.suffix.lower() not in EXTENSIONS:
            raise UserError(
                f"{_shown(path, 3)}: not the name of a picture; allowed: files that end in"
                f" {', '.join(EXTENSIONS)}"
            )
    if not files:
        raise UserError(f"{_shown(folder, 2)}: empty; allowed: one or more pictures")
    return files


def _entries(folder: Path, depth: int) -> Iterator[Path]:
    """What lies in a folder, sorted by name, if it is neither hidden nor a link.

    The folder is that of a part at depth 1, that of a class at 2.
    """
    with blamed_on(_shown(folder, depth)):
        names = sorted(os.listdir(folder))
    for name in names:
        path = folder / name
        if path.is_symlink():
            raise UserError(f"{_shown(path, depth + 1)}: a link; allowed: what it leads to, itself")
        if name.startswith("."):
            raise UserError(f"{_shown(path, depth + 1)}: hidden; allowed: classes and pictures")
        yield path


def _read(path: Path, shape: Shape) -> np.ndarray:
    """Read a picture of PNG or JPEG as uint8 [channels, height, width].

    The size is told by the header, before anything is decoded.
    """
    channels, height, width = shape
    name, content = _shown(path, 3), _content(path)
    with _opened(content, name) as picture:
        if picture.size != (width, height):
            raise UserError(
                f"{name}: is {picture.width} x {picture.height} pixels,"
                f" allowed: {width} x {height}, as `image` says"
            )
        # Pillow makes 8 bits of 16 in colour without a word
        deep = picture.format == "PNG" and content[PNG_DEPTH] > 8
        if deep or picture.mode not in EIGHT_BITS:
            bits = f"{content[PNG_DEPTH]} bits a channel" if deep else f"mode {picture.mode}"
            raise UserError(f"{name}: has pixels of {bits}, allowed: of 8 bits")
        picture.verify()  # compares the checksums of a PNG, and uses the picture up
    with _opened(content, name) as picture:
        pixels = np.asarray(picture.convert(MODES[channels]))
    return pixels.reshape(height, width, channels).transpose(2, 0, 1)


@contextmanager
def _opened(content: bytes, name: str) -> "Iterator[Image.Image]":
    """Open a picture, and turn what damaged ones raise into a UserError that names it."""
    from PIL import Image, UnidentifiedImageError

    try:
        with warnings.catch_warnings():
            # that it is too large is said by the size
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            with Image.open(BytesIO(content), formats=["PNG", "JPEG"]) as picture:
                yield picture
    except UnidentifiedImageError:
        raise UserError(f"{name}: neither PNG nor JPEG") from None
    except (
        *(OSError, SyntaxError, ValueError, EOFError, IndexError, struct.error, zlib.error),
        Image.DecompressionBombError,
    ) as error:
        raise UserError(f"{name}: not a whole picture of PNG or JPEG ({error})") from None


def _content(path: Path) -> bytes:
    """All bytes of a picture's file, neither none nor too many."""
    name = _shown(path, 3)
    with blamed_on(name), open(path, "rb") as file:
        content = file.read(LARGEST_PICTURE + 1)
    if not content:
        raise UserError(f"{name}: empty; allowed: a picture of PNG or JPEG")
    if len(content) > LARGEST_PICTURE:
        raise UserError(f"{name}: more than the {LARGEST_PICTURE} bytes that are allowed")
    return content


def _shape(image: object) -> Shape:
    """The configured channels, height and width, if pictures can be of them."""
    if not (
        isinstance(image, list)
        and len(image) == 3
        and all(type(size) is int and size > 0 for size in image)
        and image[0] in MODES
    ):
        raise UserError(
            f"image: {image} is not allowed for pictures; allowed: [1, height, width] (grey) or"
            " [3, height, width] (RGB)"
        )
    return image[0], image[1], image[2]


def _shape_of(path: Path) -> Shape:
    """The channels, height and width of a picture, by its header."""
    with _opened(_content(path), _shown(path, 3)) as picture:
        return 1 if picture.mode in ("1", "L", "LA") else 3, picture.height, picture.width


def _shown(path: Path, parts: int) -> str:
    """The last parts of a path, in a line that can be shown, whatever it is called."""
    text = "/".join(path.parts[-parts:])
    return text if text.isprintable() else ascii(text)


FILES = "the folders train and test (or val), in each a folder of pictures for each class,"
LAYOUTS = (Layout(("train", "test"), decode, others={"test": ("val",)}, folders=True, shaped=True),)
