"""Programs that tests start can be interrupted, and end with their test."""

import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import pytest

from helpers import processes

SIGNALS = (signal.SIGINT, signal.SIGQUIT, signal.SIGHUP, signal.SIGTERM)


@pytest.fixture
def _in_the_background():
    """As in `nohup make test &`: signals are ignored."""
    before = {number: signal.signal(number, signal.SIG_IGN) for number in SIGNALS}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.mark.usefixtures("_in_the_background")
@pytest.mark.parametrize("number", SIGNALS)
def test_a_program_is_interrupted_although_the_tests_ignore_that(number):
    # not a shell: bash ignores SIGQUIT until it has turned into what it runs
    ready = "import time; print('ready', flush=True); time.sleep(60)"
    program = processes.start([sys.executable, "-c", ready], stderr=subprocess.DEVNULL)
    assert program.stdout.readline() == "ready\n"
    os.killpg(program.pid, number)
    program.communicate()
    assert program.returncode == -number


def test_what_a_program_leaves_behind_ends_as_well():
    reading, writing = os.pipe()
    processes.start(["bash", "-c", "sleep 60 &"], pass_fds=[writing]).wait()
    os.close(writing)
    processes.end_all()
    assert os.read(reading, 1) == b""  # nobody has the other end any more
    os.close(reading)


def test_memory_is_limited_if_asked_for():
    command = [sys.executable, "-c", "bytearray(2**30)"]
    assert processes.run(command).returncode == 0
    assert "MemoryError" in processes.run(command, memory=2**29).stderr


def test_a_program_that_never_ends_is_ended():
    program = processes.start(["sleep", "60"], seconds=1)
    assert program.stdout.read() == ""  # what waits for a line has an end as well
    assert program.wait() == -signal.SIGALRM


def test_a_program_ends_with_the_tests_even_if_they_are_killed():
    lines = [
        "import os, signal, sys; sys.path.insert(0, 'tests')",
        "from helpers import processes",
        "print(processes.start(['sleep', '60']).pid, flush=True)",
        "os.kill(os.getpid(), signal.SIGKILL)",
    ]
    tests = processes.run([sys.executable, "-c", "\n".join(lines)])
    environment = Path("/proc", tests.stdout.strip(), "environ")
    with suppress(OSError):  # it is gone, or ending and has none
        while environment.read_bytes():
            time.sleep(0.01)


def test_a_service_outlives_a_test_until_what_has_its_mark_is_ended():
    mark = "DROPNET_TEST_OF_SERVICES=1"
    service = processes.start_service(["bash", "-c", "sleep 60 & sleep 60"], mark)
    processes.end_all()
    assert service.poll() is None
    processes.end_marked(mark)
    assert service.wait() == -signal.SIGKILL
    assert list(processes.at_work(mark)) == []
    for pipe in (service.stdout, service.stderr):
        pipe.close()
