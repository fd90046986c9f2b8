"""One way to tell a user what is wrong: a single line, without a traceback."""

import errno
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from difflib import get_close_matches
from types import TracebackType


class UserError(Exception):
    """A mistake that the user can mend; its message is one line: what, where, what is allowed."""


GO_ON = "then start again: finished cycles are kept"
#: What the machine may refuse, and what to do about it; any other OSError is a mistake of ours.
REMEDIES = {
    errno.ENOSPC: f"free some space on that disk, {GO_ON}",
    errno.EDQUOT: f"free some of your space on that disk, {GO_ON}",
    errno.EFBIG: f"raise the limit on the size of files (ulimit -f), {GO_ON}",
    errno.EROFS: f"make that folder writable, or work in a copy elsewhere, {GO_ON}",
    errno.EACCES: f"give this user the right to it, {GO_ON}",
    errno.EPERM: f"give this user the right to it, {GO_ON}",
    errno.EMFILE: f"raise the number of open files (ulimit -n), {GO_ON}",
    errno.EIO: f"check that disk, {GO_ON}",
    errno.ESTALE: f"mount that disk again, {GO_ON}",
    errno.ENAMETOOLONG: f"use shorter names, or a folder with a shorter path, {GO_ON}",
    errno.ELOOP: f"that link leads to itself: remove it, {GO_ON}",
}
OUT_OF_MEMORY = (
    *("t allocate memory", "out of memory", "not enough memory"),
    "failed to map segment",  # of a library that is loaded
    "ALLOC_FAILED",  # of CUDA's libraries
)
MEMORY = (
    "not enough memory; give the job more (mem_mb of the profile, ulimit -v), or use fewer cores,"
    f" {GO_ON}"
)
GPU_MEMORY = (
    f"not enough memory on the GPU; let fewer jobs share it (gpu of the profile), {GO_ON}; or let a"
    " job train fewer networks (seeds_per_job of config.yaml), and begin anew"
)


@contextmanager
def exit_on_user_error() -> Iterator[None]:
    """Turn a `UserError` into one line on standard error and exit status 1.

    What the machine refuses (space, rights, memory) ends in one line as well, which says what to
    do, and so does an interruption (Ctrl-C), with the status 130 that shells give it.
    """
    try:
        yield
    except (KeyboardInterrupt, Exception) as error:
        line = in_a_line(error)
        if line is None:
            raise
        print(line, file=sys.stderr, flush=True)
        raise SystemExit(130 if isinstance(error, KeyboardInterrupt) else 1) from None


def tell_from_the_start() -> None:
    """Do the same for all that happens outside of `exit_on_user_error`: for imports.

    That of torch takes a second and hundreds of megabytes, and so may be interrupted, or fail.
    """
    others = sys.excepthook

    def hook(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
        line = in_a_line(error)
        if line is None:
            others(kind, error, trace)
        else:
            print(line, file=sys.stderr, flush=True)

    sys.excepthook = hook


def in_a_line(error: BaseException) -> str | None:
    """Return what a user is told of an error; None if it is a mistake of ours."""
    if isinstance(error, KeyboardInterrupt):
        return "interrupted; the same command goes on from here"
    line = str(error) if isinstance(error, UserError) else of_the_machine(error)
    return None if line is None else f"error: {' '.join(line.split())}"


def of_the_machine(error: BaseException) -> str | None:
    """Say what the machine refused, and what to do; None if the error is not of that kind."""
    if isinstance(error, OSError) and error.errno in REMEDIES:
        where = f"{error.filename}: " if error.filename else ""
        return f"{where}{error.strerror}; {REMEDIES[error.errno]}"
    out_of_memory = isinstance(error, MemoryError) or (
        # torch's own, on a processor and on a GPU
        isinstance(error, OSError | RuntimeError | ImportError)
        and any(words in str(error) for words in OUT_OF_MEMORY)
    )
    if out_of_memory and any(library in str(error) for library in ("CUDA", "CUBLAS", "CUDNN")):
        return GPU_MEMORY
    return MEMORY if out_of_memory else None


def nearest(name: object, allowed: Iterable[object]) -> str:
    """Return ' (did you mean X?)' for the allowed name closest to `name`, or ''."""
    matches = get_close_matches(str(name), [str(option) for option in allowed], n=1, cutoff=0.5)
    return did_you_mean(matches[0]) if matches else ""


def did_you_mean(name: str) -> str:
    """Return ' (did you mean X?)'."""
    return f" (did you mean {name!r}?)"
