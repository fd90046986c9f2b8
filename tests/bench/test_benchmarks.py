"""The benchmarks count the right work, report failures, and run from end to end."""

import doctest
import json
import resource
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml

from dropnet.errors import UserError
from dropnet.files.artifacts import save_tensors
from dropnet.metrics import METRICS
from dropnet.pruning.schedule import remaining_counts

REPOSITORY = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(REPOSITORY / "benchmarks"))

import common  # noqa: E402
import conv_common  # noqa: E402
import conv_parts  # noqa: E402
import conv_pytorch  # noqa: E402
import oracle_parts  # noqa: E402
import processes  # noqa: E402
import pytorch_reference  # noqa: E402
import report  # noqa: E402
import run_benchmarks  # noqa: E402


@pytest.mark.parametrize("module", [common, conv_common, conv_parts, oracle_parts, report])
def test_examples_in_docstrings(module):
    results = doctest.testmod(module)
    assert results.attempted
    assert not results.failed


def test_workload_is_the_configured_experiment():
    config = yaml.safe_load((REPOSITORY / "config.yaml").read_text(encoding="utf-8"))
    experiment, protocol = config["experiments"]["FC40-FC40"], config["protocol"]
    assert tuple(experiment["widths"]) == common.HIDDEN
    assert tuple(experiment["methods"]) == common.METHODS
    assert experiment["prune_fraction"] == common.PRUNE_FRACTION
    assert experiment["stop_fraction"] == common.STOP_FRACTION
    assert protocol["batch_size"] == common.BATCH_SIZE
    assert protocol["learning_rate"] == common.LEARNING_RATE


def test_sweep_counts_every_recorded_network():
    widths, share, stop = common.HIDDEN, common.PRUNE_FRACTION, common.STOP_FRACTION
    counts = [
        len(remaining_counts(widths, share, stop, METRICS[method].per_layer))
        for method in common.METHODS
    ]
    assert common.sweep_networks() == sum(counts) == 96


def test_training_flops_counts_three_products_but_two_for_the_first_layer():
    # 3 x (2 x 5 x 7) for the classifier, 2 x (2 x 784 x 5) for the first layer, per sample
    assert common.training_flops(1, hidden=(5,)) == 3 * 2 * 5 * 10 + 2 * 2 * 784 * 5


@pytest.mark.parametrize("remaining", [1.0, 0.3])
def test_problem_keeps_the_asked_share_of_nodes(remaining):
    problem = common.make_problem(0, remaining)
    assert problem["mask_0"].sum() + problem["mask_1"].sum() == remaining * sum(common.HIDDEN)


@pytest.mark.parametrize("losses", [[1.0, np.nan], [1.0], [1.0, np.inf]])
def test_losses_that_cannot_be_compared_differ_infinitely(losses):
    assert common.largest_difference(np.array(losses), np.array([1.0, 2.0])) == np.inf


def test_plain_loop_takes_the_steps_of_sgd_on_the_masked_network():
    """Against the same steps in NumPy, with the gradients written out."""
    generator = np.random.default_rng(5)
    pixels = generator.integers(0, 256, (70, 784), dtype=np.uint8)
    samples = common.Split(pixels, generator.integers(0, 10, 70))
    problem = common.make_problem(1, 0.3)
    losses = pytorch_reference.step_losses(problem, samples, "float64")

    kernels = [problem[f"kernel_{layer}"].copy() for layer in range(3)]
    biases = [problem[f"bias_{layer}"].copy() for layer in range(3)]
    masks = [problem["mask_0"], problem["mask_1"]]
    expected = []
    for batch in common.batches(70):
        inputs = [samples.images("float64")[batch]]
        for layer, mask in enumerate(masks):
            inputs.append(np.maximum(inputs[-1] @ kernels[layer] + biases[layer], 0) * mask)
        logits = inputs[-1] @ kernels[2] + biases[2]
        chances = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
        rows = np.arange(len(logits))
        expected.append(-np.log(chances[rows, samples.labels[batch]]).mean())
        gradient = chances
        gradient[rows, samples.labels[batch]] -= 1
        gradient /= len(logits)
        for layer in (2, 1, 0):
            below = gradient @ kernels[layer].T * (inputs[layer] > 0)
            kernels[layer] -= common.LEARNING_RATE * inputs[layer].T @ gradient
            biases[layer] -= common.LEARNING_RATE * gradient.sum(0)
            gradient = below
    assert len(losses) == 3
    np.testing.assert_allclose(losses, expected, rtol=1e-10)


