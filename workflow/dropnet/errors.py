"""One way to tell a user what is wrong: a single line, without a traceback."""

import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from difflib import get_close_matches


class UserError(Exception):
    """A mistake that the user can mend; its message is one line: what, where, what is allowed."""


@contextmanager
def exit_on_user_error() -> Iterator[None]:
    """Turn a `UserError` into one line on standard error and exit status 1.

    An interruption (Ctrl-C) ends in one line as well, with the status 130 that shells give it.
    """
    try:
        yield
    except KeyboardInterrupt:
        print("interrupted; the same command goes on from here", file=sys.stderr, flush=True)
        raise SystemExit(130) from None
    except UserError as error:
        line = " ".join(str(error).split())
        print(f"error: {line}", file=sys.stderr, flush=True)
        raise SystemExit(1) from None


def nearest(name: object, allowed: Iterable[object]) -> str:
    """Return ' (did you mean X?)' for the allowed name closest to `name`, or ''."""
    matches = get_close_matches(str(name), [str(option) for option in allowed], n=1, cutoff=0.5)
    return f" (did you mean {matches[0]!r}?)" if matches else ""
