"""Changes of published/ are made beside it first, so that one that fails changes nothing."""

import shutil
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from filecmp import cmp
from pathlib import Path

from dropnet.errors import UserError


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
def named_after(copies: Mapping[Path, Path]) -> Iterator[None]:
    """Within, errors name files and not their copies: each copy is given with its original."""
    try:
        yield
    except UserError as error:
        said = str(error)
        for copy, original in copies.items():
            said = said.replace(str(copy), str(original))
        raise UserError(said) from None


def put_in_place(made: Path, folder: Path, replaced: Iterable[Path] = ()) -> list[Path]:
    """Move files into a folder, those that it has already aside; only a kill stops that halfway.

    Args:
        made: has the files.
        folder: that is to have them.
        replaced: files in it that go, if there are none of their names among them.

    Returns all of them, at their places.
    """
    places = {
        folder / path.relative_to(made): path for path in sorted(made.rglob("*")) if path.is_file()
    }
    for place, path in places.items():
        if not (place.exists() and cmp(path, place, shallow=False)):
            place.parent.mkdir(parents=True, exist_ok=True)
            path.replace(place)
    for old in replaced:
        if old not in places:
            old.unlink()
    return [*places]
