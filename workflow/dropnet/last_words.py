"""What went wrong in a run of Snakemake, told once more at its end, each thing in a line.

Snakemake prints a page for each job that fails, and its own errors name no remedy.
"""

import logging
import re
from collections.abc import Callable, Iterable
from pathlib import Path

from dropnet.errors import GO_ON, did_you_mean, nearest

MOST = 10  # lines told; of many jobs that fail alike, these are enough
LOCKED = (
    "error: another run is at work in this folder, or was killed; let it end, or, if there is none,"
    f" run `make unlock`, {GO_ON}"
)


class LastWords(logging.Handler):
    """Collects from what Snakemake logs the lines that say what is wrong.

    Attributes:
        lines: they, without repetitions.
    """

    def __init__(self, files: Callable[[], Iterable[str]]) -> None:
        """Start with nothing to say.

        Args:
            files: returns what can be asked for, for hints.
        """
        super().__init__(logging.ERROR)
        self._files = files
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        """Take from an error what a user needs."""
        message = record.getMessage()
        match getattr(record, "exception", None):
            case "LockException":
                found = [LOCKED]
            case "MissingRuleException":
                found = [self._without_rule(message)]
            case _:
                found = [line for line in map(str.strip, message.splitlines()) if _tells(line)]
        # those of a job that has failed
        for log in getattr(record, "log", None) or []:
            found += _last_of(Path(log))
        self.lines += [line for line in dict.fromkeys(found) if line not in self.lines]

    def told(self) -> str:
        """Return what is to be printed, "" if nothing was wrong."""
        more = len(self.lines) - MOST
        shown = self.lines[:MOST] + ([f"error: and {more} more, above"] if more > 0 else [])
        return "".join(f"{line}\n" for line in shown)

    def _without_rule(self, message: str) -> str:
        asked = re.search(r"No rule to produce (.*?) \(if you use", message)
        if not asked:
            return "error: no rule makes what was asked for"
        name = asked[1]
        files = list(self._files())
        named_so = [file for file in files if Path(file).stem == Path(name).stem]
        hint = did_you_mean(named_so[0]) if named_so else nearest(name, files)
        return (
            f"error: target {name!r}: no rule makes it{hint}; allowed: report, or a file that"
            " README.md or a page of docs names"
        )


def _tells(line: str) -> bool:
    return line.startswith("error: ")


def _last_of(log: Path) -> list[str]:
    """The last such line of a log, if it has one."""
    try:
        lines = log.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return []  # the job could not even write it
    return [line for line in lines if _tells(line)][-1:]
