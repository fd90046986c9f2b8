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
from dropnet.tables.removable import MARGINS, largest_share, tabulate

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
    ("losses", "margin", "share"),
    [
        ([0, 0.005, 0.015, 0.5], 0.01, 1 - 0.5 / 2**0.5),  # half-way from 0.5 to 0.25
        ([0, 0.02, 0, 0], 0.01, 1 - 1 / 2**0.5),  # what comes after the first crossing is no help
        ([0, 0, 0, 0], 0.01, 0.875),  # never
        ([0, 0.01, 0.01, 0.01], 0.01, 0.875),  # not more than the margin
        ([0, -0.1, 0.01, 0.03], 0.02, 1 - 0.25 / 2**0.5),
        ([0, 1, 1, 1], 0.0, 0.0),
    ],
)
def test_shares_worked_by_hand(losses, margin, share):
    assert largest_share(FRACTIONS, np.array(losses), margin) == pytest.approx(share)


@settings(max_examples=100)
@given(losses=st.lists(st.floats(-0.1, 1), min_size=3, max_size=3))
def test_a_larger_margin_never_allows_less(losses):
    shares = [largest_share(FRACTIONS, np.array([0, *losses]), margin) for margin in MARGINS]
    assert shares == sorted(shares)
    assert 0 <= shares[0] <= shares[-1] <= 0.875 + 1e-12


def table(seeds=5, noise=0.0):
    random = np.random.default_rng(0)
    rows, sizes = [], []
    for seed in range(seeds):
        for cycle, fraction in enumerate(FRACTIONS):
            loss = [0, 0.004, 0.012, 0.3][cycle] + noise * random.standard_normal() * (cycle > 0)
            rows.append(["X", "minimum", seed, cycle, fraction, 0.9 - loss])
            sizes.append(["X", "minimum", seed, cycle, 1000 * fraction, 8000 * fraction**2])
    columns = ["experiment", "method", "seed", "cycle"]
    runs = pd.DataFrame(rows, columns=[*columns, "fraction_remaining", "test_accuracy"])
    return runs, pd.DataFrame(sizes, columns=[*columns, "parameters", "multiply_adds"])


def test_the_table_names_the_smallest_network_within_each_margin():
    made = tabulate(*table(), ["minimum"])
    assert list(made.columns) == list(REMOVABLE)
    made = made.set_index("margin")
    assert made["removed"].tolist() == [0.5, 0.5, 0.75]
    assert made["accuracy"].tolist() == pytest.approx([0.896, 0.896, 0.888])
    assert made["parameters"].tolist() == [500, 500, 250]
    assert made["multiply_adds_share"].tolist() == [0.25, 0.25, 0.0625]
    assert (made["ci_low"] == made["removable"]).all(), "no spread, no interval"
    assert made["removable"].is_monotonic_increasing


def test_the_interval_is_that_of_the_seeds():
    made = tabulate(*table(noise=0.002), ["minimum"]).set_index("margin")
    again = tabulate(*table(noise=0.002), ["minimum"]).set_index("margin")
    pd.testing.assert_frame_equal(made, again)
    assert ((made["ci_low"] <= made["removable"]) & (made["removable"] <= made["ci_high"])).all()
    assert (made["ci_low"] < made["ci_high"]).all()
    alone = tabulate(*table(seeds=1), ["minimum"])
    assert alone[["ci_low", "ci_high"]].isna().all(axis=None)
