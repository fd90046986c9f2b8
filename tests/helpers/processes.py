"""Programs that tests start: none outlives its test, whatever becomes of that.

A suite in the background (`make test &` in a script) has SIGINT ignored, and would hand that down;
programs are started here with the handler that a shell in the foreground gives them.
"""

import os
import resource
import signal
import subprocess
import time
import uuid
from contextlib import suppress
from pathlib import Path

#: In the environment of all that is started here and of what that starts in turn, wherever it gets
#: to. The number of a process would not do: when it has ended, another may have its number.
MARK = f"DROPNET_TESTS={uuid.uuid4()}"

_started = []


def start(command, memory=None, env=None, **options):
    """Start a program in a session of its own; `memory` is how many bytes it may have at most."""

    def prepare():
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        if memory:
            resource.setrlimit(resource.RLIMIT_AS, (memory, memory))

    name, _, value = MARK.partition("=")
    process = subprocess.Popen(
        command, env={**(os.environ if env is None else env), name: value},
        text=True, start_new_session=True, preexec_fn=prepare,
        **{"stdout": subprocess.PIPE, "stderr": subprocess.PIPE} | options,
    )  # fmt: skip
    _started.append(process)
    return process


def run(command, **options):
    """Run a program to its end."""
    process = start(command, **options)
    output, errors = process.communicate()
    return subprocess.CompletedProcess(command, process.returncode, output, errors)


def end_all():
    """End the programs that are still there, and all that they have left behind."""
    while _started and (left := list(_at_work())):
        for process in left:
            with suppress(ProcessLookupError):
                os.kill(process, signal.SIGKILL)
        time.sleep(0.01)
    while _started:
        process = _started.pop()
        process.wait()
        for pipe in (process.stdout, process.stderr):
            if pipe:
                pipe.close()


def _at_work():
    """The numbers of the processes with the mark; one that is ending has no environment."""
    for entry in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):  # it has ended, or is another user's
            if MARK.encode() in (entry / "environ").read_bytes().split(b"\0"):
                yield int(entry.name)
