"""The benchmarks count the right work, report failures, and run from end to end."""

import doctest
import os
import resource
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from benchmarks import bench, processes, report, run
from benchmarks.convolutional import parts as convolutional
from benchmarks.convolutional.pytorch import ModelB
from benchmarks.convolutional.workload import ARCHITECTURES
from benchmarks.fully_connected import parts as fully_connected
from benchmarks.fully_connected import pytorch, workload
from benchmarks.oracle import parts as oracle
from benchmarks.oracle import workload as oracle_workload
from benchmarks.run import PARTS
from benchmarks.sides import ours, protocol
from benchmarks.sides.pytorch import evaluate, take_over
from benchmarks.workflow import parts as workflow
from dropnet.config.check import load
from dropnet.config.plan import Plan
from dropnet.errors import UserError
from dropnet.files.artifacts import save_tensors, write_json
from dropnet.networks.weights import compact, initial_weights
from dropnet.training.engines import make_task

REPOSITORY = Path(__file__).resolve().parents[2]
PUBLISHED = REPOSITORY / "published/benchmarks"


@pytest.fixture(scope="module")
def plan():
    return Plan(load(REPOSITORY / "config.yaml"))


@pytest.mark.parametrize("module", [bench, convolutional, fully_connected, oracle, report])
def test_examples_in_docstrings(module):
    results = doctest.testmod(module)
    assert results.attempted
    assert not results.failed


def test_a_stored_run_gives_the_published_page():
    stored = run.stored(PUBLISHED / "bench.json")
    assert PARTS.keys() == stored.keys()
    assert run.page(stored) == (PUBLISHED / "bench.txt").read_text(encoding="utf-8")
    assert all(check["passed"] for part in stored.values() for check in part["checks"])


def test_parts_that_are_not_measured_stay(tmp_path):
    """The oracle's part of before, and another one that a run has made since."""
    out = tmp_path / "bench.json"
    published = run.stored(PUBLISHED / "bench.json")
    write_json(out, published)
    assert run.stored(out) == published
    of_later = published["step"] | {"made_with": published["step"]["made_with"] | {"wall_s": 7}}
    of_later["made_with"] = of_later["made_with"] | {"processor": "another"}
    words = run.page(published | {"step": of_later}).split("\n\n")
    assert any(word.startswith("step: 7 s on another, code ") for word in words)
    damaged = ("[]", "", "null", "{", "[" * 100_000, '{"speed": {"measured": {}}}')
    for text in (*damaged, '{"speed": "measured"}', '{"made_with": {}, "speed": {"rounds": []}}'):
        out.write_text(text)
        with pytest.raises(UserError, match="not what a run of these benchmarks wrote: remove it"):
            run.stored(out)


@pytest.mark.parametrize(
    ("experiment", "model", "widths"),
    [
        ("FC40-FC40", "FC", workload.HIDDEN),
        ("Conv64-Conv64", "Conv", ARCHITECTURES["B"].filters),
        (
            "Conv64-Conv64-Conv128-Conv128",
            "ConvFC256",
            ARCHITECTURES["C"].filters,
        ),
        ("FC20-FC20-oracle", "FC", oracle_workload.WIDTHS["A"]),
        ("Conv20-Conv20", "Conv", oracle_workload.WIDTHS["B"]),
    ],
)
def test_the_workloads_are_configured_experiments(plan, experiment, model, widths):
    settings = plan.at("paper").settings(experiment)
    assert (settings.model, settings.widths) == (model, widths)
    assert settings.batch_size == protocol.BATCH_SIZE
    assert settings.learning_rate == protocol.LEARNING_RATE
    assert settings.classes == protocol.CLASSES


@pytest.mark.parametrize("model", ["B", "C"])
def test_the_convolutional_workloads_have_the_images_of_their_data_set(plan, model):
    network = ARCHITECTURES[model]
    image = plan.config["datasets"][network.dataset]["image"]
    assert image == [network.channels, network.side, network.side]


