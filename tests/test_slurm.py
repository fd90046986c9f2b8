"""The workflow on a real Slurm, through the shipped profile, with jobs that come to grief.

One training job is cancelled with scancel, one is killed, one hangs until its time is up. Each is
caught after its first finished cycle, and has to go on from there when it is submitted again.
"""

import os
import re
import signal
import subprocess
import sys
import threading
import time

import pytest
import yaml

import slurm
from project import ROOT, copy_project, environment, snakemake, tables

TRAINING = {"train_baseline", "prune_network", "train_random_init"}
SECONDS = 900  # for all of it; it takes three minutes


@pytest.fixture(scope="module")
def cluster(tmp_path_factory):
    """A Slurm that takes jobs."""
    if reason := slurm.why_not():
        if os.environ.get("CI"):
            pytest.fail(f"CI has to run the workflow on Slurm: {reason}")
        pytest.skip(reason)
    with slurm.running(tmp_path_factory.mktemp("slurm")):
        yield


class Catcher(threading.Thread):
    """Stops training jobs in the middle, one after another, and deals with each in its own way."""

    def __init__(self, folder):
        super().__init__(daemon=True)
        self.folder = folder
        self.caught = []  # what was done

    def run(self):
        for method, deal in (
            ("minimum", self.cancel),
            ("maximum", self.kill),
            ("random_layer", self.hang),
        ):
            pattern = f"results/tiny/FC8-FC6/{method}/cycles_seeds0-1/cycle1.safetensors"
            while not (self.folder / pattern).exists():
                time.sleep(0.005)
            process = self.process_of(f"--finished results/tiny/FC8-FC6/{method}/cycles_seeds0-1")
            os.kill(process, signal.SIGSTOP)
            self.caught.append(deal.__name__)
            deal(process)

    def process_of(self, words):
        """The Python process of the job with these words in its command."""
        found = slurm.ask("pgrep", "--full", "--oldest", f"^python workflow/scripts/.*{words}")
        return int(found)

    def cancel(self, process):
        slurm.ask("scancel", slurm_job(process))
        os.kill(process, signal.SIGCONT)

    def kill(self, process):
        os.kill(process, signal.SIGKILL)

    def hang(self, process):
        """Leave it stopped: Slurm ends it when its time is up."""


def slurm_job(process):
    """The number of the job that a process belongs to."""
    with open(f"/proc/{process}/environ", "rb") as file:
        return re.search(rb"SLURM_JOB_ID=(\d+)", file.read())[1].decode()


def test_the_whole_workflow_on_slurm_although_jobs_come_to_grief(cluster, project, tmp_path):
    folder = copy_project(tmp_path / "cluster")
    catcher = Catcher(folder)
    catcher.start()
    command = [sys.executable, "-m", "snakemake", "--profile", "profiles/slurm"]
    limit = ["--set-resources", "prune_network:runtime=attempt"]  # a minute for the first try
    run = subprocess.run(
        [*command, *limit], cwd=folder, env=environment() | {"USER": "root"},
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=SECONDS, check=False,
    )  # fmt: skip
    assert run.returncode == 0, run.stdout
    assert set(catcher.caught) == {"cancel", "kill", "hang"}
    for status in ("CANCELLED", "FAILED", "TIMEOUT"):
        assert status in run.stdout, f"no job was noticed as {status}"
    assert tables(folder) == tables(project)
    for way, method in (("cancel", "minimum"), ("kill", "maximum"), ("hang", "random_layer")):
        log = (folder / f"results/tiny/FC8-FC6/{method}/log_seeds0-1.txt").read_text()
        assert "already finished" in log, way


def test_another_attempt_has_more_time_and_memory():
    profile = yaml.safe_load((ROOT / "profiles/slurm/config.yaml").read_text())
    assert profile["retries"] >= 2
    for resources in (profile["default-resources"], *profile["set-resources"].values()):
        for name in {"runtime", "mem_mb"} & set(resources):
            assert re.fullmatch(r"\d+ \* attempt", resources[name]), name


def test_on_a_machine_with_gpus_every_training_job_has_one(tmp_path):
    profile = yaml.safe_load((ROOT / "profiles/gpus/config.yaml").read_text())
    assert profile["default-resources"] == {"gpu": 0}
    assert profile["set-resources"] == {rule: {"gpu": 1} for rule in TRAINING}
    run = snakemake(copy_project(tmp_path / "gpus"), "-n", "--profile", "profiles/gpus")
    assert run.returncode == 0, run.stdout
