"""Contrasts: numbers worked by hand, what decides nothing, how often nothing becomes something."""

import math

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from dropnet.criteria.contrasts import (
    BETTER,
    LOWER,
    NO_DIFFERENCE,
    UNDECIDED,
    UPPER,
    WORSE,
    compare,
    detectable,
    holm,
)
from dropnet.errors import UserError
from dropnet.files.csv_tables import read_table, write_table
from dropnet.tables.columns import CRITERIA
from helpers.made_up_runs import flat, made_up


def table_of(accuracies, **kwargs):
    runs = made_up(accuracies, **kwargs)
    return compare(runs, {"A": 10}, "tiny", {"A": "3 of 15 seeds"})


def the_only(table, over):
    row = table[(table["low"] == over[0]) & (table["high"] == over[1])]
    assert len(row) == 1
    return row.iloc[0]


def test_the_numbers_of_a_contrast_are_those_worked_by_hand():
    # differences of .01, .02 and .03: a mean of .02, a standard error of .01 / sqrt(3)
    differences = (0.01, 0.02, 0.03)
    table = table_of(
        {
            "minimum": [flat(0.97, 0.9 + d) for d in differences],
            "random": [flat(0.97, 0.9) for _ in differences],
        }
    )
    row = the_only(table, UPPER)
    assert (row["scale"], row["reduced"]) == ("tiny", "3 of 15 seeds")
    assert (row["criterion"], row["reference"], row["seeds"]) == ("minimum", "random", 3)
    assert row["accuracy"] == pytest.approx(0.92)
    assert row["reference_accuracy"] == pytest.approx(0.9)
    assert row["effect"] == pytest.approx(0.02)
    # t = 2 sqrt(3); with 2 degrees of freedom P(|T| > t) = 1 - t / sqrt(t^2 + 2), and the 97.5%
    # quantile is 4.302653
    t = 2 * math.sqrt(3)
    assert row["p"] == pytest.approx(1 - t / math.sqrt(t**2 + 2), abs=1e-6)
    half = 4.302653 * 0.01 / math.sqrt(3)
    assert (row["ci_low"], row["ci_high"]) == pytest.approx((0.02 - half, 0.02 + half), abs=1e-6)
    # two tests of one family, both with this p, and one of ranks: of 3 seeds all one way, 2 / 2^3
    assert row["p_holm"] == pytest.approx(2 * row["p"], abs=1e-6)
    assert row["level"] == 0.025
    assert row["verdict"] == NO_DIFFERENCE
    assert row["ranks"] == ""
    assert math.isnan(row["p_ranks"])
    lower = the_only(table, LOWER)
    assert lower["p_ranks"] == lower["p_ranks_holm"] == 0.25
    assert lower["ranks"] == UNDECIDED  # three seeds could not pass, whatever they are


@pytest.mark.parametrize(("seeds", "ranks"), [(5, UNDECIDED), (6, BETTER)])
def test_ranks_say_nothing_where_no_seeds_could_pass(seeds, ranks):
    """All seeds go one way: 2 / 2^5 of a single test is too much, 2 / 2^6 is not."""
    gains = [0.01 + 0.001 * seed for seed in range(seeds)]
    table = table_of(
        {
            "minimum": [flat(0.97, 0.8 + gain) for gain in gains],
            "random": [flat(0.97, 0.8) for _ in gains],
        }
    )
    assert the_only(table, LOWER)["ranks"] == ranks


def test_means_are_taken_on_the_logarithmic_axis_and_end_where_a_curve_does():
    # from 0.5 to 0.2 linear in the logarithm from .9 to .7: .8 on average; below, a curve that ends
    # at 0.1 of .7 and then .5: at 0.1 it is .5, so .6 on average
    kept = ((40, 40), (20, 20), (8, 8), (4, 4))
    table = table_of(
        {
            "apoz_layer": [[0.97, 0.9, 0.7, 0.5 + d] for d in (0, 0.01, 0.02)],
            "random_layer": [flat(0.97, 0.5, 4)] * 3,
        },
        kept=kept,
    )
    upper, lower = the_only(table, UPPER), the_only(table, LOWER)
    # the curve of the reference is flat from 0.5 on
    assert upper["accuracy"] == pytest.approx(0.8)
    assert upper["reference_accuracy"] == pytest.approx(0.5)
    assert (upper["verdict"], upper["reason"]) == (UNDECIDED, "no spread between the seeds")
    assert (lower["low"], lower["reached"]) == (0.05, 0.1)
    assert lower["accuracy"] == pytest.approx((0.7 + 0.51) / 2)
    assert lower["level"] == 0.05  # the only one that can be decided