def test_the_sweep_of_figure_3_by_hand(plan):
    counts = bench.remaining_in_figure(plan, "fig03")
    metrics = ("minimum", "maximum", "random")
    assert list(counts) == [*metrics, *(f"{metric}_layer" for metric in metrics)]
    assert counts["minimum"] == [80, 64, 52, 42, 34, 28, 23, 19, 16, 13, 11, 9, 8, 7, 6, 5, 4]
    # 40 32 26 21 17 14 12 10 8 7 6 5 4 3 2 in each layer
    assert counts["minimum_layer"] == [80, 64, 52, 42, 34, 28, 24, 20, 16, 14, 12, 10, 8, 6, 4]
    assert sum(map(len, counts.values())) == 96


def test_the_sweep_of_figure_6_counts_every_network_and_filter(plan):
    often = convolutional.networks_trained(plan)
    counts = bench.remaining_in_figure(plan, "fig06")
    assert (often[64, 64], often[52, 52], often[52, 51]) == (1, 3, 3)
    assert often.total() == 115 == 1 + sum(len(c) - 1 for c in counts.values())
    filters = 128 + sum(sum(c[1:]) for c in counts.values())  # the unpruned network is shared
    assert sum(sum(widths) * times for widths, times in often.items()) == filters


def test_training_flops_counts_three_products_but_two_for_the_first_layer():
    # 3 x (2 x 5 x 7) for the classifier, 2 x (2 x 784 x 5) for the first layer, per sample
    assert fully_connected.training_flops(1, hidden=(5,)) == 3 * 2 * 5 * 10 + 2 * 2 * 784 * 5


@pytest.fixture
def make_network(plan, tmp_path):
    """Return a function that writes an initial network as our side does, and reads it."""

    def make(experiment, widths, image_shape=(1, 28, 28), remaining=1.0):
        settings = replace(plan.at("paper").settings(experiment), widths=widths)
        few = torch.zeros(1, *image_shape, dtype=torch.uint8), torch.zeros(1, dtype=torch.uint8)
        task = make_task(few, few, few, settings)
        ours.write_initial(tmp_path / "network.npz", task, 5, remaining)
        return task, protocol.load_network(tmp_path / "network.npz")

    return make


@pytest.mark.parametrize("remaining", [1.0, 0.3])
def test_a_network_for_all_sides_has_the_asked_share_of_nodes(make_network, remaining):
    _, network = make_network("FC40-FC40", workload.HIDDEN, remaining=remaining)
    kept = network["mask_0"].sum() + network["mask_1"].sum()
    assert kept == remaining * sum(workload.HIDDEN)


@pytest.mark.parametrize(
    ("experiment", "widths", "image_shape"),
    [
        ("FC40-FC40", (6, 5), (1, 4, 4)),
        ("Conv64-Conv64-Conv128-Conv128", (3, 2, 4, 2), (3, 16, 16)),
    ],
)
def test_our_side_reads_the_network_that_it_wrote(make_network, experiment, widths, image_shape):
    task, network = make_network(experiment, widths, image_shape, 0.5)
    weights, masks = ours.from_network(network, task.steps(), torch.float64)
    expected = initial_weights(task.steps(), 5)
    assert weights.keys() == expected.keys()
    assert all(torch.equal(weights[name], expected[name].double()) for name in weights)
    assert masks == ours.random_masks(widths, 0.5, 5)


@pytest.mark.parametrize("losses", [[1.0, np.nan], [1.0], [1.0, np.inf]])
def test_losses_that_cannot_be_compared_differ_infinitely(losses):
    assert bench.largest_difference(losses, [1.0, 2.0]) == np.inf