def test_a_process_reports_its_peak_memory(tmp_path):
    mine = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024  # a child starts from this
    hungry = [sys.executable, "-c", f"b'x' * {mine + 100_000_000}"]
    assert mine + 100e6 < processes.run(hungry, tmp_path / "log") < mine + 200e6


def test_a_failed_process_is_an_error_with_its_last_words(tmp_path):
    with pytest.raises(UserError, match="status 1: out of cheese"):
        processes.run([sys.executable, "-c", "exit('out of cheese')"], tmp_path / "log")


def test_a_side_that_ends_instead_of_answering_is_an_error(tmp_path):
    with (
        pytest.raises(UserError, match="without answering 'epoch'"),
        processes.Process([sys.executable, "-c", "pass"], tmp_path / "log") as process,
    ):
        process.ask("epoch")


def test_ratios_are_taken_within_a_round():
    """A round in which everything took twice as long has the same ratio."""

    def sample(seconds):
        return {"wall_s": seconds, "cpu_s": seconds}

    def round_at(pace):
        ours = {"networks": 2, "train": sample(2 * pace), "rest": sample(1 * pace)}
        theirs = {"epoch": {"plain": [sample(3 * pace)]}, "cycle": [sample(5 * pace)]}
        return {"ours": [ours], "others": {"keras": theirs}}

    ours, keras = run_benchmarks.summarise_speed([round_at(1), round_at(2)], 4, epochs=1)
    assert ours["epoch_s"]["median"] == 1.5  # of 1 and 2 seconds
    assert keras["sweep_s"]["min"] == 4 * (3 + 5)
    assert keras["epoch_ratio"] == {"median": 3, "min": 3, "max": 3, "n": 2}
    assert keras["epoch_cpu_ratio"] == keras["epoch_ratio"]
    assert keras["sweep_ratio"]["min"] == keras["sweep_ratio"]["max"] == 32 / 3


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """A folder with random data under the names of MNIST's files."""
    folder = tmp_path_factory.mktemp("data")
    generator = torch.Generator().manual_seed(0)
    tensors = {}
    for part, count in (("train", 3300), ("test", 640)):
        shape = (count, 1, 28, 28)
        tensors[f"{part}_images"] = torch.randint(
            0, 256, shape, generator=generator, dtype=torch.uint8
        )
        labels = torch.randint(0, 10, (count,), generator=generator, dtype=torch.uint8)
        tensors[f"{part}_labels"] = labels
    save_tensors(folder / "MNIST.safetensors", tensors)
    order = torch.randperm(3300, generator=generator)
    split = {"train": order[:3216], "validation": order[3216:]}
    save_tensors(folder / "MNIST_split_all.safetensors", split)
    for part, count in (("train", 1000), ("test", 600)):
        labels = torch.arange(count, dtype=torch.uint8) % 10
        shape = (count, 3, 32, 32)
        tensors[f"{part}_images"] = torch.randint(
            0, 256, shape, generator=generator, dtype=torch.uint8
        )
        tensors[f"{part}_labels"] = labels
    save_tensors(folder / "CIFAR-10.safetensors", tensors, {"name": "CIFAR-10", "classes": 10})
    save_tensors(folder / "CIFAR-10_split_all.safetensors", {"train": torch.arange(900)})
    return folder


