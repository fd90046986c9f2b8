"""Which modules a script loads, as Python does it, without a start of Python for each script."""

import json
import sys

from helpers import processes
from helpers.project import ROOT

PROGRAM = """
import importlib, json, os, runpy, sys

scripts, known = json.loads(sys.argv[1]), json.loads(sys.argv[2])
for name in known:
    importlib.import_module(name)
for script in scripts:
    child = os.fork()  # each begins with what is known, and nothing else
    if not child:
        runpy.run_path(script, run_name="not_main")
        files = {name: getattr(module, "__file__", None) for name, module in sys.modules.items()}
        print(json.dumps([script, files]), flush=True)
        os._exit(0)
    if os.waitpid(child, 0)[1]:
        sys.exit(f"{script} cannot be loaded")
"""


def modules_loaded(scripts, known):
    """Return the modules, by name, and their files, that are loaded with each of some scripts.

    Args:
        scripts: their paths.
        known: names of modules of others that take long to load: they are loaded once, for all of
            the scripts, and are among the modules of each.
    """
    words = [json.dumps([str(script) for script in scripts]), json.dumps(known)]
    environment = {"PYTHONPATH": str(ROOT / "workflow"), "PATH": ""}
    run = processes.run([sys.executable, "-c", PROGRAM, *words], env=environment)
    assert run.returncode == 0, run.stderr
    return dict(json.loads(line) for line in run.stdout.splitlines())
