"""The bench of a GPU: what it works out, and that it runs, on a processor and very small."""

import json

import pytest

pytest.importorskip("triton", reason="Triton is not installed")

from benchmarks.gpu.__main__ import flops, main, sweep_widths


def test_operations_of_a_step():
    # 4x4 images, one filter: 16 positions of 9 taps twice; 4 positions of 9 taps and 1 of 10 thrice
    assert flops(1, 4, batch=1) == 2 * (2 * 16 * 9 + 3 * 4 * 9 + 3 * 10)


def test_the_sweep_is_that_of_figure_6():
    widths = sweep_widths(64)
    assert widths[:4] == [64, 52, 42, 34]
    assert widths[-1] == 1


@pytest.mark.slow
def test_it_runs_without_a_gpu(tmp_path, capsys):
    output = tmp_path / "gpu.json"
    sizes = ["--width", "2", "--side", "4", "--networks", "2", "--steps", "1"]
    main(["--device", "cpu", *sizes, "--output", str(output)])
    result = json.loads(output.read_text())
    assert result["device"] == "cpu"
    assert result["sweep, times as fast as"]["ours"] == 1
    ways = {"ours", "one by one", "plain", "seconds of compiling and recording"}
    assert result["microseconds of a network and step"].keys() == {"2", "1"}
    assert all(row.keys() == ways for row in result["microseconds of a network and step"].values())
