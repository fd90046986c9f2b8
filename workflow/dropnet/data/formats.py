"""Decoders: the files of a known format, to arrays. What they share, and which there are.

Each format has a module of its name beside this one, so that data which are read by another do not
depend on it. Its `FILES` tell a user what to put into a folder, its `LAYOUTS` are the ways in which
those may lie there, the preferred one first. What is said of files here goes for folders, too,
where a layout is of those.

Each decoder returns four uint8 arrays, `train_images` and `test_images` of shape
[n, channels, height, width], `train_labels` and `test_labels` of shape [n]; where the files list
their classes, `classes` are the names of these. It trusts nothing that it reads: whatever is
missing, cut short, too long, swapped or of another type is a `UserError` that begins with the
file's name.
"""

import gzip
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib import import_module
from itertools import zip_longest
from pathlib import Path
from typing import TypeVar

import numpy as np

from dropnet.errors import UserError

Arrays = dict[str, np.ndarray]
T = TypeVar("T")

LARGEST_FILE = 2**31  # bytes, decompressed: all files of a data set are held in memory


@dataclass(frozen=True)
class Layout:
    """One way a format lies in a folder: the files' names, and how to decode them.

    `decode` gets the path of each file by its name.
    """

    names: tuple[str, ...]
    decode: Callable[..., Arrays]
    suffixes: tuple[str, ...] = ("",)  # a file may carry any of them; the first that exists is read
    subfolders: tuple[str, ...] = (".",)  # where the files may lie, seen from the source's folder
    below: tuple[str, ...] = ()  # folders beside the first of the files, all of which is read too
    others: Mapping[str, tuple[str, ...]] = field(default_factory=dict)  # names in place of one
    folders: bool = False  # whether the names are of folders, all of which is read
    shaped: bool = False  # whether `decode` is told the configured shape of an image, too

    def accepts(self) -> set[str]:
        """All names of files that this layout would read."""
        names = [name for known in self.names for name in self._called(known)]
        return {name + suffix for name in names for suffix in self.suffixes}

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

    def read(self, paths: dict[str, Path]) -> list[Path]:
        """All files that are read with those that were found."""
        top = next(iter(paths.values())).parent
        below = [path for name in self.below for path in sorted((top / name).rglob("*.*"))]
        return [*paths.values(), *(path for path in below if path not in paths.values())]

    def _path(self, folder: Path, known: str) -> Path | None:
        names = (name + suffix for name in self._called(known) for suffix in self.suffixes)
        return next((folder / name for name in names if (folder / name).exists()), None)

    def _called(self, name: str) -> tuple[str, ...]:
        return (name, *self.others.get(name, ()))


@dataclass(frozen=True)
class Format:
    """A format of data sets, by the module that reads it."""

    module: str

    @property
    def files(self) -> str:
        """What a user is told to put into a folder."""
        return import_module(self.module).FILES

    @property
    def layouts(self) -> tuple[Layout, ...]:
        """The ways in which its files may lie, the preferred one first."""
        return import_module(self.module).LAYOUTS

    def accepts(self) -> set[str]:
        """All names of files that this format would read."""
        return set().union(*(layout.accepts() for layout in self.layouts))

    def find(self, folder: Path) -> tuple[Layout, dict[str, Path]] | None:
        """The files of this format in `folder`, by name, and how they lie; None if there are none.

        Raises UserError if some are missing.
        """
        found = ((layout, layout.find(folder)) for layout in self.layouts)
        return next(((layout, paths) for layout, paths in found if paths), None)

    def decode(self, folder: Path, image: object = None) -> tuple[Arrays, list[Path]] | None:
        """Decode the files of this format in `folder`: the arrays, and the files that were read.

        `image` is the shape that is configured, for formats in which that is up to the reader.
        Returns None if the folder holds not one of the files. Raises UserError if some are missing
        or any of them is not what it should be.
        """
        found = self.find(folder)
        if found is None:
            return None
        layout, paths = found
        for name, path in paths.items():
            if not (path.is_dir() if layout.folders else path.is_file()):
                raise UserError(f"{name}: not a {'folder' if layout.folders else 'regular file'}")
        arrays = layout.decode(paths, image) if layout.shaped else layout.decode(paths)
        return arrays, list(paths.values())


FORMATS = {
    name: Format(f"dropnet.data.{name}")
    for name in ("idx", "cifar", "cifar_png", "tiny_imagenet", "image_folder")
}


@contextmanager
def blamed_on(name: str) -> Iterator[None]:
    """Turn what reading a damaged file raises into a UserError that begins with the file's name."""
    try:
        yield
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise UserError(f"{name}: truncated or corrupt gzip data ({error})") from None
    except OSError as error:
        raise UserError(f"{name}: cannot be read ({error.strerror or error})") from None


def check_counts(images: int, image_file: str, labels: int, label_file: str) -> None:
    """Refuse images and labels that are not the same number."""
    if images != labels:
        raise UserError(
            f"{image_file} holds {images} images but {label_file} holds {labels} labels:"
            " one of them is swapped, truncated or of another data set"
        )


def in_turn(by_class: Sequence[Sequence[T]]) -> list[T]:
    """Return one of each class in turn, as files lie by class, and the first N are to have all.

    First come the first of every class, then the second of every class, and so on.
    """
    return [one for turn in zip_longest(*by_class) for one in turn if one is not None]


def whole(path: Path, limit: int) -> bytes:
    """Read all of a file, unless it is larger than `limit` bytes."""
    with blamed_on(path.name):
        if path.stat().st_size > limit:
            raise UserError(f"{path.name}: larger than {limit} bytes")
        return path.read_bytes()
