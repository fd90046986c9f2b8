"""Programs that tests start: none outlives its test, whatever becomes of that.

A suite in the background (`make test &` in a script, `nohup make test`) has signals ignored, and
would hand that down; programs are started here with the handlers that a shell in the foreground
gives them. Each ends by itself at last, so that no test waits for ever, and with the tests, should
those be killed.
"""

import ctypes
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
SECONDS = 500  # that a program may take; less than a test may
IGNORED_IN_THE_BACKGROUND = (signal.SIGINT, signal.SIGQUIT, signal.SIGHUP, signal.SIGTERM)
PR_SET_PDEATHSIG = 1  # prctl.h: the signal that a process gets when its parent has ended

_started = []
_prctl = getattr(ctypes.CDLL(None), "prctl", None)  # Linux has it


def start(command, memory=None, env=None, seconds=SECONDS, **options):
    """Start a program in a session of its own.

    Args:
        command: its words.
        memory: how many bytes it may have at most.
        env: its environment, in place of that of the tests.
        seconds: after which it is ended by SIGALRM; 0 for never.
        options: of `subprocess.Popen`.
    """
    process = _popen(command, env, MARK, memory, seconds, options)
    _started.append(process)
    return process


def start_service(command, mark, **options):
    """Start a program that outlives tests; whoever starts it has to end what has its mark."""
    return _popen(command, None, mark, None, 0, options)


def _popen(command, env, mark, memory, seconds, options):
    def prepare():
        for number in IGNORED_IN_THE_BACKGROUND:
            signal.signal(number, signal.SIG_DFL)
        if _prctl:
            _prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        if memory:
            resource.setrlimit(resource.RLIMIT_AS, (memory, memory))
        signal.signal(signal.SIGALRM, signal.SIG_DFL)
        signal.alarm(seconds)  # the program that takes the place of this one keeps it

    name, _, value = mark.partition("=")
    return subprocess.Popen(
        command, env={**(os.environ if env is None else env), name: value},
        text=True, start_new_session=True, preexec_fn=prepare,
        **{"stdout": subprocess.PIPE, "stderr": subprocess.PIPE} | options,
    )  # fmt: skip


def run(command, **options):
    """Run a program to its end."""
    process = start(command, **options)
    output, errors = process.communicate()
    return subprocess.CompletedProcess(command, process.returncode, output, errors)


def end_all():
    """End the programs that are still there, and all that they have left behind."""
    if _started:
        end_marked(MARK)
    while _started:
        process = _started.pop()
        process.wait()
        for pipe in (process.stdout, process.stderr):
            if pipe:
                pipe.close()


def end_marked(mark):
    """End all processes with a mark in their environment."""
    while left := list(at_work(mark)):
        for process in left:
            with suppress(ProcessLookupError):
                os.kill(process, signal.SIGKILL)
        time.sleep(0.01)


def at_work(mark):
    """The numbers of the processes with a mark; one that is ending has no environment."""
    for entry in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):  # it has ended, or is another user's
            if mark.encode() in (entry / "environ").read_bytes().split(b"\0"):
                yield int(entry.name)