@pytest.mark.slow
def test_plain_loop_takes_the_steps_of_sgd_on_the_masked_network(make_network):
    """Against the same steps in NumPy, with the gradients written out."""
    generator = np.random.default_rng(5)
    pixels = generator.integers(0, 256, (70, 28, 28, 1), dtype=np.uint8)
    samples = protocol.Split(pixels, generator.integers(0, 10, 70))
    _, problem = make_network("FC40-FC40", workload.HIDDEN, remaining=0.3)
    problem = {name: array.astype(np.float64) for name, array in problem.items()}
    losses = pytorch.step_losses(problem, samples, "float64")

    kernels = [problem[f"kernel_{layer}"].copy() for layer in range(3)]
    biases = [problem[f"bias_{layer}"].copy() for layer in range(3)]
    masks = [problem["mask_0"], problem["mask_1"]]
    expected = []
    for batch in protocol.batches(70):
        inputs = [samples.vectors("float64")[batch]]
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
            kernels[layer] -= protocol.LEARNING_RATE * inputs[layer].T @ gradient
            biases[layer] -= protocol.LEARNING_RATE * gradient.sum(0)
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

    ours, keras = fully_connected.summarise_speed([round_at(1), round_at(2)], 4, epochs=1)
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
    for part, count in (("train", 3000), ("test", 1000)):
        labels = torch.arange(count, dtype=torch.uint8) % 10
        shape = (count, 3, 32, 32)
        tensors[f"{part}_images"] = torch.randint(
            0, 256, shape, generator=generator, dtype=torch.uint8
        )
        tensors[f"{part}_labels"] = labels
    save_tensors(folder / "CIFAR-10.safetensors", tensors, {"name": "CIFAR-10", "classes": 10})
    save_tensors(folder / "CIFAR-10_split_all.safetensors", {"train": torch.arange(2700)})
    return folder


def run_driver(*arguments):
    """Run the benchmarks; what several processes of a run of tests start shares no core."""
    cores = sorted(os.sched_getaffinity(0))
    worker = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
    core = ("--core", str(cores[worker % len(cores)]))
    command = [sys.executable, "-m", "benchmarks.run", *core, *map(str, arguments)]
    environment = os.environ | processes.MODULES
    return subprocess.run(
        command, cwd=REPOSITORY, env=environment, capture_output=True, text=True, check=False
    )


def test_the_plain_convolutional_network_computes_what_ours_does(make_network):
    task, network = make_network("Conv64-Conv64", (6, 4), remaining=0.5)
    model = ModelB((6, 4))
    take_over(model, network)
    samples = torch.randint(0, 256, (9, 1, 28, 28), dtype=torch.uint8), torch.arange(9) % 10
    loss, accuracy = evaluate(model, samples[0] / 255, samples[1], batch_size=4)

    weights, masks = ours.from_network(network, task.steps(), torch.float32)
    ours_task = make_task(samples, samples, samples, task.settings)
    stack = ours_task.stack([compact(weights, ours_task.steps(masks))], [masks])
    losses, accuracies = stack.evaluate(ours_task.validation)
    assert loss == pytest.approx(losses[0], rel=1e-5)
    assert accuracy == accuracies[0]


@pytest.mark.slow
def test_the_convolutional_part_from_end_to_end(data, tmp_path):
    out = tmp_path / "bench.json"
    done = run_driver(
        "--quick", "--sides", "ours,pytorch", "--only", "conv", "--data", data, "--out", out
    )
    assert done.returncode == 0, done.stderr
    conv = run.stored(tmp_path / "bench_quick.json")["conv"]["measured"]
    assert conv["speed"]["others"].keys() == {"pytorch"}
    assert conv["speed"]["our_sweep_s"]["median"] > 0
    assert conv["bfloat16"]["accuracy"].keys() == {"float32", "bfloat16"}
    assert 0 < conv["memory"]["preview"]["measured"] < conv["memory"]["preview"]["limit"]


@pytest.mark.slow
@pytest.mark.parametrize("others", [["pytorch"], []])
def test_the_part_of_large_networks_from_end_to_end(data, tmp_path, others):
    sides = ",".join(["ours", *others])
    out = tmp_path / "bench.json"
    done = run_driver("--quick", "--sides", sides, "--only", "large", "--data", data, "--out", out)
    assert done.returncode == 0, done.stderr
    large = run.stored(tmp_path / "bench_quick.json")["large"]["measured"]
    for network in large.values():
        whole, pruned = network["ours"]["1.0"], network["ours"]["0.2"]
        assert ("ratio" in whole) == ("pytorch_step_s" in network) == bool(others)
        assert whole["step_s"].keys() == pruned["step_s"].keys() == {"median", "min", "max", "n"}


