"""What is said of speed: faster, slower, or neither."""

import pandas as pd
import pytest

from dropnet.tables.speed import FASTER, OPEN, SLOWER, in_words, judged


def make_rows(*rows):
    columns = ["experiment", "method", "rounding", "batch", "speedup", "speedup_low"]
    return pd.DataFrame(rows, columns=[*columns, "speedup_high"]).assign(at_chance=False)


TABLE = make_rows(
    ("A", "baseline", 1, 1, 1.0, 1.0, 1.0),
    ("A", "minimum", 1, 1, 2.0, 1.9, 2.1),
    ("A", "minimum", 8, 1, 0.5, 0.4, 0.6),
    ("A", "minimum", 1, 32, 1.0, 0.9, 1.1),
    ("B", "minimum", 1, 1, 0.8, 0.7, 0.95),
    ("B", "minimum", 1, 32, 3.0, 2.9, 3.1),
)


def test_a_verdict_needs_three_of_four_measurements():
    assert judged(TABLE) == [OPEN, FASTER, SLOWER, OPEN, SLOWER, FASTER]


def test_what_became_slower_is_named():
    assert in_words(TABLE) == (
        "With one image at a time, pruning makes 1 of 2 faster and 1 SLOWER: B (0.80 times as"
        " fast). With 32 images at a time, pruning makes 1 of 2 faster and none slower; 1 not told"
        " apart."
    )


def test_networks_near_chance_are_named():
    words = in_words(TABLE.assign(at_chance=TABLE["experiment"] == "B"))
    assert words.endswith("Near chance, so that the smallest network loses nothing: B.")


@pytest.mark.parametrize("rounding", [8, 16])
def test_words_are_about_exact_sizes(rounding):
    rounded = TABLE[TABLE["rounding"] == rounding]
    assert in_words(rounded) == ""
