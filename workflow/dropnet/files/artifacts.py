"""Artifacts on disk: written whole or not at all, and in formats that carry no code."""

import json
import os
import re
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dropnet.errors import UserError

if TYPE_CHECKING:
    import torch

AGAIN = "delete it and run again"
TEMPORARY = ".*.tmp"  # what files are called while they are written


@contextmanager
def atomic_path(path: str | Path) -> Iterator[Path]:
    """Yield a temporary path beside `path` and rename it to `path` when the block succeeds.

    A file under its final name is therefore always whole, however process or machine ended.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=".tmp")
    os.close(handle)
    temporary = Path(name)
    try:
        yield temporary
        _flush(temporary)  # else a loss of power can leave the new name without the content
        temporary.chmod(0o666 & ~_umask())  # mkstemp makes files private; artifacts are shared
        os.replace(temporary, path)
        with suppress(OSError):  # some file systems cannot; the file is there all the same
            _flush(path.parent)
    finally:
        temporary.unlink(missing_ok=True)


def _flush(path: Path) -> None:
    """Wait until a file's content, or the names in a folder, are on the disk."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _umask() -> int:
    """The process's umask; reading it means setting it for a moment."""
    mask = os.umask(0)
    os.umask(mask)
    return mask


def write_text(path: str | Path, text: str) -> None:
    """Write `text` to `path` atomically."""
    with atomic_path(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def write_json(path: str | Path, content: Any) -> None:
    """Write `content` to `path` as readable JSON, atomically."""
    write_text(path, json.dumps(content, indent=2, ensure_ascii=False) + "\n")


def save_tensors(
    path: str | Path, tensors: Mapping[str, "torch.Tensor"], record: Any = None
) -> None:
    """Write named tensors, and a JSON `record` beside them, to one safetensors file, atomically."""
    from safetensors import SafetensorError
    from safetensors.torch import save_file

    contiguous = {name: tensor.detach().contiguous() for name, tensor in tensors.items()}
    with atomic_path(path) as temporary:
        try:
            save_file(contiguous, temporary, metadata={"record": json.dumps(record)})
        except SafetensorError as error:  # "... (os error 28)": what the machine said, as words
            number = re.search(r"os error (\d+)", str(error))
            if number is None:
                raise
            raise OSError(int(number[1]), os.strerror(int(number[1])), str(path)) from None


def load_tensors(
    path: str | Path, wanted: Callable[[str], bool] = lambda name: True
) -> tuple[dict[str, "torch.Tensor"], Any]:
    """Read what `save_tensors` wrote: the tensors of wanted names, and the record.

    Raises UserError if the file is missing or is not a whole safetensors file.
    """
    from safetensors import SafetensorError, safe_open

    with artifact(path):
        try:
            with safe_open(path, framework="pt") as file:
                names = [name for name in file.keys() if wanted(name)]  # noqa: SIM118
                tensors = {name: file.get_tensor(name) for name in names}
                record = json.loads((file.metadata() or {}).get("record", "null"))
        except SafetensorError as error:
            raise ValueError(error) from None
    return tensors, record


def read_json(path: str | Path, needed: Iterable[str] = (), mend: str = AGAIN) -> dict[str, Any]:
    """Read what `write_json` wrote; it is an object that has the keys `needed`.

    Raises UserError, with the words that say how to `mend` it, if the file is missing, is not that,
    or has numbers that are none (NaN).
    """

    def refuse(word: str) -> None:
        raise ValueError(f"it contains {word}")

    with artifact(path, mend):
        content = json.loads(Path(path).read_text(encoding="utf-8"), parse_constant=refuse)
        if not isinstance(content, dict):
            raise ValueError("no keys")
        missing = [key for key in needed if key not in content]
        if missing:
            raise ValueError(f"the key {missing[0]!r} is missing")
    return content


@contextmanager
def artifact(path: str | Path, mend: str = AGAIN) -> Iterator[None]:
    """Within, whatever is wrong with the content of a file that a job has written is its damage.

    Raises UserError with the file's name and what to do; also if it is no regular file, of which
    some would be read forever.
    """
    try:
        if not Path(path).is_file():
            raise ValueError("no such file" if not Path(path).exists() else "not a file")
        yield
    except (ValueError, LookupError, TypeError, AttributeError) as error:
        said = f"{error} is missing" if isinstance(error, KeyError) else error
        raise UserError(f"{path}: not a readable artifact ({said}); {mend}") from None
