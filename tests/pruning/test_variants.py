"""Variants of a metric: its widths with nodes at random, and training that is not rewound."""

import pytest
import torch

from dropnet.metrics import METRICS
from dropnet.networks.cycle_files import save_cycles
from dropnet.networks.masks import Masks
from dropnet.networks.models import masked_widths
from dropnet.networks.weights import compact, expanded, initial_weights
from dropnet.pruning import trainer
from dropnet.pruning.resume import FinishedCycles
from dropnet.pruning.runs import prune, prune_shuffled, thinned
from dropnet.pruning.trainer import train_unpruned
from dropnet.randomness import generator
from dropnet.training.engines import make_task
from helpers.images import make_images
from helpers.interruptions import Killed
from helpers.settings import toy_settings

SEEDS = [0, 1, 2]
NETWORKS = [("FC", (6, 5), 6, 1), ("Conv", (4, 5), 8, 1)]


@pytest.fixture(params=NETWORKS, ids=lambda network: network[0])
def case(request, tmp_path_factory):
    """Settings, a function that makes the task, initial weights and the unpruned cycle."""
    model, widths, side, channels = request.param
    settings = toy_settings(model, widths)

    def task():
        images, labels = make_images(64, side=side, channels=channels)
        few = images[:16], labels[:16]
        return make_task((images, labels), few, few, settings)

    finished = FinishedCycles(tmp_path_factory.mktemp("baseline"), "this")
    return settings, task, *train_unpruned(settings, SEEDS, task, finished, "baseline")


def pruned(folder, case, metric="minimum", rewind=True):
    settings, task, initial, unpruned = case
    finished = FinishedCycles(folder, "this")
    return prune(settings, METRICS[metric], task, initial, unpruned, finished, "test", rewind)


def shuffled(folder, case, parent):
    settings, task, initial, _ = case
    return prune_shuffled(settings, task, initial, parent, FinishedCycles(folder, "this"), "test")


@pytest.fixture
def started(monkeypatch):
    """The number, the masks and the weights that each cycle was started with."""
    original, calls = trainer.train_cycle, []

    def train_cycle(*args):
        calls.append((args[1], args[3], args[4]))
        return original(*args)

    monkeypatch.setattr(trainer, "train_cycle", train_cycle)
    return calls


def same(weights, others):
    return weights.keys() == others.keys() and all(
        torch.equal(weights[name], others[name]) for name in weights
    )


def test_shuffled_has_the_widths_of_its_metric_and_nodes_of_its_own(tmp_path, case, started):
    parent = pruned(tmp_path / "parent", case)
    del started[:]
    cycles = shuffled(tmp_path / "own", case, parent)
    assert [c.number for c in cycles] == [c.number for c in parent]
    assert cycles[0] is parent[0], "the unpruned networks are shared"
    before, others = cycles[0], 0
    for cycle, theirs in zip(cycles[1:], parent[1:], strict=True):
        for own, of_metric, last in zip(
            cycle.networks, theirs.networks, before.networks, strict=True
        ):
            assert own.masks.remaining == of_metric.masks.remaining
            assert own.seed == of_metric.seed
            others += own.masks != of_metric.masks
            for now, then in zip(own.masks.layers, last.masks.layers, strict=True):
                assert not (now & ~then).any(), "nothing comes back"
        before = cycle
    assert others > len(SEEDS)
    steps = case[1]().steps
    for _, masks, weights in started:
        for theta0, mask, own in zip(case[2], masks, weights, strict=True):
            assert same(own, compact(theta0, steps(mask))), "it is rewound"


def test_thinned_takes_each_node_equally_often():
    full = Masks.full([4, 3])
    left = torch.zeros(2, 4)
    for seed in range(2000):
        thin = thinned(full, [1, 3], ("test", seed))
        assert thin.remaining == (1, 3)
        left[0] += thin.layers[0]
    # 500 +- 19 (one standard deviation)
    assert (left[0] - 500).abs().max() < 90


def test_without_a_rewind_training_goes_on_from_the_trained_weights(tmp_path, case, started):
    cycles = pruned(tmp_path, case, "minimum", rewind=False)
    assert len(started) == len(cycles) - 1 >= 3
    task = case[1]()
    for (number, masks, weights), before in zip(started, cycles, strict=False):
        assert number == before.number + 1
        for network, mask, own in zip(before.networks, masks, weights, strict=True):
            full = expanded(network.weights, task.steps(network.masks))
            assert same(own, compact(full, task.steps(mask)))
            assert not same(own, compact(case[2][network.seed], task.steps(mask)))


@pytest.mark.parametrize("how", ["finetune", "shuffled"])
def test_interrupted_variants_are_resumed_byte_for_byte(tmp_path, case, monkeypatch, how):
    parent = pruned(tmp_path / "parent", case)

    def run(folder):
        if how == "shuffled":
            return shuffled(folder, case, parent)
        return pruned(folder, case, "l1_norm", rewind=False)

    save_cycles(tmp_path / "whole", run(tmp_path / "a"))
    original, calls = trainer.train_cycle, []

    def train_cycle(*args):
        calls.append(args[1])
        if len(calls) > 2:
            raise Killed
        return original(*args)

    with monkeypatch.context() as patch:
        patch.setattr(trainer, "train_cycle", train_cycle)
        with pytest.raises(Killed):
            run(tmp_path / "b")
    save_cycles(tmp_path / "resumed", run(tmp_path / "b"))
    assert (tmp_path / "resumed").read_bytes() == (tmp_path / "whole").read_bytes()


@pytest.mark.parametrize(
    ("model", "widths", "side"),
    [
        ("FC", (6, 5), 6),
        ("Conv", (4, 5), 8),
        ("ResNet18", (3, 3, 2, 3, 2), 16),
        ("VGG19", (3, 2, 3, 2, 2), 32),
    ],
)
def test_expanded_undoes_compact_where_nodes_remain(model, widths, side):
    images, labels = make_images(16, side=side)
    few = images, labels
    task = make_task(few, few, few, toy_settings(model, widths))
    random = generator("expanded")
    masks = Masks(
        tuple(torch.rand(width, generator=random) < 0.6 for width in masked_widths(task.layers))
    )
    full = {name: tensor + 1 for name, tensor in initial_weights(task.steps(), 0).items()}
    small = compact(full, task.steps(masks))
    back = expanded(small, task.steps(masks))
    assert {n: t.shape for n, t in back.items()} == {n: t.shape for n, t in full.items()}
    assert same(compact(back, task.steps(masks)), small)
    for name, tensor in back.items():
        assert ((tensor == 0) | (tensor == full[name])).all()