def run_driver(*arguments):
    command = [sys.executable, REPOSITORY / "benchmarks/run_benchmarks.py", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_the_convolutional_workload_is_that_of_figure_6():
    config = yaml.safe_load((REPOSITORY / "config.yaml").read_text(encoding="utf-8"))
    experiment = config["experiments"]["Conv64-Conv64"]
    assert tuple(experiment["widths"]) == conv_common.FILTERS
    figure = config["figures"]["fig06"]
    assert figure["stop_fraction"] == conv_common.STOP_FRACTION
    counts = {
        method: remaining_counts(
            conv_common.FILTERS, 0.2, conv_common.STOP_FRACTION, METRICS[method].per_layer
        )
        for method in figure["methods"]
    }
    networks = sum(len(c) - 1 for c in counts.values()) + 1  # the unpruned one is shared
    assert sum(conv_common.sweep_widths().values()) == networks
    filters = sum(sum(c[1:]) for c in counts.values()) + 128
    assert sum(sum(w) * n for w, n in conv_common.sweep_widths().items()) == filters


def test_the_plain_convolutional_network_is_the_masked_model_b():
    network = conv_pytorch.MaskedNetwork()
    network.mask1[5:] = 0
    images = torch.rand(2, 1, 28, 28)
    first = torch.relu(network.conv1(images))[:, :5]
    pooled = torch.nn.functional.max_pool2d(first, 2)
    second = torch.nn.functional.conv2d(
        pooled, network.conv2.weight[:, :5], network.conv2.bias, padding=1
    )
    features = torch.nn.functional.max_pool2d(torch.relu(second), 2).flatten(1)
    torch.testing.assert_close(network(images), network.output(features))


def test_the_convolutional_part_from_end_to_end(data, tmp_path):
    out = tmp_path / "bench.json"
    done = run_driver(
        "--quick", "--sides", "ours,pytorch", "--only", "conv", "--data", data, "--out", out
    )
    assert done.returncode == 0, done.stderr
    conv = json.loads((tmp_path / "bench_quick.json").read_text(encoding="utf-8"))["conv"]
    assert conv["speed"]["others"].keys() == {"pytorch"}
    assert conv["speed"]["our_sweep_s"]["median"] > 0
    assert conv["bfloat16"]["accuracy"].keys() == {"float32", "bfloat16"}
    assert 0 < conv["memory"]["preview"]["measured"] < conv["memory"]["preview"]["limit"]


def test_the_oracles_part_from_end_to_end(data, tmp_path):
    out = tmp_path / "bench.json"
    sides = ("--sides", "ours,pytorch", "--only", "oracle")
    done = run_driver("--quick", *sides, "--data", data, "--out", out)
    assert done.returncode == 0, done.stderr  # the losses of both agree, or it would fail
    oracle = json.loads((tmp_path / "bench_quick.json").read_text(encoding="utf-8"))["oracle"]
    assert {m: r["candidates"] for m, r in oracle["models"].items()} == {"A": 40, "B": 40}
    assert oracle["models"]["A"]["others"]["pytorch"]["timed"] == 40
    assert {row["copies"] for row in oracle["memory"]} == {1, 4}


def test_a_run_from_end_to_end(data, tmp_path):
    out = tmp_path / "bench.json"
    sides = ("--sides", "ours,pytorch", "--only", "speed,parity", "--seeds", 1)
    done = run_driver("--quick", *sides, "--data", data, "--out", out)
    assert done.returncode == 0, done.stderr
    report = json.loads((tmp_path / "bench_quick.json").read_text(encoding="utf-8"))
    assert [row["side"] for row in report["speed"]["summary"]] == ["ours", "pytorch"]
    cycles = report["speed"]["rounds"][0]["ours"]
    assert len(cycles) == 96 - 5  # the unpruned cycle is trained once
    assert len(report["parity"]) == len(report["checks"]) == 4  # two networks, two precisions
    assert all(check["passed"] for check in report["checks"])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--keras-python", "nowhere/python"), "no Keras at nowhere/python"),
        (("--sides", "pytorch"), "--only step, memory, conv, oracle or workflow needs ours"),
        (("--sides", "pytorch", "--only", "parity"), "needs two sides"),
        (("--sides", "ours,pytorch", "--core", "999"), "--core 999 is not available"),
        (("--sides", "ours,pytorch", "--rounds", "0"), "--rounds 0: must be 1 or more"),
        (("--sides", "ours,pytorch", "--data", "nowhere"), "no nowhere/MNIST.safetensors"),
    ],
)
def test_impossible_runs_are_refused_in_one_line(arguments, message):
    done = run_driver(*arguments)
    assert done.returncode == 1
    assert done.stderr.startswith("error: ")
    assert done.stderr.count("\n") == 1
    assert message in done.stderr
