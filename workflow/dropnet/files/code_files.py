"""Which code a script depends on, so that an edit reruns exactly the jobs that it makes stale.

Of the project's own code those are files, of others' the versions of packages.
"""

from collections.abc import Iterable
from hashlib import file_digest
from importlib.metadata import PackageNotFoundError, version
from modulefinder import ModuleFinder
from pathlib import Path

WORKFLOW = Path(__file__).resolve().parents[2]
#: Modules that tell of a job and cannot change a number; an edit of one reruns nothing.
REPORTING = (
    "errors.py",
    "files/code_files.py",
    "files/provenance.py",
    "pruning/progress.py",
)
#: Packages that decide the numbers of a stage; another version of one reruns it.
DECIDING = {
    "data": ("numpy", "pillow"),
    "split": ("numpy", "scikit-learn"),
    "train": ("scikit-learn", "torch", "triton"),
    "export": ("onnx", "onnxruntime", "onnxscript", "torch"),
}


def code_of(script: str | Path, modules: Iterable[str] = ()) -> list[Path]:
    """Return the files of this package that a script imports, directly or not, sorted.

    Found by reading the import statements (also those inside functions), not by running anything.

    Args:
        script: to be read.
        modules: that it imports by a name it is given, e.g. the engine of a model.
    """
    finder = ModuleFinder(path=[str(WORKFLOW)])
    finder.run_script(str(script))
    for module in modules:
        finder.import_hook(module)
    loaded = (getattr(module, "__file__", None) for module in finder.modules.values())
    files = {Path(file) for file in loaded if file}
    left_out = {Path(script).resolve(), *(WORKFLOW / "dropnet" / name for name in REPORTING)}
    return sorted(file for file in files if file.resolve() not in left_out)


def code_sums(script: str | Path, modules: Iterable[str] = ()) -> dict[str, str]:
    """Return the SHA-256 of a script and of all that `code_of` finds, by path."""
    files = [Path(script).resolve(), *code_of(script, modules)]
    return {str(file.relative_to(WORKFLOW)): checksum(file) for file in files}


def versions_of(stage: str) -> dict[str, str]:
    """Return the versions of the packages that decide the numbers of a stage, as installed here."""
    found = {}
    for package in DECIDING[stage]:
        try:
            found[package] = version(package)
        except PackageNotFoundError:  # one may plan without torch
            continue
    return found


def checksum(path: str | Path) -> str:
    """Return the SHA-256 of a file's content, in hexadecimal."""
    with Path(path).open("rb") as file:
        return file_digest(file, "sha256").hexdigest()
