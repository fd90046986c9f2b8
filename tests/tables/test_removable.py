"""How much can go, worked by hand; sizes of networks, against those of their weights."""

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from dropnet.networks.masks import Masks
from dropnet.networks.models import MODELS, masked_widths
from dropnet.networks.sizes import Size, size_of
from dropnet.networks.steps import steps_of
from dropnet.networks.weights import compact, initial_weights
from dropnet.randomness import generator
from dropnet.tables.columns import REMOVABLE
from dropnet.tables.margins import MARGINS, last_within
from dropnet.tables.removable import interval, tabulate

# --- sizes -------------------------------------------------------------------------------------


def test_sizes_worked_by_hand():
    """Model A with 784 inputs and Model B with 28 x 28 images."""
    fully = steps_of(MODELS["FC"]([20, 30], 10), (1, 28, 28))
    assert size_of(fully, 28, 28) == Size(
        784 * 20 + 20 + 20 * 30 + 30 + 30 * 10 + 10, 784 * 20 + 20 * 30 + 30 * 10
    )
    convolutional = steps_of(MODELS["Conv"]([4, 5], 10), (1, 28, 28))
    assert size_of(convolutional, 28, 28) == Size(
        9 * 4 + 4 + 9 * 4 * 5 + 5 + 49 * 5 * 10 + 10,
        9 * 4 * 28 * 28 + 9 * 4 * 5 * 14 * 14 + 49 * 5 * 10,
    )


@pytest.mark.parametrize(
    ("model", "widths", "side"),
    [("FC", (6, 5), 6), ("Conv", (4, 5), 8), ("ConvFC256", (3, 4, 3, 2), 16)]
    + [("ResNet18", (3, 3, 4, 5, 6), 32), ("VGG19", (2, 3, 3, 4, 4), 32)],
)
@settings(max_examples=10)
@given(seed=st.integers(0, 10**6))
def test_parameters_are_as_many_as_trained_values(model, widths, side, seed):
    """Under random masks, empty layers included; moving averages are not trained."""
    layers = MODELS[model](widths, 10)
    random = generator("masks", seed)
    masks = Masks(
        tuple(torch.rand(width, generator=random) < 0.6 for width in masked_widths(layers))
    )
    shape = (1, side, side)
    steps = steps_of(layers, shape, masks)
    weights = compact(initial_weights(steps_of(layers, shape), 0), steps)
    trained = [w for name, w in weights.items() if not name.endswith((".mean", ".variance"))]
    assert size_of(steps, side, side).parameters == sum(w.numel() for w in trained)


# --- how much can go ---------------------------------------------------------------------------

FRACTIONS = np.array([1.0, 0.5, 0.25, 0.125])


@pytest.mark.parametrize(
    ("losses", "margin", "point"),
    [
        ([0, 0.005, 0.015, 0.5], 0.01, 1),
        ([0, 0.02, 0, 0], 0.01, 0),  # what comes after the first crossing is no help
        ([0, 0, 0, 0], 0.01, 3),  # never
        ([0, 0.01, 0.01, 0.01], 0.01, 3),  # not more than the margin
        ([0, -0.1, 0.01, 0.03], 0.02, 2),
        ([0, 1, 1, 1], 0.0, 0),
    ],
)
def test_the_last_point_within_a_margin_worked_by_hand(losses, margin, point):
    assert last_within(np.array(losses), margin) == point


@settings(max_examples=100)
@given(losses=st.lists(st.floats(-0.1, 1), min_size=3, max_size=3))
def test_a_larger_margin_never_allows_less(losses):
    points = [last_within(np.array([0, *losses]), margin) for margin in MARGINS]
    assert points == sorted(points)


def table(seeds=5, noise=0.0, unpruned=0.9):
    random = np.random.default_rng(0)
    rows, sizes = [], []
    for seed in range(seeds):
        for cycle, fraction in enumerate(FRACTIONS):
            loss = [0, 0.004, 0.012, 0.3][cycle] + noise * random.standard_normal() * (cycle > 0)
            rows.append(["X", "minimum", seed, cycle, fraction, unpruned - loss])
            sizes.append(["X", "minimum", seed, cycle, 1000 * fraction, 8000 * fraction**2])
    columns = ["experiment", "method", "seed", "cycle"]
    runs = pd.DataFrame(rows, columns=[*columns, "fraction_remaining", "test_accuracy"])
    return runs, pd.DataFrame(sizes, columns=[*columns, "parameters", "multiply_adds"])


