"""Scripts of the workflow, run as jobs run them, but for a start of Python and of torch each.

They run in processes that are forked from one that has imported libraries that take long, and none
of the project. Where it matters how a process starts, is interrupted or ends, `processes` starts a
real one.
"""

import multiprocessing
import os
import runpy
import subprocess
import sys
import tempfile
from pathlib import Path

from helpers.processes import SECONDS
from helpers.project import ROOT

_context = multiprocessing.get_context("forkserver")
_context.set_forkserver_preload(["torch", "seaborn", "sklearn.model_selection"])


def run_script(name, *words, folder=".", env=None):
    """Run a script of the workflow to its end.

    Args:
        name: of its file, without the suffix.
        words: of its command line.
        folder: to work in.
        env: its environment, in place of none at all but where the package is.
    """
    script = ROOT / "workflow" / "scripts" / f"{name}.py"
    environment = {"PYTHONPATH": str(ROOT / "workflow"), **(env or {})}
    words = [str(word) for word in words]
    with tempfile.TemporaryDirectory() as own:
        output, errors = (Path(own) / stream for stream in ("output", "errors"))
        streams = (str(output), str(errors))
        process = _context.Process(
            target=_be, args=(str(script), words, str(folder), environment, streams), daemon=True
        )
        process.start()
        try:
            process.join(SECONDS)
        finally:
            process.kill()
            process.join()
        return subprocess.CompletedProcess(
            [name, *words], process.exitcode, output.read_text(), errors.read_text()
        )


def _be(script, words, folder, environment, streams):
    """Become a script, in a process that has just been forked; its streams are files."""
    for number, file in enumerate(streams, start=1):
        os.dup2(os.open(file, os.O_WRONLY | os.O_CREAT), number)
    os.environ.clear()
    os.environ.update(environment)
    os.chdir(folder)
    tempfile.tempdir = None  # of another environment
    sys.argv = [script, *words]
    sys.path[:0] = [str(Path(script).parent), environment["PYTHONPATH"]]
    runpy.run_path(script, run_name="__main__")
