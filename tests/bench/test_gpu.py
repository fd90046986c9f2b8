"""The bench of a GPU: what it works out, and that it runs, on a processor and very small."""

import json

import pytest

pytest.importorskip("triton", reason="Triton is not installed")

import torch

from benchmarks.gpu.__main__ import flops, main, settings, sweep_widths
from benchmarks.sides.modules import plain_network
from dropnet.errors import UserError
from dropnet.networks.models import layers_of
from dropnet.networks.steps import steps_of
from dropnet.networks.weights import initial_weights


def test_operations_of_a_step():
    # 4x4 images, one filter: 16 positions of 9 taps twice; 4 positions of 9 taps and 1 of 10 thrice
    by_hand = 2 * (2 * 16 * 9 + 3 * 4 * 9 + 3 * 10)
    assert flops(settings("Conv", 1), 1, 4, batch=1) == by_hand


@pytest.mark.parametrize("model", ["Conv", "ResNet18", "VGG19"])
def test_the_plain_networks_have_the_parameters_of_ours(model):
    channels, side = (1, 28) if model == "Conv" else (3, 32)
    layers = layers_of(settings(model, 2))
    plain = plain_network(layers, channels, side)
    ours = initial_weights(steps_of(layers, (channels, side, side)), 0)
    trained = [w.numel() for name, w in ours.items() if not name.endswith(("mean", "variance"))]
    assert sum(p.numel() for p in plain.parameters()) == sum(trained)
    assert plain(torch.zeros(2, channels, side, side)).shape == (2, 10)


def test_the_sweep_is_that_of_figure_6():
    widths = sweep_widths(64)
    assert widths[:4] == [64, 52, 42, 34]
    assert widths[-1] == 1
    assert sweep_widths(64, "VGG19") == [64, 32, 12, 4]


@pytest.mark.slow
def test_it_runs_without_a_gpu(tmp_path, capsys):
    output = tmp_path / "gpu.json"
    sizes = ["--width", "2", "--side", "4", "--networks", "2", "--steps", "1"]
    main(["--device", "cpu", *sizes, "--output", str(output)])
    result = json.loads(output.read_text())
    assert result["device"] == "cpu"
    assert result["sweep, times as fast as"]["ours"] == 1
    ways = {"ours", "one by one", "plain", "plain, torch's switches"}
    assert result["sweep, times as fast as"].keys() == ways
    ways.add("seconds of compiling and recording")
    assert result["microseconds of a network and step"].keys() == {"2", "1"}
    assert all(row.keys() == ways for row in result["microseconds of a network and step"].values())


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--networks", "0"], "--networks 0: must be 1 or more"),
        (["--width", "-3"], "--width -3: must be 1 or more"),
        (["--device", "nonsense"], "--device 'nonsense' is not allowed"),
        (["--device", "cpu", "--output", "/nowhere/x.json"], "there is no such folder"),
        (["--device", "cpu", "--output", "/tmp"], "is a folder; allowed: a file"),
    ],
)
def test_impossible_runs_are_refused_before_anything_is_measured(words, message):
    with pytest.raises(UserError, match=message):
        main(words)
