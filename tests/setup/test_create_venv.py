"""The set-up of an environment: what it says when it cannot, and when it counts as done.

No network and no real environment: the interpreter that the set-up finds is a stand-in that
notes its calls and fails where a test asks it to.
"""

import os
import shutil
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from helpers import processes

pytestmark = pytest.mark.slow

REPOSITORY = Path(__file__).resolve().parents[2]
SCRIPT = REPOSITORY / "envs" / "create_venv.sh"

# All that may be needed before there is a Python: bash and coreutils.
TOOLS = ("bash", "basename", "df", "dirname", "env", "ls", "mkdir", "mv", "rm", "sha256sum")

# Stands for python3 and for .venv/bin/python.
FAKE_PYTHON = f"""#!{sys.executable}
import os, pathlib, signal, sys, time

arguments = sys.argv[1:]
asked = " ".join(arguments)
mode = os.environ.get("FAKE", "")
note = pathlib.Path(os.environ["NOTES"])


def write_note(line):
    with note.open("a") as file:
        print(line, file=file)


if "version_info" in asked and mode.startswith("version "):
    print(mode.split()[1])
elif "ensurepip" in asked and mode == "no ensurepip":
    sys.exit("ModuleNotFoundError: No module named 'ensurepip'")
elif arguments[:2] == ["-m", "venv"]:
    write_note("venv")
    python = pathlib.Path(arguments[2], "bin", "python")
    python.parent.mkdir(parents=True)
    python.write_text(pathlib.Path(__file__).read_text())
    python.chmod(0o755)
elif arguments == ["-V"]:
    print("Python 3.11.7")
elif arguments[:3] == ["-m", "pip", "list"]:
    print("torch==1.0")
    if mode == "pip fails half-way" and note.read_text().endswith("pip install\\n"):
        print("numpy==1.0")
elif arguments[:3] == ["-m", "pip", "install"]:
    write_note("pip install")
    pathlib.Path(os.environ["TMPDIR"], "wheel").touch()
    if mode.startswith("pip fails"):
        sys.exit("ERROR: no matching distribution")
    elif mode == "kill":
        os.kill(os.getppid(), signal.SIGKILL)
    elif mode == "interrupt":
        os.kill(os.getppid(), signal.SIGINT)
        sys.exit(1)
    elif mode == "pip waits":
        while not note.with_name("go on").exists():
            time.sleep(0.02)
else:
    os.execv(sys.executable, [sys.executable, *arguments])
"""


@dataclass
class Machine:
    """A folder with a lock file, and a PATH with the fewest programs."""

    folder: Path
    variables: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.bin.mkdir(parents=True)
        for tool in TOOLS:
            program = shutil.which(tool)
            assert program, f"{tool} is missing"
            (self.bin / tool).symlink_to(program)
        self.add_program("python3", FAKE_PYTHON)
        self.project.mkdir()
        self.lock.write_text("torch==1.0\n")
        self.notes.touch()

    @property
    def bin(self) -> Path:
        return self.folder / "bin"

    @property
    def project(self) -> Path:
        return self.folder / "project"

    @property
    def venv(self) -> Path:
        return self.project / ".venv"

    @property
    def lock(self) -> Path:
        return self.project / "requirements.lock"

    @property
    def notes(self) -> Path:
        return self.folder / "notes"

    def add_program(self, name: str, text: str) -> None:
        path = self.bin / name
        path.unlink(missing_ok=True)
        path.write_text(text)
        path.chmod(0o755)

    def start(self, **variables: str) -> subprocess.Popen:
        return processes.start(
            [SCRIPT, ".venv", "requirements.lock", "7", "3"],
            cwd=self.project,
            env={"PATH": str(self.bin), "NOTES": str(self.notes)} | self.variables | variables,
            stdin=subprocess.DEVNULL,
        )

    def set_up(self, **variables: str) -> tuple[int, str, str]:
        """Run the set-up: its exit status, output and errors."""
        process = self.start(**variables)
        output, errors = process.communicate()
        return process.returncode, output, errors

    def calls(self) -> list[str]:
        """What was asked of Python since the last time."""
        lines = self.notes.read_text().splitlines()
        self.notes.write_text("")
        return lines


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


@pytest.fixture
def ready(machine: Machine) -> Machine:
    """A machine that has been set up."""
    status, output, errors = machine.set_up()
    assert (status, errors) == (0, "")
    assert output.endswith(".venv is ready.\n")
    assert machine.calls() == ["venv", "pip install"]
    return machine


