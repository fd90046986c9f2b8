"""Interrupted runs go on with the same bytes, and nothing stale is ever kept."""

import contextlib
import functools
import json

import pytest
import torch

from dropnet.errors import UserError
from dropnet.metrics import METRICS
from dropnet.networks.cycle import Results
from dropnet.networks.cycle_files import (
    load_cycles,
    load_initial_weights,
    save_cycles,
    save_initial_weights,
)
from dropnet.networks.masks import Masks
from dropnet.networks.models import MODELS, masked_widths
from dropnet.networks.weights import initial_weights
from dropnet.pruning import trainer
from dropnet.pruning.resume import Checkpoint, FinishedCycles
from dropnet.pruning.runs import prune, retrain
from dropnet.pruning.trainer import train_unpruned
from dropnet.settings import Settings
from dropnet.tables.runs import write_runs
from dropnet.training.engines import make_task as make_task_of
from dropnet.training.train import Progression, train_cycle
from helpers.images import make_images
from helpers.interruptions import Dying, Killed
from helpers.settings import toy_settings

SETTINGS = toy_settings()
SEEDS = [0, 1, 2]


@pytest.fixture
def baseline(make_task, tmp_path_factory):
    finished = FinishedCycles(tmp_path_factory.mktemp("baseline"), "this")
    task = functools.partial(make_task, dtype=torch.float32)
    return train_unpruned(SETTINGS, SEEDS, task, finished, "baseline")


def run(folder, make_task, baseline, method="minimum", made_from="this", log=None):
    """Run a method in a folder and return the bytes of its table and its networks."""
    trained = [] if log is None else log

    def task():
        trained.append("prepared")
        return make_task(dtype=torch.float32)

    initial, unpruned = baseline
    finished = FinishedCycles(folder / "cycles", made_from)
    cycles = prune(SETTINGS, METRICS[method], task, initial, unpruned, finished, "test")
    write_runs(folder / "runs.csv", SETTINGS, method, cycles)
    save_cycles(folder / "networks.safetensors", cycles)
    return (folder / "runs.csv").read_bytes(), (folder / "networks.safetensors").read_bytes()


def kept(folder):
    """The files of finished cycles."""
    return list((folder / "cycles").glob("cycle*.safetensors"))


def interrupt(monkeypatch, after):
    """Kill the process at the end of the given training cycle, before it is kept."""
    original, calls = trainer.train_cycle, []

    def train_cycle(*args, **kwargs):
        calls.append(args[1])
        if len(calls) > after:
            raise Killed
        return original(*args, **kwargs)

    monkeypatch.setattr(trainer, "train_cycle", train_cycle)
    return calls


@pytest.mark.parametrize("method", METRICS)
def test_resumed_is_uninterrupted_byte_for_byte(tmp_path, make_task, baseline, monkeypatch, method):
    """Killed in every cycle in turn: same bytes, and no finished cycle is trained again."""
    (tmp_path / "whole").mkdir()
    expected = run(tmp_path / "whole", make_task, baseline, method)
    # the oracle also keeps what it measured of the unpruned networks
    cycles = len([file for file in kept(tmp_path / "whole") if file.stem != "cycle0"])
    assert cycles >= 4
    (tmp_path / "cut").mkdir()
    trained = []
    for _ in range(cycles):
        with monkeypatch.context() as patch:
            calls = interrupt(patch, after=1)
            try:
                got = run(tmp_path / "cut", make_task, baseline, method)
            except Killed:
                assert not (tmp_path / "cut" / "runs.csv").exists()
            trained.append(calls[0])
    assert got == expected
    assert trained == list(range(1, cycles + 1))


def test_a_complete_run_trains_nothing_again(tmp_path, make_task, baseline):
    expected = run(tmp_path, make_task, baseline)
    log = []
    assert run(tmp_path, make_task, baseline, log=log) == expected
    assert log == []


def test_cycles_made_from_anything_else_are_not_kept(tmp_path, make_task, baseline):
    """Other code, settings or inputs: everything is trained again."""
    run(tmp_path, make_task, baseline, made_from="that")
    log = []
    run(tmp_path, make_task, baseline, made_from="this", log=log)
    assert log == ["prepared"]
    keys = {load_cycles(file)[1]["key"] for file in kept(tmp_path)}
    assert len(keys) == 1