@pytest.mark.slow
def test_the_oracles_part_from_end_to_end(data, tmp_path):
    out = tmp_path / "bench.json"
    sides = ("--sides", "ours,pytorch", "--only", "oracle")
    done = run_driver("--quick", *sides, "--data", data, "--out", out)
    assert done.returncode == 0, done.stderr  # the losses of both agree, or it would fail
    oracle = run.stored(tmp_path / "bench_quick.json")["oracle"]["measured"]
    assert {m: r["candidates"] for m, r in oracle["models"].items()} == {"A": 40, "B": 40}
    assert oracle["models"]["A"]["others"]["pytorch"]["timed"] == 40
    assert {row["copies"] for row in oracle["memory"]} == {1, 4}


@pytest.mark.slow
def test_the_criterias_part_from_end_to_end(data, tmp_path):
    out = tmp_path / "bench.json"
    sides = ("--sides", "ours", "--only", "criteria")
    done = run_driver("--quick", *sides, "--data", data, "--out", out)
    report = run.stored(tmp_path / "bench_quick.json")
    networks = report["criteria"]["measured"]
    assert networks["FC40-FC40"]["criteria"].keys() - {"least_squares"} == (
        networks["Conv64-Conv64"]["criteria"].keys()
    )
    for network in networks.values():
        assert network["criteria"]["minimum"]["in_epochs"]["median"] == 0
    # few images make scores dear, and that is told; nothing else can fail
    checks = report["criteria"]["checks"]
    names = [check["name"] for check in checks]
    assert all(name.startswith("scores of ") for name in names)
    assert done.returncode == (0 if all(c["passed"] for c in checks) else 1)


@pytest.mark.slow
@pytest.mark.xdist_group("project")
def test_jobs_of_a_run_are_counted_by_rule_and_have_their_scripts(project):
    jobs = workflow.jobs_of(project)
    assert jobs["script"].keys() == jobs["count"].keys()
    assert jobs["script"]["collect_all_runs"] == "collect_runs"
    for script in jobs["script"].values():
        assert (REPOSITORY / f"workflow/scripts/{script}.py").is_file()
    assert jobs["count"]["train_baseline"] == 4  # of two experiments, seeds 0-1 and 2
    assert jobs["seconds"] > 0


@pytest.mark.slow
def test_a_run_from_end_to_end(data, tmp_path):
    out = tmp_path / "bench.json"
    sides = ("--sides", "ours,pytorch", "--only", "speed,parity", "--seeds", 1)
    done = run_driver("--quick", *sides, "--data", data, "--out", out)
    assert done.returncode == 0, done.stderr
    report = run.stored(tmp_path / "bench_quick.json")
    speed, parity = report["speed"]["measured"], report["parity"]
    assert [row["side"] for row in speed["summary"]] == ["ours", "pytorch"]
    cycles = speed["rounds"][0]["ours"]
    assert len(cycles) == 96 - 5  # the unpruned cycle is trained once
    assert len(parity["measured"]) == len(parity["checks"]) == 4  # two networks, two precisions
    assert all(check["passed"] for check in parity["checks"])
    assert out.with_stem("bench_quick").with_suffix(".txt").read_text() == run.page(report)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--keras-python", "nowhere/python"), "no Keras at nowhere/python"),
        (
            ("--sides", "pytorch"),
            "--only step, memory, conv, oracle, criteria, large or workflow needs ours",
        ),
        (("--sides", "pytorch", "--only", "parity"), "needs two sides"),
        (("--sides", "ours,pytorch", "--core", "999"), "--core 999 is not available"),
        (("--sides", "ours,pytorch", "--rounds", "0"), "--rounds 0: must be 1 or more"),
        (("--sides", "ours,pytorch", "--data", "nowhere"), "no nowhere/MNIST.safetensors"),
        (("--sides", "ours", "--only", "step", "--out", "/proc/nope/b.json"), "--out /proc/nope/b"),
        (("--sides", "ours", "--only", "step", "--out", "/tmp"), "--out /tmp: cannot be written"),
    ],
)
def test_impossible_runs_are_refused_in_one_line(arguments, message, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["benchmarks.run", *arguments])
    monkeypatch.setattr(os, "sched_setaffinity", None)  # what comes next would last
    with pytest.raises(SystemExit) as end:
        run.main()
    errors = capsys.readouterr().err
    assert end.value.code == 1
    assert errors.startswith("error: ")
    assert errors.count("\n") == 1
    assert message in errors
