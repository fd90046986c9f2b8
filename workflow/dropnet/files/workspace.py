"""The folders that a run works in: whether it can write there, and what is left over in them."""

import os
import shutil
import tempfile
import time
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from dropnet.errors import of_the_machine
from dropnet.files.artifacts import TEMPORARY

LEAST_SPACE = 2**20  # bytes: with less, a disk counts as full
MOST_SKEW = 60.0  # seconds by which the clock of a file server may be ahead
LEFT_BEHIND = 3600.0  # seconds without a change: nobody is still writing such a file


def tidy(results: str | Path, figures: str | Path) -> None:
    """Remove what only interrupted runs need, or leave behind.

    That is the single cycles of runs that are complete, as their networks are in one file by now,
    and the temporary files of processes that were killed while they wrote. Jobs that a killed
    Snakemake has left may still be running, and write files of their own.
    """
    for folder in Path(results).glob("*/*/*/cycles_*"):
        if (folder.parent / f"{folder.name.replace('cycles_', 'runs_')}.csv").exists():
            shutil.rmtree(folder)
    for top in (results, figures):
        for temporary in Path(top).rglob(TEMPORARY):
            with suppress(FileNotFoundError):  # it has just been put in its place
                if time.time() - temporary.stat().st_mtime > LEFT_BEHIND:
                    temporary.unlink()


def unfit_name(*folders: str | Path) -> str | None:
    """Say what is wrong with the path of a folder, and what is allowed; None if nothing is.

    Colons part the folders in which Python looks for the package, and Snakemake takes braces for
    wildcards.
    """
    for folder in folders:
        for character in ":{}":
            if character in str(folder):
                allowed = "a folder without any of : { }"
                return f"{folder}: its path contains {character!r}; allowed: {allowed}"
    return None


def trouble(*folders: str) -> str | None:
    """Say what keeps a run from writing into its folders, and what to do; None if nothing does.

    Where a disk is full, a job cannot even write what is wrong into its log. A folder that is not
    there is no trouble.
    """
    for folder in filter(os.path.lexists, folders):
        if not os.path.isdir(folder):
            return f"{os.path.abspath(folder)}: not a folder; move it away, then start again"
        try:
            with tempfile.TemporaryFile(dir=folder) as file:
                file.write(bytes(LEAST_SPACE))
        except OSError as error:
            error.filename = os.path.abspath(folder)
            return of_the_machine(error) or str(error)
    return None


def in_the_way(files: Iterable[str]) -> str | None:
    """Say which file is where a folder goes, or the other way round, and what to do; else None.

    Args:
        files: that a run writes, as relative paths.
    """
    folders = set()
    for file in files:
        if os.path.isdir(file):
            return f"{file}: a folder is where a file goes; move it away, then start again"
        folders |= {str(parent) for parent in Path(file).parents}
    for folder in sorted(folders):
        if os.path.lexists(folder) and not os.path.isdir(folder):
            return f"{folder}: not a folder; move it away, then start again"
    return None


def dated_in_the_future(*folders: str) -> str | None:
    """Say which file is, and what to do; None if none is.

    The clock was changed, then. Snakemake compares dates, and would refuse every result made of
    such a file, after it was computed.
    """
    folders = tuple(filter(os.path.isdir, folders))
    latest = time.time() + MOST_SKEW
    # `os.walk` takes no notice of folders that another run has just removed
    found = (Path(at, name) for top in folders for at, _, names in os.walk(top) for name in names)
    for path in found:
        with suppress(FileNotFoundError):  # likewise
            if "." in path.name and path.stat().st_mtime > latest:
                touch = f"`find {' '.join(folders)} -newermt now -exec touch -d now {{}} +`"
                return (
                    f"{path}: dated in the future, so that the clock was changed; set it right,"
                    f" then {touch}, then start again"
                )
    return None