def test_a_half_written_cycle_does_not_count(tmp_path, make_task, baseline):
    """What atomic_path leaves when it is killed is never read."""
    expected = run(tmp_path, make_task, baseline)
    last = max(kept(tmp_path), key=lambda f: int(f.stem.removeprefix("cycle")))
    last.rename(last.with_name(f".{last.name}.x.tmp"))
    assert run(tmp_path, make_task, baseline) == expected


def test_what_ran_before_does_not_matter(tmp_path, make_task, baseline):
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    first = run(tmp_path / "a", make_task, baseline, "random")
    run(tmp_path / "b", make_task, baseline, "maximum")
    (tmp_path / "c").mkdir()
    assert run(tmp_path / "c", make_task, baseline, "random") == first


@pytest.mark.slow
def test_all_methods_start_from_the_same_unpruned_networks(tmp_path, make_task, baseline):
    unpruned = set()
    for method in METRICS:
        (tmp_path / method).mkdir()
        table = run(tmp_path / method, make_task, baseline, method)[0].decode().splitlines()
        unpruned.add("\n".join(",".join(row.split(",")[3:]) for row in table[1:4]))
        fields = dict(zip(table[0].split(","), table[1].split(","), strict=True))
        assert (fields["cycle"], fields["fraction_remaining"]) == ("0", "1.0")
        assert fields["remaining"] == "6|5"
    assert len(unpruned) == 1


def test_each_cycle_rewinds_to_the_original_weights(make_task, baseline, tmp_path, monkeypatch):
    """Step 'rewind' of Algorithm 1: what remains starts from theta0, not from trained weights."""
    from dropnet.networks.steps import steps_of
    from dropnet.networks.weights import compact

    starts = []
    original = trainer.train_cycle

    def train_cycle(task, number, seeds, masks, weights, *rest):
        starts.append((masks, weights))
        return original(task, number, seeds, masks, weights, *rest)

    monkeypatch.setattr(trainer, "train_cycle", train_cycle)
    run(tmp_path, make_task, baseline)
    assert len(starts) >= 4
    layers = MODELS["FC"]([6, 5], 10)
    for masks, weights in starts:
        for theta0, mask, start in zip(baseline[0], masks, weights, strict=True):
            for name, expected in compact(theta0, steps_of(layers, (1, 6, 6), mask)).items():
                assert torch.equal(start[name], expected)


def test_networks_survive_the_file(tmp_path, baseline):
    initial, unpruned = baseline
    save_cycles(tmp_path / "n.safetensors", [unpruned], {"key": "k"})
    (loaded,), about = load_cycles(tmp_path / "n.safetensors")
    assert about == {"key": "k"}
    for got, expected in zip(loaded.networks, unpruned.networks, strict=True):
        assert (got.seed, got.results, got.masks) == (
            expected.seed,
            expected.results,
            expected.masks,
        )
        for name, weight in expected.weights.items():
            assert torch.equal(got.weights[name], weight)
        for one, other in zip(
            got.statistics["mean_activation"], expected.statistics["mean_activation"], strict=True
        ):
            assert torch.equal(one, other)
    save_initial_weights(tmp_path / "i.safetensors", SEEDS, initial)
    for one, other in zip(
        load_initial_weights(tmp_path / "i.safetensors", unpruned), initial, strict=True
    ):
        assert all(torch.equal(one[name], other[name]) for name in other)


def test_settings_survive_json():
    assert Settings.from_json(SETTINGS.to_json()) == SETTINGS
    assert "\n" not in SETTINGS.to_json()
    assert json.loads(SETTINGS.to_json())["train_images"] is None


def test_a_diverged_network_is_written_and_warned_about(tmp_path, baseline, caplog):
    from dataclasses import replace

    from dropnet.networks.cycle import Cycle
    from dropnet.pruning.progress import Progress

    network = replace(
        baseline[1].networks[1], results=Results(0.1, float("nan"), 0.1, float("nan"), 0, 1, 1)
    )
    cycle = Cycle(0, [baseline[1].networks[0], network])
    with Progress("test", [1.0], 3) as progress:
        progress.cycle(cycle, 1.0, resumed=False)
    assert "warning: seed 1 diverged in cycle 0" in caplog.text
    assert "seed 0 diverged" not in caplog.text
    write_runs(tmp_path / "runs.csv", SETTINGS, "minimum", [cycle])
    assert (tmp_path / "runs.csv").read_text().splitlines()[2].split(",")[8] == "nan"