def assert_nothing_to_do(machine: Machine, **variables: str) -> None:
    assert machine.set_up(**variables) == (0, "", "")
    assert machine.calls() == []


# --- what is missing --------------------------------------------------------------------------


def test_no_python(machine: Machine) -> None:
    (machine.bin / "python3").unlink()
    assert machine.set_up() == (
        1,
        "",
        "error: no python3 found, and Python 3.11 or newer is needed: install one, or name one "
        "as in: make figures PYTHON=python3.12\n",
    )
    assert not machine.venv.exists()


def test_a_python_that_does_not_run(machine: Machine) -> None:
    machine.add_program("python3", "#!/bin/sh\nexit 127\n")
    status, _, errors = machine.set_up()
    assert status == 1
    assert errors.startswith("error: python3 does not run, and Python 3.11 or newer is needed")
    assert not machine.venv.exists()


@pytest.mark.parametrize("version", ["2.7.18", "3.9.2", "3.10.13"])
def test_python_too_old(machine: Machine, version: str) -> None:
    assert machine.set_up(FAKE=f"version {version}") == (
        1,
        "",
        f"error: python3 is Python {version}, and 3.11 or newer is needed: install one, or name "
        "one as in: make figures PYTHON=python3.12\n",
    )
    assert not machine.venv.exists()


@pytest.mark.parametrize("version", ["3.11.0", "3.12.1", "4.0.0"])
def test_python_new_enough(machine: Machine, version: str) -> None:
    status, output, _ = machine.set_up(FAKE=f"version {version}")
    assert status == 0
    assert f"Python {version}" in output


def test_python_without_venv(machine: Machine) -> None:
    status, output, errors = machine.set_up(FAKE="no ensurepip")
    assert (status, output) == (1, "")
    assert errors.count("\n") == 1
    assert "lacks the modules venv and ensurepip" in errors
    assert "apt install python3-venv" in errors
    assert not machine.venv.exists()


def test_the_interpreter_can_be_named(machine: Machine) -> None:
    (machine.bin / "python3").rename(machine.bin / "python3.12")
    assert machine.set_up(PYTHON="python3.12")[0] == 0
    assert machine.calls() == ["venv", "pip install"]


@pytest.mark.parametrize(("free", "enough"), [(9.9, False), (10.1, True)])
def test_disk_space(machine: Machine, free: float, enough: bool) -> None:
    machine.add_program("df", f"#!/bin/sh\necho '   Avail'\necho {int(free * 1e9 / 1024)}\n")
    status, output, errors = machine.set_up()
    if enough:
        assert status == 0
        return
    assert (status, output) == (1, "")
    assert errors == (
        f"error: not enough disk space for {machine.venv}: 9 GB are free, 10 GB are needed (7 GB "
        "to stay, 3 GB while it downloads): free some, or clone elsewhere\n"
    )
    assert machine.calls() == []


def test_pip_fails(machine: Machine) -> None:
    status, _, errors = machine.set_up(FAKE="pip fails")
    assert status == 1
    first, last = errors.splitlines()
    assert first == "ERROR: no matching distribution"
    assert last.startswith("error: pip could not install requirements.lock: see its messages above")
    assert not (machine.venv / ".setup-done").exists()
    assert not list(machine.venv.glob(".setup-tmp"))

    machine.calls()
    assert machine.set_up()[0] == 0
    assert machine.calls() == ["venv", "pip install"]
    assert_nothing_to_do(machine)


def test_no_lock_file(machine: Machine) -> None:
    machine.lock.unlink()
    assert machine.set_up() == (
        1,
        "",
        "error: requirements.lock is missing: it pins the packages of .venv\n",
    )


def test_a_folder_that_the_setup_did_not_make_is_left_alone(machine: Machine) -> None:
    kept = machine.venv / "pyvenv.cfg"
    kept.parent.mkdir()
    kept.write_text("mine")
    status, _, errors = machine.set_up()
    assert status == 1
    assert errors.count("\n") == 1
    assert errors.startswith("error: .venv was not made by this set-up and is left as it is")
    assert list(machine.venv.iterdir()) == [kept]


def test_an_environment_behind_a_link_is_left_alone(machine: Machine) -> None:
    """It is that of another folder, even if a set-up has made it there."""
    elsewhere = machine.venv.with_name("elsewhere")
    elsewhere.mkdir()
    for name in (".setup-lock", ".setup-done", "python"):
        (elsewhere / name).write_text("another folder's")
    machine.venv.symlink_to(elsewhere)
    status, _, errors = machine.set_up()
    assert (status, errors.count("\n")) == (1, 1)
    assert errors.startswith("error: .venv is a link to another folder, which is left as it is")
    assert len(list(elsewhere.iterdir())) == 3


