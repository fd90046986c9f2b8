"""Programs that tests start: none outlives its test, whatever becomes of that.

A suite in the background (`make test &` in a script) has SIGINT ignored, and would hand that down;
programs are started here with the handlers that a shell in the foreground gives them.
"""

import os
import resource
import signal
import subprocess
from contextlib import suppress

_started = []


def start(command, memory=None, **options):
    """Start a program in a session of its own; `memory` is how many bytes it may have at most."""

    def prepare():
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        if memory:
            resource.setrlimit(resource.RLIMIT_AS, (memory, memory))

    process = subprocess.Popen(
        command, text=True, start_new_session=True, preexec_fn=prepare,
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
    while _started:
        process = _started.pop()
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        for pipe in (process.stdout, process.stderr):
            if pipe:
                pipe.close()