def test_the_table_names_the_smallest_network_within_each_margin():
    made = tabulate(*table(), ["minimum"], classes=10)
    assert list(made.columns) == list(REMOVABLE)
    made = made.set_index("margin")
    assert made["removable"].tolist() == [0.5, 0.5, 0.75]
    assert made["accuracy"].tolist() == pytest.approx([0.896, 0.896, 0.888])
    assert made["parameters"].tolist() == [500, 500, 250]
    assert made["multiply_adds_share"].tolist() == [0.25, 0.25, 0.0625]
    assert (made["ci_low"] == made["removable"]).all(), "no spread: the loss is known exactly"
    assert (made["ci_high"] == made["removable"]).all()
    assert made["crossed"].all()


@pytest.mark.parametrize(("seeds", "unpruned"), [(1, 0.9), (5, 0.15)])
def test_a_single_run_and_networks_near_chance_have_no_share(seeds, unpruned):
    made = tabulate(*table(seeds=seeds, unpruned=unpruned), ["minimum"], classes=10)
    no_share = ["removable", "ci_low", "ci_high", "accuracy", "parameters", "multiply_adds_share"]
    assert made[no_share].isna().all(axis=None)
    assert made["at_chance"].eq(unpruned < 0.2).all()
    assert not made["crossed"].any()


# --- the interval ------------------------------------------------------------------------------


def test_the_interval_worked_by_hand():
    """Of two seeds t is 12.706: a spread of 0.001 is an interval of 0.0064 either way."""
    losses = np.array([[0, 0.0035, 0.0115, 0.3], [0, 0.0045, 0.0125, 0.3]])
    # the loss at 0.25 is .0057 to .0184: beyond a point perhaps, not surely; at 0.5 perhaps, too
    assert interval(FRACTIONS, losses, 0.01) == (0.0, 0.75)
    assert interval(FRACTIONS, losses, 0.02) == (0.75, 0.75)
    assert interval(FRACTIONS, losses[:, :3], 0.02) == (0.875 - 0.125, 1.0), "the end is not known"


TRUTHS = {
    "a fifth a cycle": 0.012 * (1 / 0.8 ** np.arange(8) - 1),
    "just at the margin": np.array([0, 0.002, 0.0101, 0.0101, 0.03, 0.1]),
    "just within": np.array([0, 0.002, 0.0099, 0.0099, 0.03, 0.1]),
    "a collapse": np.array([0, 0.001, 0.002, 0.3, 0.6, 0.8]),
    "never": np.array([0, 0.001, 0.002, 0.003, 0.005, 0.006]),
}


@pytest.mark.parametrize("seeds", [2, 3, 5, 15])
@pytest.mark.parametrize("truth", TRUTHS.values(), ids=TRUTHS)
@pytest.mark.parametrize("shared", [0.0, 0.8])
def test_the_interval_covers_the_true_share_as_often_as_it_says(truth, seeds, shared):
    """In 19 of 20 repetitions of the experiment, whatever the number of seeds.

    Losses of a seed scatter about the true curve, more where it is far down; some of it is common
    to all points of the seed.
    """
    random = np.random.default_rng(seeds)
    fractions = 0.8 ** np.arange(len(truth))
    spread = np.where(np.arange(len(truth)) == 0, 0, 0.003 + 0.2 * truth)
    last = last_within(truth, 0.01)
    true_share = 1 - fractions[last]
    repetitions, covered = 1000, 0
    for _ in range(repetitions):
        own, common = (
            random.standard_normal((seeds, len(truth))),
            random.standard_normal((seeds, 1)),
        )
        noise = np.sqrt(1 - shared) * own + np.sqrt(shared) * common
        low, high = interval(fractions, truth + spread * noise, 0.01)
        covered += low <= true_share <= high
    # three standard errors of a share of 0.95 in 1,000 repetitions
    assert covered / repetitions >= 0.95 - 3 * np.sqrt(0.95 * 0.05 / repetitions)
