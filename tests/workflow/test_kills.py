"""SIGKILL at random moments, of jobs, of Snakemake, of both: as if nothing had happened."""

import os
import random
import signal
import time
from contextlib import suppress

import pytest

from helpers.project import copy_project, jobs_at_work, snakemake, start_snakemake, tables

pytestmark = pytest.mark.slow

KILLS = 12
LONGEST = 7.0  # seconds between two kills; Snakemake and a job need about three to start


class Run:
    """A run of the workflow that can be killed in parts and started again."""

    def __init__(self, folder):
        self.folder = folder
        self.process = None

    def start(self, cores):
        self.process = start_snakemake(self.folder, cores=cores)

    def ended(self):
        return self.process is None or self.process.poll() is not None

    def kill_jobs(self):
        """Return whether there was any."""
        hits = [kill(job) for job in jobs_at_work(self.folder)]
        return any(hits)

    def kill_snakemake(self):
        """Return whether it was still there."""
        hit = kill(self.process.pid)
        self.process.communicate()
        return hit


def kill(process):
    """Return whether it was there."""
    with suppress(ProcessLookupError):  # it was faster
        os.kill(process, signal.SIGKILL)
        return True
    return False


class Cycles:
    """Which file each finished cycle is in: one that was trained again would be another file."""

    def __init__(self):
        self.files = {}

    def check(self, folder):
        for path in folder.glob("results/*/*/*/cycles_*/cycle*.safetensors"):
            try:
                status = path.stat()
            except FileNotFoundError:  # the run has succeeded
                continue
            identity = (status.st_ino, status.st_mtime_ns)
            assert self.files.setdefault(path, identity) == identity, f"{path} was trained twice"


def names(folder):
    """The files of a run, but for Snakemake's own and for the report, which another test makes."""
    return {
        str(path.relative_to(folder))
        for part in ("results", "figures")
        for path in (folder / part).rglob("*")
        if path.is_file() and "report" not in path.name
    }


def test_killed_at_random_moments_on_any_number_of_cores(project, tmp_path):
    dice = random.Random(6)
    expected = tables(project)
    run, cycles, kills, complete, told, cores = None, None, 0, 0, False, "1"
    while kills < KILLS:
        if run is None:
            run, cycles = Run(copy_project(tmp_path / f"run{complete}")), Cycles()
        if run.ended():
            locks = list(run.folder.glob(".snakemake/locks/*"))
            if locks and not told:  # a killed Snakemake leaves its lock, and says what to do
                refused = snakemake(run.folder)
                assert refused.returncode != 0
                told = "error: another run is at work" in refused.stdout
                assert snakemake(run.folder, "--unlock").returncode == 0
                assert not [lock for lock in locks if lock.exists()]
            for lock in locks:  # the same, in no time
                lock.unlink(missing_ok=True)
            cores = "2" if cores == "1" else "1"
            run.start(cores)
        time.sleep(dice.uniform(0.5, LONGEST))
        cycles.check(run.folder)
        if run.ended():
            output = run.process.communicate()[0]
            if run.process.returncode == 0:
                assert tables(run.folder) == expected
                complete, run = complete + 1, None
            else:  # a job was killed, and the others have ended: the next start goes on
                assert "Traceback" not in output, output
            continue
        victim = dice.choice(["jobs", "snakemake", "both"])
        hits = [run.kill_snakemake()] if victim != "jobs" else []
        hits += [run.kill_jobs()] if victim != "snakemake" else []
        kills += any(hits)
    if run is not None:
        while jobs_at_work(run.folder) and run.ended():
            time.sleep(0.1)  # left over from a Snakemake that was killed
        if not run.ended():
            run.kill_snakemake()
        run.kill_jobs()
        snakemake(run.folder, "--unlock")
        last = snakemake(run.folder, cores="1")
        assert last.returncode == 0, last.stdout
        cycles.check(run.folder)
        assert tables(run.folder) == expected
        assert names(run.folder) == names(project)
    assert told
