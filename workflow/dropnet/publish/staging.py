"""Changes of published/ are made beside it first, so that one that fails changes nothing."""

import fcntl
import os
import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from filecmp import cmp
from pathlib import Path

from dropnet.errors import UserError


@contextmanager
def alone(published: Path) -> Iterator[None]:
    """Within, no other process publishes or makes pages there. Raises UserError if one does."""
    published.mkdir(parents=True, exist_ok=True)
    folder = os.open(published, os.O_RDONLY)
    try:
        try:
            fcntl.flock(folder, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            words = "another process publishes or makes pages; wait for it, then start again"
            raise UserError(f"{published}: {words}") from None
        yield
    finally:
        os.close(folder)


@contextmanager
def beside(folder: Path) -> Iterator[Path]:
    """An empty folder beside a folder, on the same disk, which does not outlive the block.

    It is hidden, and so no published scale.
    """
    made = folder.with_name(f".{folder.name}")
    shutil.rmtree(made, ignore_errors=True)
    made.mkdir(parents=True)
    try:
        yield made
    finally:
        shutil.rmtree(made)


@contextmanager
def named_after(copy: Path, original: Path) -> Iterator[None]:
    """Within, errors name what is in a folder and not its copy."""
    try:
        yield
    except UserError as error:
        raise UserError(str(error).replace(str(copy), str(original))) from None


def put_in_place(
    made: Path, files: Iterable[Path], folder: Path, earlier: Iterable[Path]
) -> list[Path]:
    """Move files into a folder, in place of earlier ones; those that are the same stay.

    Args:
        made: the folder that has the files.
        files: in it.
        folder: that is to have them, on the same disk.
        earlier: files in that one, which go unless one of their names comes.

    Returns all of them, at their places.
    """
    places = {folder / file.relative_to(made): file for file in sorted(files)}
    for place, file in places.items():
        if not (place.exists() and cmp(file, place, shallow=False)):
            place.parent.mkdir(parents=True, exist_ok=True)
            file.replace(place)
    for old in earlier:
        if old not in places:
            old.unlink()
    return [*places]
