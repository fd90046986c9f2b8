"""Programs that tests start can be interrupted, and end with their test."""

import os
import signal
import sys

import pytest

from helpers import processes


@pytest.fixture
def _in_the_background():
    """As in `make test &`: SIGINT is ignored."""
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("_in_the_background")
def test_a_program_is_interrupted_although_the_tests_ignore_that():
    program = processes.start(["bash", "-c", "echo ready; sleep 60"])
    assert program.stdout.readline() == "ready\n"
    os.killpg(program.pid, signal.SIGINT)
    program.communicate()
    assert program.returncode == -signal.SIGINT


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
