"""The league table, and what is said of it."""

import math

import pandas as pd

from dropnet.criteria.contrasts import BETTER, NO_DIFFERENCE, UNDECIDED, WORSE
from dropnet.criteria.league import against_random, against_shuffled, in_words, league, outcomes
from dropnet.tables.columns import CRITERIA


def table_of(*rows):
    """Rows of criteria.csv: experiment, criterion, reference, low, effect, verdict, ranks."""
    names = ("experiment", "criterion", "reference", "low", "effect", "verdict", "ranks")
    table = pd.DataFrame(
        [
            {
                **dict.fromkeys(CRITERIA, math.nan),
                **dict(zip(names, row, strict=True)),
                "high": {0.2: 0.5, 0.05: 0.2}[row[3]],
                "ci_low": row[4] - 0.01,
                "ci_high": row[4] + 0.01,
                "reason": "too few seeds" if row[5] == UNDECIDED else "",
            }
            for row in rows
        ]
    )
    return table[list(CRITERIA)]


TABLE = table_of(
    ("A", "minimum", "random", 0.2, 0.005, NO_DIFFERENCE, ""),
    ("A", "minimum", "random", 0.05, -0.1, NO_DIFFERENCE, BETTER),
    ("A", "maximum", "random", 0.2, -0.02, WORSE, ""),
    ("A", "taylor", "random", 0.2, 0.02, BETTER, ""),
    ("A", "taylor_layer", "random_layer", 0.2, 0.02, BETTER, ""),
    ("A", "minimum", "minimum (shuffled)", 0.2, 0.5, BETTER, ""),
    ("B", "minimum", "random", 0.2, 0.025, BETTER, ""),
    ("B", "maximum", "random", 0.2, -0.03, WORSE, ""),
    ("B", "taylor", "random", 0.2, 0.1, BETTER, ""),
    ("B", "taylor_layer", "random_layer", 0.2, 0.0, UNDECIDED, ""),
)


def test_the_best_criterion_is_first_and_bold_is_what_tests_say():
    found = league(against_random(TABLE))
    columns = [("A", "50% to 20%"), ("A", "20% to 5%"), ("B", "50% to 20%"), ("B", "20% to 5%")]
    assert found.columns == columns
    rows = {name: [cell.markdown if cell else "-" for cell in cells] for name, cells in found.rows}
    assert list(rows) == ["taylor", "minimum", "taylor_layer", "maximum"]
    assert rows["minimum"] == [
        "+0.5 (-0.5 to +1.5)",
        "-10.0 (-11.0 to -9.0)†",
        "**+2.5 (+1.5 to +3.5)**",
        "-",
    ]
    assert rows["taylor_layer"][2] == "too few seeds"
    assert [name for name, _ in league(against_shuffled(TABLE)).rows] == ["minimum"]


def test_a_sentence_for_each_range_counts_what_tests_say():
    first, second, third = in_words(TABLE)
    assert first == (
        "With 50% to 20% remaining, `minimum` is better on 1 of 2; of 3 others, better on all:"
        " `taylor`; worse on all: `maximum`."
    )
    assert second == ("With 20% to 5% remaining, `minimum` is not shown to differ.")
    assert third == ("By the test of ranks, `minimum` is better.")
    assert len(in_words(TABLE.assign(ranks=""))) == 2
    assert len(in_words(TABLE.assign(ranks="undecided"))) == 2  # too few seeds for the test
    assert in_words(TABLE[TABLE["verdict"] == UNDECIDED]) == []
    assert in_words(TABLE.iloc[:0]) == []
    (chance, _, ranks) = outcomes(TABLE)
    assert (chance.others, chance.networks) == (["taylor", "taylor_layer", "maximum"], 2)
    assert (ranks.others, ranks.test, ranks.dropnet) == ([], "ranks", {"minimum": "better"})