def noise(seed, methods, seeds, shift=None):
    """Accuracies of methods that differ by chance alone, or by a shift of the mean as well."""
    generator = np.random.default_rng(seed)
    return {
        method: [
            [0.97, *(0.9 + (shift or {}).get(method, 0) + 0.01 * generator.standard_normal(4))]
            for _ in range(seeds)
        ]
        for method in methods
    }


def test_each_criterion_has_its_own_references_and_the_right_words():
    methods = [
        "minimum",
        "minimum_layer",
        "maximum",
        "random",
        "random_layer",
        "minimum (shuffled)",
    ]
    shift = {"minimum": 0.05, "maximum": -0.05, "minimum (shuffled)": 0.05}
    table = table_of(noise(1, methods, 15, shift))
    words = {
        (row.criterion, row.reference, row.low): (row.verdict, row.ranks)
        for row in table.itertuples()
    }
    assert words == {
        ("minimum", "random", 0.2): (BETTER, ""),
        ("minimum", "random", 0.05): (BETTER, BETTER),
        ("minimum", "minimum (shuffled)", 0.2): (NO_DIFFERENCE, ""),
        ("minimum", "minimum (shuffled)", 0.05): (NO_DIFFERENCE, NO_DIFFERENCE),
        ("minimum_layer", "random_layer", 0.2): (NO_DIFFERENCE, ""),
        ("minimum_layer", "random_layer", 0.05): (NO_DIFFERENCE, NO_DIFFERENCE),
        ("maximum", "random", 0.2): (WORSE, ""),
        ("maximum", "random", 0.05): (WORSE, WORSE),
    }


def test_ranks_see_what_a_few_collapsed_networks_hide():
    """14 seeds a little better, one that collapses: the mean is lower, and not surely."""
    generator = np.random.default_rng(0)
    gains = [-0.6, *(0.01 + 0.001 * generator.random(14))]
    table = table_of(
        {
            "minimum": [flat(0.97, 0.8 + gain) for gain in gains],
            "random": [flat(0.97, 0.8)] * 15,
        }
    )
    row = the_only(table, LOWER)
    assert row["effect"] < 0
    assert row["verdict"] == NO_DIFFERENCE
    assert row["ranks"] == BETTER


@pytest.mark.parametrize(
    ("accuracies", "losses", "reason"),
    [
        ({"minimum": [0.9, 0.91], "random": [0.9, 0.9]}, {}, "too few seeds"),
        (
            {"minimum": [0.9, 0.91, 0.92], "random": [0.9, 0.9, 0.9]},
            {("random", 1, 3): math.nan},
            "networks of 1 of 6 curves diverged",
        ),
        (
            {"minimum": [0.1, 0.11, 0.12], "random": [0.1, 0.1, 0.1]},
            {},
            "both are near chance",
        ),
        (
            {"minimum": [0.9, 0.8, 0.7], "random": [0.8, 0.7, 0.6]},
            {},
            "no spread between the seeds",
        ),
    ],
)
def test_what_cannot_be_decided_is_not_and_says_why(accuracies, losses, reason):
    given = {m: [flat(0.97, a) for a in values] for m, values in accuracies.items()}
    table = table_of(given, losses=losses)
    assert set(table["verdict"]) == {UNDECIDED}
    assert set(table["reason"]) == {reason}
    assert table[["p", "p_holm", "level", "detectable", "p_ranks"]].isna().all(axis=None)
    assert table["effect"].notna().all()


def test_networks_that_have_learnt_nothing_decide_nothing():
    given = {
        "minimum": [flat(0.1, 0.3 + s / 100) for s in range(3)],
        "random": [flat(0.1, 0.3)] * 3,
    }
    assert set(table_of(given)["reason"]) == {"the unpruned networks are near chance"}


def test_a_curve_that_ends_above_a_range_is_not_compared_there():
    kept = ((40, 40), (20, 20), (12, 12))
    given = {"minimum": [[0.97, 0.9, 0.9 + s / 100] for s in range(3)]}
    table = table_of(given | {"random": [flat(0.97, 0.9, 3)] * 3}, kept=kept)
    lower = the_only(table, LOWER)
    assert (lower["verdict"], lower["reason"]) == (UNDECIDED, "a curve ends above this range")
    assert lower["seeds"] == 0
    assert math.isnan(lower["effect"])
    assert the_only(table, UPPER)["reached"] == 0.3


def test_a_network_that_diverged_elsewhere_does_not_matter():
    """The mean from 0.5 to 0.2 rests on the networks at 0.5 and 0.2, not on that at 0.05."""
    given = {"minimum": [flat(0.97, 0.9 + s / 100) for s in range(3)]}
    table = table_of(
        given | {"random": [flat(0.97, 0.9)] * 3}, losses={("minimum", 0, 4): math.inf}
    )
    assert the_only(table, UPPER)["reason"] == ""
    assert the_only(table, LOWER)["reason"] == "networks of 1 of 6 curves diverged"