# --- when it is done --------------------------------------------------------------------------


def test_the_second_time_there_is_nothing_to_do(ready: Machine) -> None:
    assert_nothing_to_do(ready)
    ready.lock.touch()
    assert_nothing_to_do(ready)
    (ready.bin / "python3").unlink()  # another PATH than at the first time
    assert_nothing_to_do(ready)


def test_a_changed_lock_updates(ready: Machine) -> None:
    ready.lock.write_text("torch==1.1\n")
    os.utime(ready.lock, (0, 0))  # contents count, not dates
    status, output, _ = ready.set_up()
    assert status == 0
    assert output.startswith("Updating .venv: requirements.lock has changed.\n")
    assert ready.calls() == ["pip install"]
    assert_nothing_to_do(ready)


def test_an_update_that_could_not_begin_keeps_the_environment(ready: Machine) -> None:
    old = ready.lock.read_text()
    ready.lock.write_text("torch==1.1\n")
    assert ready.set_up(FAKE="pip fails")[0] == 1
    assert ready.calls() == ["pip install"]
    ready.lock.write_text(old)
    assert_nothing_to_do(ready)


def test_an_update_that_failed_half_way_starts_over(ready: Machine) -> None:
    old = ready.lock.read_text()
    ready.lock.write_text("torch==1.1\n")
    assert ready.set_up(FAKE="pip fails half-way")[0] == 1
    assert ready.calls() == ["pip install"]
    ready.lock.write_text(old)
    assert ready.set_up()[0] == 0
    assert ready.calls() == ["venv", "pip install"]


@pytest.mark.parametrize("lock", ["torch==1.0\n", "torch==1.1\n"])
def test_a_killed_setup_is_redone_from_scratch(machine: Machine, lock: str) -> None:
    assert machine.set_up(FAKE="kill")[0] == -9
    left = list(machine.venv.rglob("wheel"))
    assert left
    machine.calls()
    machine.lock.write_text(lock)
    assert machine.set_up()[0] == 0
    assert machine.calls() == ["venv", "pip install"]
    assert not [path for path in left if path.exists()]
    assert_nothing_to_do(machine)


def test_a_killed_update_is_redone_from_scratch(ready: Machine) -> None:
    old = ready.lock.read_text()
    ready.lock.write_text("torch==1.1\n")
    assert ready.set_up(FAKE="kill")[0] == -9
    ready.calls()
    ready.lock.write_text(old)
    assert ready.set_up()[0] == 0
    assert ready.calls() == ["venv", "pip install"]


def test_an_interrupted_setup_says_so(machine: Machine) -> None:
    status, _, errors = machine.set_up(FAKE="interrupt")
    assert status == 1
    assert errors == "error: interrupted: the next call sets .venv up again\n"
    machine.calls()
    assert machine.set_up()[0] == 0
    assert machine.calls() == ["venv", "pip install"]


def test_a_moved_environment_is_redone(ready: Machine) -> None:
    moved = Machine(ready.folder / "elsewhere")
    shutil.rmtree(moved.project)
    ready.project.rename(moved.project)
    assert moved.set_up()[0] == 0
    assert moved.calls() == ["venv", "pip install"]


def test_an_environment_without_its_interpreter_is_redone(ready: Machine) -> None:
    (ready.venv / "bin" / "python").unlink()
    assert ready.set_up()[0] == 0
    assert ready.calls() == ["venv", "pip install"]


def test_an_activated_environment_is_not_made_from_itself(ready: Machine) -> None:
    shutil.copy(ready.venv / "bin" / "python", ready.venv / "bin" / "python3")
    (ready.venv / ".setup-done").unlink()
    activated = f"{ready.venv}/bin:{ready.bin}"
    assert ready.set_up(PATH=activated)[0] == 0
    assert ready.calls() == ["venv", "pip install"]


def test_two_setups_at_once_take_turns(machine: Machine) -> None:
    first = machine.start(FAKE="pip waits")
    assert first.stdout
    assert first.stdout.readline().startswith("Setting up .venv")  # holds the lock by now
    second = machine.start()
    assert second.stdout
    assert second.stdout.readline() == "Waiting for another set-up of .venv\n"
    (machine.folder / "go on").touch()
    for process in (first, second):
        process.communicate()
        assert process.returncode == 0
    assert machine.calls() == ["venv", "pip install"]
