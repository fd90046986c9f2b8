"""Decoders: the files of a known format, to arrays. What they share, and which there are.

Each format has a module of its name beside this one, so that data which are read by another do not
depend on it. Its `FILES` tell a user what to put into a folder, its `LAYOUTS` are the ways in which
those may lie there, the preferred one first.

Each decoder returns four uint8 arrays, `train_images` and `test_images` of shape
[n, channels, height, width], `train_labels` and `test_labels` of shape [n]; where the files list
their classes, `classes` are the names of these. It trusts nothing that it reads: whatever is
missing, cut short, too long, swapped or of another type is a `UserError` that begins with the
file's name.
"""

import gzip
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path

import numpy as np

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
    below: tuple[str, ...] = ()  # folders beside the first of the files, all of which is read too

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

    def read(self, paths: dict[str, Path]) -> list[Path]:
        """All files that are read with those that were found."""
        top = next(iter(paths.values())).parent
        below = [path for name in self.below for path in sorted((top / name).rglob("*.*"))]
        return [*paths.values(), *(path for path in below if path not in paths.values())]

    def _path(self, folder: Path, name: str) -> Path | None:
        paths = (folder / f"{name}{suffix}" for suffix in self.suffixes)
        return next((path for path in paths if path.exists()), None)


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

    def decode(self, folder: Path) -> tuple[Arrays, list[Path]] | None:
        """Decode the files of this format in `folder`: the arrays, and the files that were read.

        Returns None if the folder holds not one of the files. Raises UserError if some are missing
        or any of them is not what it should be.
        """
        found = self.find(folder)
        if found is None:
            return None
        layout, paths = found
        for name, path in paths.items():
            if not path.is_file():
                raise UserError(f"{name}: not a regular file")
        return layout.decode(paths), list(paths.values())


FORMATS = {
    name: Format(f"dropnet.data.{name}") for name in ("idx", "cifar", "cifar_png", "tiny_imagenet")
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


def whole(path: Path, limit: int) -> bytes:
    """Read all of a file, unless it is larger than `limit` bytes."""
    with blamed_on(path.name):
        if path.stat().st_size > limit:
            raise UserError(f"{path.name}: larger than {limit} bytes")
        return path.read_bytes()
