"""From a run to files with cards: what they say, and which networks there are."""

import json

import pytest
import torch

from dropnet.errors import UserError
from dropnet.export.choice import choose
from dropnet.export.exporting import export, file_of
from dropnet.export.speed_rows import calls_of, read_card
from dropnet.networks.cycle import Cycle, Network, Results
from dropnet.networks.masks import Masks
from dropnet.networks.models import layers_of
from dropnet.networks.steps import steps_of
from dropnet.networks.weights import compact, initial_weights
from dropnet.training.operations import operations_of
from helpers.images import make_images
from helpers.settings import toy_settings

SETTINGS = toy_settings(widths=(9, 5))
SHAPE = (1, 6, 6)
PROVENANCE = {
    "git": {"commit": "c0ffee" * 6 + "c0ff", "clean": True},
    "started": "2026-01-01T00:00:00+00:00",
    "device": "cpu",
    "cpu": "A processor",
}


def make_run(accuracies, seeds=(0, 1), test=None):
    """Cycles of a run, that drop a node of each layer; accuracies by cycle, or those on `test`."""
    layers = layers_of(SETTINGS)
    masks, cycles = Masks.full(SETTINGS.widths), []
    for number, accuracy in enumerate(accuracies):
        steps = steps_of(layers, SHAPE, masks)
        networks = []
        for seed in seeds:
            weights = compact(initial_weights(steps_of(layers, SHAPE), seed), steps)
            if test is not None:
                engine = operations_of(steps, weights, torch.float32)
                predictions = engine.forward(test[0].float() / 255).argmax(1)
                accuracy = (predictions == test[1]).double().mean().item()
            results = Results(0.9, 0.3, 0.9, 0.3, accuracy, 0.3, 5)
            networks.append(Network(seed, masks, weights, {}, results))
        cycles.append(Cycle(number, networks))
        masks = masks.drop([torch.arange(min(1, left)) for left in masks.remaining])
    return cycles


@pytest.mark.parametrize(
    ("accuracies", "chosen"),
    [([0.9, 0.895, 0.88, 0.9], 1), ([0.9, 0.91, 0.92], 2), ([0.9, 0.5, 0.9], 0)]
    # the last has no nodes left in its second layer, and nodes in its first
    + [([0.9] * 6, 5)],
)
def test_the_smallest_network_within_a_point_is_that_before_the_first_loss(accuracies, chosen):
    number, network = choose(make_run(accuracies), 1)
    assert (number, network.seed) == (chosen, 1)


def test_a_network_without_any_node_is_not_the_smallest():
    masks = Masks(tuple(torch.zeros(width, dtype=torch.bool) for width in SETTINGS.widths))
    cycles = make_run([0.9, 0.9])
    last = cycles[1].networks[0]
    cycles.append(Cycle(2, [Network(0, masks, last.weights, {}, last.results)]))
    assert choose(cycles, 0)[0] == 1
    assert choose(cycles, 0, 2)[0] == 2, "but can be asked for"


def test_what_a_run_does_not_have_is_refused_in_one_line():
    cycles = make_run([0.9, 0.9, 0.9])
    assert choose(cycles, 1, 2)[0] == 2
    with pytest.raises(UserError) as refused:
        choose(cycles, 1, 7)
    words = "cycle 7: the run has none of this number for seed 1; allowed: 0 to 2"
    assert str(refused.value) == words
    with pytest.raises(UserError) as refused:
        choose(cycles, 5)
    assert str(refused.value) == "seed 5: the run has no network of it; allowed: 0, 1"


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    """A run and its test set, of which cycle 2 was exported."""
    test = make_images(300, 3)
    cycles = make_run([0] * 3, test=test)
    path = tmp_path_factory.mktemp("export") / "minimum_seed1_cycle2.onnx"
    export(path, SETTINGS, "minimum", cycles, 1, 2, test, PROVENANCE)
    return path, cycles, test


@pytest.mark.slow
def test_a_card_says_what_a_file_is(exported):
    path, cycles, _ = exported
    network = cycles[2].networks[1]
    cards = {
        rounding: json.loads(file_of(path, rounding).with_suffix(".json").read_text())
        for rounding in (1, 8, 16)
    }
    assert cards[1]["is"] == (
        "toy on toy, pruned by minimum: 10 of 14 nodes remain (scale test, seed 1, cycle 2)"
    )
    assert cards[8]["is"].endswith(", widths rounded up to multiples of 8")
    assert (cards[1]["remaining"], cards[1]["widths"]) == ([7, 3], [9, 5])
    assert cards[1]["parameters"] == 36 * 7 + 7 + 7 * 3 + 3 + 3 * 10 + 10
    assert cards[8]["multiply_adds"] == 36 * 8 + 8 * 8 + 8 * 10
    assert cards[16]["multiply_adds"] == 36 * 16 + 16 * 16 + 16 * 10
    assert cards[1]["trained"]["commit"] == PROVENANCE["git"]["commit"]
    for rounding, card in cards.items():
        assert card["bytes"] == file_of(path, rounding).stat().st_size
        assert card["file"] == file_of(path, rounding).name
        assert card["accuracy"] == card["recorded_accuracy"] == network.results.test_accuracy
        assert card["test_images"] == 300
        assert max(card["largest_logit_difference"].values()) < 1e-4
        assert card["input"]["shape"] == ["batch", 1, 6, 6]


@pytest.mark.slow
def test_files_and_cards_are_what_latency_is_measured_of(exported):
    path, *_ = exported
    files = [file_of(path, rounding) for rounding in (1, 8)]
    calls = calls_of(files, [read_card(file) for file in files])
    assert [logits().shape for batch in (1, 32) for logits in calls[batch]] == [
        (1, 10), (1, 10), (32, 10), (32, 10),
    ]  # fmt: skip


@pytest.mark.slow
def test_a_network_that_is_not_the_one_recorded_is_refused(tmp_path):
    """As of a data set that is another one than the run's: nothing is kept of it."""
    cycles = make_run([0.77] * 3)
    path = tmp_path / "it.onnx"
    with pytest.raises(UserError, match=r"it.onnx: \d+ of 300 predictions are correct, but the"):
        export(path, SETTINGS, "minimum", cycles, 1, 2, make_images(300, 3), PROVENANCE)
    assert list(tmp_path.iterdir()) == []
