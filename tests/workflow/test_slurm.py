"""Figures on a real Slurm, through the shipped profile, with jobs that come to grief.

One training job is cancelled with scancel, one is killed, one hangs until its time is up, one is
queued again by Slurm, as happens to those that are preempted or whose node is lost. Each is caught
after its first finished cycle, and has to go on from there.
"""

import os
import re
import signal
import subprocess
import sys
import threading
import time
from contextlib import contextmanager

import pytest
import yaml

from helpers import processes, slurm
from helpers.project import (
    METHODS,
    ROOT,
    copy_project,
    environment,
    jobs_at_work,
    skip,
    snakemake,
    tables,
)

pytestmark = pytest.mark.slow

TRAINING = {"train_baseline", "prune_network", "train_random_init"}


@pytest.fixture(scope="module")
def cluster(tmp_path_factory):
    """A Slurm that takes jobs."""
    if reason := slurm.why_not():
        skip(reason)
    with slurm.running(tmp_path_factory.mktemp("slurm")):
        yield


class Catcher(threading.Thread):
    """Stops a training job when its first cycle is finished, and then deals with it in a way."""

    def __init__(self, folder, files, deal):
        super().__init__(daemon=True)
        self.folder, self.deal = folder, deal
        self.kept = "results/tiny/" + files.format("cycles")
        self.caught = False
        self.given_up = threading.Event()

    def run(self):
        while not (process := self.process()):
            if self.given_up.wait(0.05):
                return
        # in small steps from its start on: it cannot be faster than we look
        while not (self.folder / self.kept / "cycle1.safetensors").exists():
            if self.given_up.is_set():
                return
            os.kill(process, signal.SIGCONT)
            time.sleep(0.005)
            os.kill(process, signal.SIGSTOP)
        self.caught = True
        self.deal(process)

    def process(self):
        """The job's process, or None if it has not started."""
        jobs = jobs_at_work(self.folder)
        return next((job for job, command in jobs.items() if f" {self.kept} " in command), None)


def cancel(process):
    slurm.ask("scancel", slurm_job(process))
    os.kill(process, signal.SIGCONT)


def kill(process):
    os.kill(process, signal.SIGKILL)


queued_again = []


def queue_again(process):
    queued_again.append(slurm_job(process))
    slurm.ask("scontrol", "requeue", queued_again[0])
    os.kill(process, signal.SIGCONT)


def hang(process):
    """Leave it stopped: Slurm ends it when its time is up."""


WAYS = {  # of dealing with jobs, by the paths of their files
    "FC8-FC6/minimum/{}_seeds0-1": cancel,
    "FC8-FC6/maximum/{}_seeds0-1": kill,
    "FC8-FC6/random_layer/{}_seeds0-1": hang,
    "FC8-FC6/minimum/{}_seeds2-2": queue_again,
}


@contextmanager
def catching(folder):
    """Catch jobs in a project, as long as it lasts, and deal with them in all ways."""
    catchers = [Catcher(folder, files, deal) for files, deal in WAYS.items()]
    for catcher in catchers:
        catcher.start()
    try:
        yield catchers
    finally:
        for catcher in catchers:
            catcher.given_up.set()


def slurm_job(process):
    """The number of the job that a process belongs to."""
    with open(f"/proc/{process}/environ", "rb") as file:
        return re.search(rb"SLURM_JOB_ID=(\d+)", file.read())[1].decode()


@pytest.mark.timeout(1500)  # it takes three minutes
def test_figures_on_slurm_although_jobs_come_to_grief(cluster, project, tmp_path):
    folder = copy_project(tmp_path / "cluster")
    figures = [f"figures/tiny/{name}.png" for name in ("mine", "mine_epochs", "filters")]
    command = [sys.executable, "-m", "snakemake", *figures, "--profile", "profiles/slurm"]
    limit = ["--set-resources", "prune_network:runtime=attempt"]  # a minute for the first try
    with catching(folder) as catchers:
        run = processes.run(
            [*command, *limit],
            cwd=folder,
            env=environment() | {"USER": "root"},
            seconds=1400,
            stderr=subprocess.STDOUT,
        )
    assert run.returncode == 0, run.stdout
    caught = {catcher.deal.__name__ for catcher in catchers if catcher.caught}
    assert caught == {"cancel", "kill", "hang", "queue_again"}
    for status in ("CANCELLED", "FAILED", "TIMEOUT"):
        assert status in run.stdout, f"no job was noticed as {status}"
    made, expected = tables(folder), tables(project)
    assert {name for name in made if "FC8-FC6" in name} >= {
        f"tiny/FC8-FC6/{method}/runs_seeds{seeds}.csv"
        for method in METHODS
        for seeds in ("0-1", "2-2")
    }
    assert made == {name: expected[name] for name in made}
    assert "Restarts=1" in slurm.ask("scontrol", "show", "job", queued_again[0])
    submitted = slurm.ask("squeue", "--noheader", "--states=all", "--format=%i").split()
    jobs = int(re.search(r"^total +(\d+)$", run.stdout, re.MULTILINE)[1])
    assert len(submitted) < jobs  # although some were submitted twice: small jobs travel together
    for files, way in WAYS.items():
        log = (folder / "results/tiny" / f"{files.format('log')}.txt").read_text()
        assert "already finished" in log, way.__name__


def test_another_attempt_has_more_time_and_memory():
    profile = yaml.safe_load((ROOT / "profiles/slurm/config.yaml").read_text())
    assert profile["retries"] >= 2
    for resources in (profile["default-resources"], *profile["set-resources"].values()):
        for name in {"runtime", "mem_mb"} & set(resources):
            assert re.fullmatch(r"\d+ \* attempt", resources[name]), name


def test_on_a_machine_with_gpus_every_training_job_has_one(tmp_path):
    profile = yaml.safe_load((ROOT / "profiles/gpus/config.yaml").read_text())
    assert profile["default-resources"] == {"gpu": 0}
    assert profile["set-resources"] == {rule: {"gpu": 1} for rule in (*TRAINING, "prune_shuffled")}
    run = snakemake(copy_project(tmp_path / "gpus"), "-n", "--profile", "profiles/gpus")
    assert run.returncode == 0, run.stdout
