"""Snakemake looks for jobs to start when one has ended, and not all the time."""

import re
import subprocess
import sys

import pytest

from helpers import processes
from helpers.project import ROOT, environment

OURS = ROOT / "workflow" / "rules" / "scheduler.smk"
JOBS = 5
SNAKEFILE = f"""
import threading

started = []


class Timer(threading.Timer):
    def start(self):
        started.append(self.interval)
        super().start()


threading.Timer = Timer


rule all:
    input:
        [f"{{number}}.txt" for number in range({JOBS})],


rule one:
    output:
        "{{number}}.txt",
    shell:
        "touch {{output}}"


onsuccess:
    print(f"{{len(started)}} timers started", flush=True)
"""


def timers(folder, snakefile, *arguments):
    """How many timers a run of a few jobs starts."""
    (folder / "Snakefile").write_text(snakefile)
    command = [sys.executable, "-m", "snakemake", "--cores", "1", "--forceall", *arguments]
    run = processes.run(command, cwd=folder, env=environment(), stderr=subprocess.STDOUT)
    assert run.returncode == 0, run.stdout
    return int(re.search(r"(\d+) timers started", run.stdout)[1])


@pytest.mark.slow
def test_a_job_that_ends_starts_no_timer(tmp_path):
    ours = f'{SNAKEFILE}\n\ninclude: "{OURS}"\n'
    assert timers(tmp_path, ours) == 0
    assert timers(tmp_path, ours, "--max-jobs-per-timespan", "50/1s") > 0  # as the user wants it
    needed = timers(tmp_path, SNAKEFILE) >= JOBS
    assert needed, f"this Snakemake starts none by itself: {OURS.name} is no longer needed"


def test_the_workflow_has_it():
    assert f'include: "workflow/rules/{OURS.name}"\n' in (ROOT / "Snakefile").read_text()
