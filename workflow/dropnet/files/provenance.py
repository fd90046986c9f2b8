"""Where a result comes from: code, versions, machine, inputs and time, beside every artifact."""

import platform
import subprocess
import sys
import time
from collections.abc import Iterable
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, NamedTuple

from dropnet.files.artifacts import artifact
from dropnet.files.code_files import checksum

PACKAGES = (
    *("torch", "torchvision", "numpy", "scikit-learn", "safetensors", "pandas", "matplotlib"),
    *("scipy", "pillow", "onnx", "onnxruntime", "onnxscript"),
)
LONGEST_NAME = 100  # characters of a name that the machine gives


class Moment(NamedTuple):
    """A moment on two clocks: the one that says the date, and one that nobody can change."""

    date: float
    monotonic: float

    @classmethod
    def now(cls) -> "Moment":
        """Read both."""
        return cls(time.time(), time.monotonic())


def collect(
    settings: dict[str, Any], inputs: Iterable[str | Path], started: Moment, device: str = "cpu"
) -> dict[str, Any]:
    """Return the provenance of an artifact, ready to be written as JSON.

    Args:
        settings: all that was configured, resolved.
        inputs: files that were read; their SHA-256 are recorded.
        started: when the job was.
        device: where it ran, "cpu" or the name of a GPU.
    """
    return {
        "settings": settings,
        "inputs": {str(path): _sum_of_input(path) for path in inputs},
        "git": git_state(),
        "versions": versions(),
        "device": device,
        "cpu": cpu_model(),
        "started": datetime.fromtimestamp(started.date, UTC).isoformat(timespec="seconds"),
        "wall_seconds": round(time.monotonic() - started.monotonic, 1),
    }


def _sum_of_input(path: str | Path) -> str:
    with artifact(path):
        return checksum(path)


PUBLISHED = ("published", "README.md")  # what `make publish` writes, of the project's folder


def git_state() -> dict[str, Any]:
    """Return the commit of this code, and whether tracked files were as committed.

    Those that `make publish` writes do not count: some jobs are published while others run.

    Where git does not know this code, or refuses to say, both are None, and `unknown` says why.
    """
    here = Path(__file__)

    def git(*words: str) -> str:
        command = ["git", "-C", str(here.parent), *words]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()

    try:
        git("ls-files", "--error-unmatch", here.name)  # it may lie in somebody else's repository
        commit = git("rev-parse", "--verify", "HEAD")
        others = [f":(top,exclude){path}" for path in PUBLISHED]
        changes = git("status", "--porcelain", "--untracked-files=no", "--", ":(top)", *others)
    except FileNotFoundError:
        return {"commit": None, "clean": None, "unknown": "git is not installed"}
    except subprocess.CalledProcessError as error:
        said = next(iter(error.stderr.splitlines()), f"status {error.returncode}")
        return {"commit": None, "clean": None, "unknown": f"git says: {said}"}
    return {"commit": commit, "clean": not changes}


def versions() -> dict[str, str]:
    """Return the versions of Python and of the packages that are installed."""
    found = {"python": platform.python_version()}
    for package in PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:  # an environment holds what its rules need, not all of these
            continue
    return found


def cpu_model() -> str:
    """Return the processor's name as Linux gives it, else the platform's word for it."""
    info = Path("/proc/cpuinfo")
    if sys.platform == "linux" and info.exists():
        for line in info.read_text().splitlines():
            if line.startswith("model name"):
                return plain_name(line.split(":", 1)[1])
    return plain_name(platform.processor() or platform.machine())


def plain_name(text: str) -> str:
    """Return what a machine calls a part of it, fit for a table: one line, of bounded length."""
    printable = "".join(c if c.isprintable() and c not in "|<>`" else " " for c in text)
    return " ".join(printable.split())[:LONGEST_NAME] or "unknown"
