"""Who may import whom: the contracts of pyproject.toml, and what jobs do without."""

import subprocess
import sys
from pathlib import Path

import pytest

from helpers.loading import modules_loaded

ROOT = Path(__file__).parents[2]
TRAINING = ("train_baseline", "prune_network", "prune_shuffled", "train_random_init")


def test_folders_of_the_package_import_downward_only():
    command = [Path(sys.executable).with_name("lint-imports"), "--no-cache"]
    environment = {"PYTHONPATH": "workflow"}
    run = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)
    assert run.returncode == 0, run.stdout


def test_every_folder_says_its_duty_and_whom_it_may_import():
    for file in ROOT.glob("workflow/dropnet/*/__init__.py"):
        assert "\nMay import " in file.read_text().split('"""')[1], file


@pytest.mark.slow
def test_jobs_that_train_do_not_load_pandas():
    """It takes a second of each of a thousand jobs."""
    scripts = [f"{ROOT}/workflow/scripts/{name}.py" for name in TRAINING]
    loaded = modules_loaded(scripts, ["torch"])
    assert loaded.keys() == set(scripts)
    assert not [script for script, modules in loaded.items() if "pandas" in modules]