def test_only_seeds_that_both_have_are_compared():
    given = {
        "minimum": [flat(0.97, 0.9 + s / 100) for s in range(4)],
        "random": [flat(0.97, 0.9)] * 3,
    }
    row = the_only(table_of(given), UPPER)
    assert row["seeds"] == 3
    assert row["effect"] == pytest.approx(0.01)


def test_holm_is_that_of_the_textbook():
    # sorted .01 .02 .03 .04, times 4, 3, 2, 1: .04 .06 .06 .04, and never below what came before
    assert holm([0.04, 0.01, 0.03, 0.02]) == pytest.approx([0.06, 0.04, 0.06, 0.06])
    assert holm([0.5, 0.5]) == [1, 1]
    assert holm([0.03, 0.03, 0.001]) == pytest.approx([0.06, 0.06, 0.003])
    assert holm([0.04]) == [0.04]
    assert holm([]) == []


def test_the_detectable_effect_is_found_as_often_as_it_says():
    """Drawn differences with exactly this mean are found in 80 of 100 tests, at a strict level."""
    generator = np.random.default_rng(0)
    seeds, level, repetitions = 15, 0.05 / 40, 20_000
    drawn = generator.standard_normal((repetitions, seeds))
    known = np.array([-1, 1] * 7 + [0])  # a standard deviation of 1
    size = detectable(known, level)
    found = stats.ttest_1samp(size + drawn, 0, axis=1).pvalue <= level
    assert found.mean() == pytest.approx(0.8, abs=0.01)


@pytest.mark.parametrize("level", [0.05, 0.05 / 240])
def test_a_detectable_effect_exists_for_three_seeds(level):
    size = detectable(np.array([0.01, 0.02, 0.03]), level)
    assert 0.01 < size < 10


@pytest.mark.slow
@pytest.mark.parametrize(
    ("seeds", "tables", "collapses"),
    # fewer tables of 8 seeds: where their differences have ties, scipy permutes, which is slow
    [(15, 200, False), (15, 200, True), (8, 60, True)],
)
def test_without_any_effect_hardly_a_table_has_a_verdict(seeds, tables, collapses):
    """The family-wise error of either kind of test is at most 5%, also if networks collapse."""
    methods = ["minimum", "maximum", "apoz", "l1_norm", "taylor", "minimum (shuffled)", "random"]
    wrong, wrong_ranks = 0, 0
    for seed in range(tables):
        given = noise(seed, methods, seeds)
        if collapses:
            generator = np.random.default_rng(1000 + seed)
            for of_method in given.values():
                for accuracies in of_method:
                    if generator.random() < 0.2:
                        accuracies[-2:] = [0.3, 0.1]
        table = table_of(given)
        assert len(table) == 2 * 6
        wrong += bool(table["verdict"].isin([BETTER, WORSE]).any())
        wrong_ranks += bool(table["ranks"].isin([BETTER, WORSE]).any())
    most = stats.binom.ppf(0.99, tables, 0.05)
    assert wrong <= most
    assert wrong_ranks <= most


@pytest.mark.slow
def test_an_effect_that_is_there_is_found_with_its_power():
    """Networks that are as much better as a table of the same spread could have detected."""
    methods = ["minimum", "apoz", "random"]
    size = detectable(
        np.array([0.01 * math.sqrt(2) * x for x in stats.norm.ppf(np.arange(1, 15) / 15)]), 0.05 / 4
    )
    found = 0
    for seed in range(100):
        given = noise(seed, methods, 14, {"minimum": size})
        rows = table_of(given)
        found += (the_only(rows[rows["criterion"] == "minimum"], UPPER)["verdict"]) == BETTER
    assert found >= 0.8 * 100  # more, as means over a range spread less than single points


def test_the_table_is_read_as_it_was_written_and_refused_otherwise(tmp_path):
    path = tmp_path / "criteria.csv"
    table = table_of(noise(1, ["minimum", "random"], 5))
    write_table(path, table)
    pd.testing.assert_frame_equal(read_table(path, CRITERIA), table, check_dtype=False)
    text = path.read_text()
    path.write_text(text.replace("minimum", "", 1))
    with pytest.raises(UserError, match="line 2, column 'criterion': '' is not a name"):
        read_table(path, CRITERIA)
    path.write_text(text.replace("p_holm", "p_bonferroni"))
    with pytest.raises(UserError, match="column 'p_holm' is missing"):
        read_table(path, CRITERIA)
    path.write_text(text[:-10])
    with pytest.raises(UserError, match="cut off|cells"):
        read_table(path, CRITERIA)


def test_runs_without_a_pair_make_a_table_without_rows():
    table = table_of(noise(1, ["random", "random_layer"], 5))
    assert list(table.columns) == list(CRITERIA)
    assert table.empty
