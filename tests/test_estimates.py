"""Means of a few seeds and of a curve, worked by hand and as scipy has them."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from dropnet.estimates import Estimate, average
from dropnet.tables.aggregate import mean_and_ci95

FRACTIONS = [1.0, 0.8, 0.5, 0.3, 0.2, 0.1]


def test_the_difference_of_two_means_by_welch_as_scipy_has_it():
    random = np.random.default_rng(1)
    ours, theirs = random.normal(1, 1, 5), random.normal(0, 3, 15)
    difference = Estimate.of(ours).minus(Estimate.of(theirs))
    expected = stats.ttest_ind(ours, theirs, equal_var=False)
    assert difference.freedom == pytest.approx(expected.df)
    assert difference.interval == pytest.approx(tuple(expected.confidence_interval(0.95)))
    assert difference.p(0, "greater") == pytest.approx(
        stats.ttest_ind(ours, theirs, equal_var=False, alternative="greater").pvalue
    )


@given(st.lists(st.floats(-1, 1), min_size=2, max_size=20))
def test_a_bar_of_the_papers_kind_is_as_good_as_the_samples(samples):
    known = Estimate.of_bar(*mean_and_ci95(samples), len(samples))
    expected = Estimate.of(samples)
    assert (known.value, known.error) == pytest.approx((expected.value, expected.error), abs=1e-12)
    assert known.freedom == expected.freedom


def test_averages_worked_by_hand():
    """On the logarithmic axis 1, 0.1 and 0.01 are equally far from each other."""
    fractions, accuracies = [0.01, 1.0, 0.1], [0.0, 1.0, 0.5]
    assert average(fractions, accuracies, 0.1, 0.1) == pytest.approx(0.5)
    assert average(fractions, accuracies, 0.1, 1.0) == pytest.approx(0.75)
    assert average(fractions, accuracies, 0.01, 1.0) == pytest.approx(0.5)
    assert average(fractions, accuracies, math.sqrt(0.1), 1.0) == pytest.approx(0.875)
    assert average(fractions, accuracies, 0.001, 0.02) == average(fractions, accuracies, 0.01, 0.02)
    assert average([0.0, *fractions], [0.3, *accuracies], 0.01, 1) == pytest.approx(0.5)


@settings(max_examples=50)
@given(
    accuracies=st.lists(st.floats(0, 1), min_size=6, max_size=6),
    low=st.floats(0.1, 1),
    high=st.floats(0.1, 1),
)
def test_an_average_lies_between_the_lowest_and_the_highest_point(accuracies, low, high):
    low, high = sorted((low, high))
    mean = average(FRACTIONS, accuracies, low, high)
    assert min(accuracies) - 1e-9 <= mean <= max(accuracies) + 1e-9
