"""Which code a script depends on, so that an edit reruns exactly the jobs that it makes stale."""

from hashlib import sha256
from modulefinder import ModuleFinder
from pathlib import Path

WORKFLOW = Path(__file__).resolve().parent.parent


def code_of(script: str | Path) -> list[Path]:
    """Return the files of this package that a script imports, directly or not, sorted.

    Found by reading the import statements (also those inside functions), not by running anything.
    """
    finder = ModuleFinder(path=[str(WORKFLOW)])
    finder.run_script(str(script))
    files = {Path(module.__file__) for module in finder.modules.values() if module.__file__}
    return sorted(file for file in files if file.resolve() != Path(script).resolve())


def code_sums(script: str | Path) -> dict[str, str]:
    """Return the SHA-256 of a script and of all files of this package that it imports, by path."""
    files = [Path(script).resolve(), *code_of(script)]
    return {str(file.relative_to(WORKFLOW)): checksum(file) for file in files}


def checksum(path: str | Path) -> str:
    """Return the SHA-256 of a file's content, in hexadecimal."""
    digest = sha256()
    with Path(path).open("rb") as file:
        while chunk := file.read(1 << 20):
            digest.update(chunk)
    return digest.hexdigest()
