"""Run sides, scripts and Snakemake as processes, and know how much memory each took at most."""

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Self

from dropnet.errors import UserError

REPOSITORY = Path(__file__).resolve().parent.parent
# One thread everywhere; set before NumPy's, PyTorch's or TensorFlow's libraries start their pools.
ONE_THREAD = {
    "OMP_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "TF_NUM_INTRAOP_THREADS": "1",
    "TF_NUM_INTEROP_THREADS": "1",
    "TF_CPP_MIN_LOG_LEVEL": "2",
    "CUDA_VISIBLE_DEVICES": "",
}
# The package and the benchmarks are used in place.
MODULES = {"PYTHONPATH": os.pathsep.join(map(str, (REPOSITORY / "workflow", REPOSITORY)))}


class Process:
    """A command that inherits the driver's core and has one thread; standard error goes to `log`.

    As a context manager it ends with the block. `peak_bytes` is known once it has ended. Linux
    starts counting it from the peak of the process that started this one, so it is never too low.
    """

    def __init__(self, command: Sequence[str | Path], log: Path) -> None:
        self.command = [str(part) for part in command]
        self.log = log
        self.peak_bytes = 0
        with log.open("w", encoding="utf-8") as errors:
            self.popen = subprocess.Popen(
                self.command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                text=True,
                cwd=REPOSITORY,
                env=os.environ | ONE_THREAD | MODULES,
            )

    def ask(self, do: str, **details: Any) -> Any:
        """Send one request (see `sides.protocol.serve`) and wait for its answer.

        Raises UserError with the last line of the log if the process ends instead.
        """
        try:
            print(json.dumps({"do": do, **details}), file=self.popen.stdin, flush=True)
            line = self.popen.stdout.readline()
        except BrokenPipeError:
            line = ""
        if not line:
            self.finish()
            raise UserError(f"{self._title()} ended without answering {do!r}: {self._last_words()}")
        return json.loads(line)

    def finish(self) -> None:
        """Send end of input, wait, and note the peak memory. Raises UserError on failure."""
        if self.popen.returncode is None:
            self._close_input()
            self.popen.stdout.read()
            # wait4 and not Popen.wait: it reports this one process's resources.
            _, status, usage = os.wait4(self.popen.pid, 0)
            self.popen.stdout.close()
            self.popen.returncode = os.waitstatus_to_exitcode(status)
            self.peak_bytes = usage.ru_maxrss * 1024
        if self.popen.returncode != 0:
            status = self.popen.returncode
            raise UserError(f"{self._title()} failed with status {status}: {self._last_words()}")

    def _close_input(self) -> None:
        with suppress(BrokenPipeError):  # it has ended by itself; its exit status tells how
            self.popen.stdin.close()

    def _title(self) -> str:
        return next(Path(part).name for part in self.command[1:] if not part.startswith("-"))

    def _last_words(self) -> str:
        lines = self.log.read_text(encoding="utf-8", errors="replace").split("\n")
        return next((line.strip() for line in reversed(lines) if line.strip()), "no message")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, *details: object) -> None:
        if kind is None:
            self.finish()
        elif self.popen.returncode is None:
            self.popen.kill()
            self.popen.communicate()


def snakemake(
    project: Path, *words: str | Path, module: Sequence[str] = ("snakemake",), **options: Any
) -> subprocess.CompletedProcess[str]:
    """Run Snakemake in a project to its end, with this interpreter's programs first on the path.

    Args:
        project: the folder.
        words: of its command line.
        module: that runs it, and words of that module's own.
        options: of `subprocess.run`.
    """
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    command = [sys.executable, "-m", *module, *words]
    environment = os.environ | MODULES | {"PATH": path}
    return subprocess.run(command, cwd=project, env=environment, text=True, check=False, **options)


def run_script(rule: str, *words: str) -> None:
    """Run a rule's script; all that it prints is dropped. Raises UserError on failure."""
    command = [sys.executable, REPOSITORY / "workflow/scripts" / f"{rule}.py", *words]
    environment = os.environ | MODULES
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise UserError(f"{rule}.py failed: {done.stderr[-300:]}")


def run(command: Sequence[str | Path], log: Path) -> int:
    """Run `command` to its end; its peak resident memory in bytes. Raises UserError on failure."""
    with Process(command, log) as process:
        process.finish()
    return process.peak_bytes
