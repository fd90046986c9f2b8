"""Which code a script depends on, so that an edit reruns exactly the jobs that it makes stale.

Of the project's own code those are files, of others' the versions of packages.
"""

import ast
from collections.abc import Iterable, Iterator
from functools import cache
from hashlib import file_digest
from importlib.metadata import PackageNotFoundError, version
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

    Found by reading the import statements (also those inside functions), not by running anything:
    each file once a process.

    Args:
        script: to be read.
        modules: that it imports by a name it is given, e.g. the engine of a model.
    """
    script = Path(script).resolve()
    files = {script}
    unread = [script, *(file for module in modules for file in _files_of(module))]
    while unread:
        file = unread.pop()
        files.add(file)
        unread += _imports(file) - files
    return sorted(files - {script, *(WORKFLOW / "dropnet" / name for name in REPORTING)})


@cache
def _imports(file: Path) -> frozenset[Path]:
    """The files of this package that one file imports itself."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(file.read_bytes(), str(file))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            # a name may be that of a module
            names |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    return frozenset(found for name in names for found in _files_of(name))


def _files_of(module: str) -> Iterator[Path]:
    """The files that an import of a module loads: its own, and those of the packages it is in."""
    parts = module.split(".")
    for end in range(1, len(parts) + 1):
        place = WORKFLOW.joinpath(*parts[:end])
        for file in (place / "__init__.py", place.with_suffix(".py")):
            if file.is_file():
                yield file


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