# --- epochs, and other processes ------------------------------------------------------------------


NARROW = {"FC": ([6, 5], 6), "Conv": ([3, 4], 6), "VGG19": ([2, 2, 2, 3, 3], 32)}


@pytest.mark.slow
@pytest.mark.parametrize("model", NARROW)
def test_a_cycle_killed_after_every_epoch_is_the_same_and_repeats_none(tmp_path, model):
    """Networks that stop at different epochs; weights, moving averages, stopping: all go on."""
    widths, side = NARROW[model]
    splits = [make_images(count, seed, side) for seed, count in enumerate((64, 40, 30))]
    task = make_task_of(
        *splits, toy_settings(model, widths, learning_rate=1.0, max_epochs=7, patience=1)
    )
    seeds = [0, 1, 2]
    masks = [Masks.full(masked_widths(task.layers)) for _ in seeds]
    weights = [initial_weights(task.steps(), seed) for seed in seeds]

    def train(checkpoint=None, log=None):
        told = [] if log is None else log
        return train_cycle(
            task, 0, seeds, masks, weights, lambda epoch: told.append(epoch.number), checkpoint
        )

    whole, told = [], []
    expected = train(log=whole)
    save_cycles(tmp_path / "expected", [expected])
    assert len({network.results.epochs for network in expected.networks}) > 1
    finished = FinishedCycles(tmp_path / "cycles", "this")
    for _ in whole:
        with contextlib.suppress(Killed):
            train(Dying(finished.checkpoint(0, masks), 1), told)
    save_cycles(tmp_path / "got", [train(finished.checkpoint(0, masks), told)])
    assert (tmp_path / "got").read_bytes() == (tmp_path / "expected").read_bytes()
    assert told == whole == list(range(1, len(whole) + 1))


def test_epochs_of_other_masks_or_code_are_not_gone_on_from(tmp_path):
    masks = [Masks.full([3, 3])]
    finished = FinishedCycles(tmp_path, "this")
    state = Progression([{"w": torch.ones(2)}], [0], [4], [(0.5, 1.0, 0.5, 1.0)], [(1.0, 2)])
    finished.checkpoint(1, masks).save(state)
    again = finished.checkpoint(1, masks).load()
    assert (again.active, again.epochs, again.last_epoch) == ([0], [4], [(0.5, 1.0, 0.5, 1.0)])
    assert torch.equal(again.weights[0]["w"], torch.ones(2))
    fewer = [masks[0].drop([torch.tensor([0]), torch.tensor([], dtype=torch.int64)])]
    assert finished.checkpoint(1, fewer).load() is None
    finished.close()
    finished.checkpoint(1, masks).save(state)
    assert FinishedCycles(tmp_path, "that").checkpoint(1, masks).load() is None


def test_a_finished_cycle_needs_its_epochs_no_more(tmp_path, make_task, baseline, monkeypatch):
    monkeypatch.setattr("dropnet.pruning.resume.SECONDS_BETWEEN_CHECKPOINTS", 0.0)
    run(tmp_path, make_task, baseline)
    assert len(kept(tmp_path)) >= 4
    assert list((tmp_path / "cycles").glob("epochs*")) == []


def test_two_processes_do_not_do_the_same_job(tmp_path, monkeypatch):
    """As when Snakemake was killed, its job was not, and Snakemake is started again."""
    monkeypatch.setattr("dropnet.pruning.resume.SECONDS_TO_WAIT", 0.3)
    first = FinishedCycles(tmp_path, "this")
    with pytest.raises(UserError, match=r"another process \(.*, process \d+\) works on this job"):
        FinishedCycles(tmp_path, "this")
    first.close()
    FinishedCycles(tmp_path, "this").close()


