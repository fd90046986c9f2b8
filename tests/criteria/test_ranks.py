"""Mean ranks, with ties and intervals, and the shares of layers."""

import math

import pandas as pd
import pytest

from dropnet.criteria.layers import shares
from dropnet.criteria.ranks import FRACTIONS, rank
from dropnet.files.csv_tables import read_table, write_table
from dropnet.tables.columns import LAYERS, RANKS
from helpers.made_up_runs import flat, made_up


def test_ranks_are_those_worked_by_hand_with_ties():
    # seed 0: .9 .9 .8 -> 1.5 1.5 3; seed 1: .9 .8 .7 -> 1 2 3; seed 2: .7 .9 .8 -> 3 1 2
    runs = made_up(
        {
            "a": [flat(0.97, x) for x in (0.9, 0.9, 0.7)],
            "b": [flat(0.97, x) for x in (0.9, 0.8, 0.9)],
            "c": [flat(0.97, x) for x in (0.8, 0.7, 0.8)],
        }
    )
    table = rank(runs, 10)
    assert sorted(set(table["fraction_remaining"]), reverse=True) == list(FRACTIONS)
    at_half = table[table["fraction_remaining"] == 0.5].set_index("method")
    assert at_half["rank"].to_dict() == pytest.approx(
        {"a": 5.5 / 3, "b": 1.5, "c": 8 / 3}, abs=1e-6
    )
    assert set(at_half["seeds"]) == set(at_half["methods"]) == {3}
    # b: 1.5 2 1, a standard error of 0.5 / sqrt(3), 4.302653 of them
    assert at_half.loc["b", "ci_low"] == pytest.approx(
        1.5 - 4.302653 * 0.5 / math.sqrt(3), abs=1e-5
    )
    assert at_half.loc["b", "ci_high"] == pytest.approx(
        1.5 + 4.302653 * 0.5 / math.sqrt(3), abs=1e-5
    )
    assert not at_half["at_chance"].any()


def test_ranks_between_the_points_of_a_curve_and_not_beyond_its_end():
    kept = {"a": ((40, 40), (20, 20), (8, 8)), "b": ((40, 40), (24, 24), (7, 7))}
    runs = made_up({"a": [[0.97, 0.9, 0.5]], "b": [[0.97, 0.7, 0.7]]}, kept=kept)
    table = rank(runs, 10).set_index(["fraction_remaining", "method"])
    assert min(table.index.get_level_values(0)) == 0.2
    # halfway in the logarithm of 0.5 and 0.2, at 0.316, a has .7 as well
    assert table.loc[(0.3, "a"), "rank"] == 2
    assert table.loc[(0.4, "a"), "rank"] == 1
    assert table["ci_low"].isna().all()  # of a single seed


def test_where_all_are_at_chance_ranks_say_so():
    runs = made_up({"a": [[0.97, 0.9, 0.5, 0.1, 0.1]] * 3, "b": [[0.97, 0.9, 0.5, 0.12, 0.1]] * 3})
    table = rank(runs, 10).set_index(["fraction_remaining", "method"])
    assert not table.loc[0.6, "at_chance"].any()
    assert table.loc[0.1, "at_chance"].all()


def test_shares_of_layers_are_those_of_the_masks():
    kept = {"a": ((10, 20), (4, 5)), "b": ((10, 20), (10, 1))}
    runs = made_up({"a": [[0.9, 0.8]] * 2, "b": [[0.9, 0.8]]}, kept=kept)
    runs.loc[(runs["method"] == "a") & (runs["seed"] == 1) & (runs["cycle"] == 1), "remaining"] = (
        "2|7"
    )
    table = shares(runs).set_index(["method", "cycle", "layer"])
    assert table.loc[("a", 1, 1), ["kept", "least", "most"]].tolist() == pytest.approx(
        [0.3, 0.2, 0.4]
    )
    assert table.loc[("a", 1, 2), ["kept", "least", "most"]].tolist() == [0.3, 0.25, 0.35]
    assert table.loc[("b", 1, 1), "kept"] == 1
    assert table.loc[("b", 1, 2), "kept"] == 0.05
    assert table.loc[("a", 0, 2), ["kept", "width", "seeds"]].tolist() == [1, 20, 2]
    assert table.loc[("b", 1, 1), "fraction_remaining"] == pytest.approx(11 / 30, abs=1e-6)


def test_both_tables_are_read_as_they_were_written(tmp_path):
    runs = made_up({"a": [flat(0.97, 0.9)] * 3, "b": [flat(0.97, 0.8)] * 3})
    for name, table, columns in (("r", rank(runs, 10), RANKS), ("l", shares(runs), LAYERS)):
        write_table(tmp_path / name, table)
        read = read_table(tmp_path / name, columns)
        pd.testing.assert_frame_equal(read, table, check_dtype=False)
