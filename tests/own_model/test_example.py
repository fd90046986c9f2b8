"""The example of docs/own-model.md runs from top to bottom, on noise instead of CIFAR-10."""

import importlib.util
import os
import subprocess
import sys

import matplotlib
import matplotlib.pyplot
import pytest

from dropnet.data.dataset import Dataset
from helpers.images import make_images
from helpers.project import ROOT

EXAMPLE = ROOT / "examples" / "own_model.py"


@pytest.mark.slow
@pytest.mark.usefixtures("torch_pruning")
def test_the_example_prunes_prints_and_draws(tmp_path, monkeypatch, capsys):
    spec = importlib.util.spec_from_file_location("own_model_example", EXAMPLE)
    example = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(example)
    monkeypatch.chdir(tmp_path)
    training, testing = (make_images(40, seed, side=32, channels=3) for seed in (0, 1))
    example.DATA.parent.mkdir(parents=True)
    Dataset("noise", 10, *training, *testing).save(example.DATA)
    monkeypatch.setattr(example, "TRAIN_IMAGES", 32)
    monkeypatch.setattr(example, "EPOCHS", 1)
    monkeypatch.setattr(example, "STOP_FRACTION", 0.3)
    with matplotlib.rc_context():  # it sets a theme for all that is drawn
        example.main()
        matplotlib.pyplot.close("all")
    said = capsys.readouterr().out.splitlines()
    assert [line.split("%")[0].strip() for line in said[:3]] == ["100.0", "50.0", "25.0"]
    assert said[3].split() == [
        *("units", "remaining", "test", "accuracy", "parameters", "multiply-adds")
    ]
    parameters = [int(line.split()[2]) for line in said[4:7]]
    assert parameters == sorted(parameters, reverse=True)
    assert example.FIGURE.read_bytes().startswith(b"\x89PNG")


@pytest.mark.slow
def test_without_its_data_the_example_says_which_command_makes_them(tmp_path):
    run = subprocess.run(
        [sys.executable, EXAMPLE],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT / "workflow")},
        capture_output=True,
        text=True,
    )
    assert run.returncode == 1
    assert run.stderr == (
        "error: results/data/CIFAR-10.safetensors: missing; `make example` makes it\n"
    )