def test_an_interrupted_baseline_goes_on_too(tmp_path, make_task, monkeypatch):
    def train(folder):
        finished = FinishedCycles(tmp_path / folder, "this")
        task = functools.partial(make_task, dtype=torch.float32)
        try:
            return train_unpruned(SETTINGS, SEEDS, task, finished, "baseline")[1]
        finally:
            finished.close()

    expected = train("whole")
    monkeypatch.setattr("dropnet.pruning.resume.SECONDS_BETWEEN_CHECKPOINTS", 0.0)
    save_cycles(tmp_path / "expected", [expected])
    original, saves = Checkpoint.save, []

    def save(self, state):
        original(self, state)
        saves.append(list(state.epochs))
        if len(saves) == 2:
            raise Killed

    monkeypatch.setattr(Checkpoint, "save", save)
    with pytest.raises(Killed):
        train("cut")
    save_cycles(tmp_path / "got", [train("cut")])
    assert (tmp_path / "got").read_bytes() == (tmp_path / "expected").read_bytes()
    assert [max(epochs) for epochs in saves] == [1, 2, 3]
    assert train("cut").number == 0
    assert len(saves) == 3


# --- random initialisation --------------------------------------------------------------------


def pruned_by(folder, make_task, baseline, method="minimum"):
    """All cycles of a method, as its artifact has them."""
    folder.mkdir()
    run(folder, make_task, baseline, method)
    return load_cycles(folder / "networks.safetensors")[0]


def retrained(folder, make_task, pruned):
    finished = FinishedCycles(folder / "cycles", "this")
    task = lambda: make_task(dtype=torch.float32)  # noqa: E731
    return retrain(SETTINGS, task, pruned, finished, "test")


def test_random_init_trains_the_masks_of_its_parent_from_weights_of_its_own(
    tmp_path, make_task, baseline, monkeypatch
):
    from dropnet.networks.steps import steps_of
    from dropnet.networks.weights import compact

    pruned = pruned_by(tmp_path / "parent", make_task, baseline)
    original, started = trainer.train_cycle, []

    def train_cycle(*args, **kwargs):
        started.append(args[4])
        return original(*args, **kwargs)

    monkeypatch.setattr(trainer, "train_cycle", train_cycle)
    cycles = retrained(tmp_path, make_task, pruned)
    assert [c.number for c in cycles] == [c.number for c in pruned]
    steps = make_task(dtype=torch.float32).steps()
    for cycle, parent, weights in zip(cycles, pruned, started, strict=True):
        for network, theirs, own in zip(cycle.networks, parent.networks, weights, strict=True):
            assert network.masks == theirs.masks
            assert network.seed == theirs.seed
            fresh = compact(
                initial_weights(steps, network.seed, "random_init"),
                steps_of(make_task().layers, (1, 6, 6), network.masks),
            )
            assert fresh.keys() == own.keys()
            assert all(torch.equal(fresh[name], own[name]) for name in fresh)
    seeds = [*SEEDS, *SEEDS]
    purposes = ["weights"] * 3 + ["random_init"] * 3
    kernels = {
        initial_weights(steps, seed, purpose)["dense1.kernel"].numpy().tobytes()
        for seed, purpose in zip(seeds, purposes, strict=True)
    }
    assert len(kernels) == 6, "every seed has an initialisation of its own, and another one here"


def test_interrupted_random_init_is_resumed_byte_for_byte(
    tmp_path, make_task, baseline, monkeypatch
):
    pruned = pruned_by(tmp_path / "parent", make_task, baseline)
    save_cycles(tmp_path / "whole", retrained(tmp_path / "a", make_task, pruned))
    with monkeypatch.context() as patch:
        interrupt(patch, after=2)
        with pytest.raises(Killed):
            retrained(tmp_path / "b", make_task, pruned)
    assert len(kept(tmp_path / "b")) == 2
    save_cycles(tmp_path / "resumed", retrained(tmp_path / "b", make_task, pruned))
    assert (tmp_path / "resumed").read_bytes() == (tmp_path / "whole").read_bytes()


def test_what_the_oracle_has_measured_is_not_measured_again(
    tmp_path, make_task, baseline, monkeypatch
):
    from dropnet.metrics import oracle

    original, measured = oracle.measure, []

    def measure(trained):
        measured.append(sum(trained.masks.remaining))
        return original(trained)

    monkeypatch.setattr(oracle, "measure", measure)
    first = run(tmp_path, make_task, baseline, "oracle")
    once = list(measured)
    assert once.count(11) == len(SEEDS)
    prepared = []
    assert run(tmp_path, make_task, baseline, "oracle", log=prepared) == first
    assert measured == once
    assert prepared == [], "not even the data were prepared"
