"""The judge, on curves whose right verdicts are known, both ways; and on the paper's own."""

import math
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dropnet.config.check import load as load_config
from dropnet.config.plan import Plan
from dropnet.errors import UserError
from dropnet.paper.claims import CLAIMS, Statement, load, titles
from dropnet.paper.judging import (
    BORNE_OUT,
    COLUMNS,
    INCONCLUSIVE,
    NOT_BORNE_OUT,
    NOT_REPLICATED,
    NOT_RUN,
    REPLICATED,
    UNDECIDED,
    Drawn,
    assessed,
    average,
    judge,
    paper_effect,
    paper_verdict,
)

ROOT = Path(__file__).parents[2]
FRACTIONS = [1.0, 0.8, 0.6, 0.4, 0.2, 0.1]


def statement(**changes):
    defaults = {
        "id": "C1.1", "claim": "C1", "figure": "fig03", "method": "minimum", "other": "random",
        "over": (0.1, 0.8), "above": 0.0, "below": None, "sentence": "", "page": 1, "section": "4",
    }  # fmt: skip
    return Statement(**(defaults | changes))


def runs_of(curves, seeds=15, noise=0.004, shared=0.02):
    """Runs whose true curves are known; a seed's curves share an error of their own."""
    random = np.random.default_rng(0)
    of_seed = shared * random.standard_normal(seeds)
    rows = []
    for method, accuracies in curves.items():
        for seed in range(seeds):
            for cycle, (fraction, accuracy) in enumerate(zip(FRACTIONS, accuracies, strict=True)):
                value = accuracy + of_seed[seed] + noise * random.standard_normal()
                rows.append(["X", method, seed, cycle, fraction, value])
    columns = ["experiment", "method", "seed", "cycle", "fraction_remaining", "test_accuracy"]
    return pd.DataFrame(rows, columns=columns)


def verdicts(curves, *statements, reductions="", **options):
    runs = runs_of(curves, **options)
    names = {method: method for method in curves}
    drawn = {"fig03": Drawn("X", names, reductions)}
    table = judge(statements, runs, drawn, NO_PAPER)
    assert list(table.columns) == list(COLUMNS)
    return table.set_index("statement")


NO_PAPER = pd.DataFrame(
    columns=["figure", "method", "fraction_remaining", "accuracy", "ci95", "accuracy_error"]
)
FLAT = [0.9] * 6


def shifted(by):
    """A curve that lies so far above the flat one, but for the unpruned network."""
    return [0.9] + [0.9 + by] * 5


@pytest.mark.parametrize(
    ("by", "test", "verdict"),
    [
        (0.02, {"above": 0.0}, REPLICATED),
        (-0.02, {"above": 0.0}, NOT_REPLICATED),
        (0.0, {"above": 0.0}, INCONCLUSIVE),
        (0.02, {"above": 0.01}, REPLICATED),
        (0.02, {"above": 0.03}, NOT_REPLICATED),
        # not worse by a point: a difference of half a point is fine, one of two is not
        (-0.005, {"above": -0.01}, REPLICATED),
        (-0.02, {"above": -0.01}, NOT_REPLICATED),
        (-0.01, {"above": -0.01}, INCONCLUSIVE),
        # within a point
        (0.0, {"above": -0.01, "below": 0.01}, REPLICATED),
        (0.02, {"above": -0.01, "below": 0.01}, NOT_REPLICATED),
        (-0.02, {"above": -0.01, "below": 0.01}, NOT_REPLICATED),
        (0.01, {"above": -0.01, "below": 0.01}, INCONCLUSIVE),
    ],
)
def test_the_verdict_is_the_one_that_is_true_of_the_curves(by, test, verdict):
    curves = {"minimum": shifted(by), "random": FLAT}
    assert verdicts(curves, statement(**test)).loc["C1.1", "verdict"] == verdict


@pytest.mark.parametrize(("loss", "verdict"), [(0.004, REPLICATED), (0.02, NOT_REPLICATED)])
def test_the_unpruned_network_of_the_same_seed_is_what_is_retained(loss, verdict):
    test = statement(other=None, over=(0.4, 0.4), above=-0.01)
    row = verdicts({"minimum": shifted(-loss)}, test).loc["C1.1"]
    assert row["verdict"] == verdict
    assert row["effect"] == pytest.approx(-loss, abs=0.003)


def test_pairing_by_seed_sees_what_the_spread_between_seeds_would_hide():
    curves = {"minimum": shifted(0.01), "random": FLAT}
    row = verdicts(curves, statement(), shared=0.2).loc["C1.1"]
    assert row["verdict"] == REPLICATED
    assert row["ci_high"] - row["ci_low"] < 0.01


def test_a_test_that_misses_significance_proves_nothing():
    """Few noisy seeds: neither "as good as" nor its contrary follows."""
    curves = {"minimum": shifted(0), "random": FLAT}
    row = verdicts(curves, statement(above=-0.01), seeds=4, noise=0.1).loc["C1.1"]
    assert (row["verdict"], row["reason"]) == (INCONCLUSIVE, "the interval is too wide")


def test_a_reduced_protocol_never_decides():
    for by in (0.5, -0.5):
        curves = {"minimum": shifted(by), "random": FLAT}
        row = verdicts(curves, statement(), reductions="at most 10 of 100 epochs").loc["C1.1"]
        assert row["verdict"] == INCONCLUSIVE
        assert row["reason"] == "a reduced protocol: at most 10 of 100 epochs"
        assert row["effect"] == pytest.approx(by, abs=0.01)


@pytest.mark.parametrize("seeds", [1, 2])
def test_fewer_than_three_seeds_never_decide(seeds):
    curves = {"minimum": shifted(0.5), "random": FLAT}
    row = verdicts(curves, statement(), seeds=seeds).loc["C1.1"]
    assert (row["verdict"], row["reason"]) == (INCONCLUSIVE, "too few seeds")


def test_what_has_no_runs_was_not_run():
    curves = {"minimum": FLAT}
    for missing in (statement(), statement(figure="fig99"), statement(method="oracle", other=None)):
        row = verdicts(curves, missing).loc["C1.1"]
        assert (row["verdict"], row["seeds"]) == (NOT_RUN, 0)


def test_curves_without_any_spread_are_compared_as_they_are():
    curves = {"minimum": shifted(0.1), "random": FLAT}
    assert verdicts(curves, statement(), noise=0, shared=0).loc["C1.1", "verdict"] == REPLICATED
    same = verdicts(curves, statement(above=0.2), noise=0, shared=0).loc["C1.1"]
    assert same["verdict"] == NOT_REPLICATED


@pytest.mark.slow
def test_many_statements_are_corrected_together():
    """Of 40 statements about equal curves hardly any may be called true, whatever their number."""
    curves = {f"m{n}": FLAT for n in range(41)}
    runs = runs_of(curves, noise=0.02)
    tests = [
        statement(id=f"C1.{n}", method=f"m{n}", other="m0", over=(0.1, 0.8)) for n in range(1, 41)
    ]
    drawn = {"fig03": Drawn("X", {name: name for name in curves}, "")}
    table = judge(tests, runs, drawn, NO_PAPER)
    alone = [assessed(e, 0.0, None).p_holds for e in effects_by_hand(runs, tests)]
    assert (table["p_holds"] >= np.round(alone, 6) - 1e-9).all(), "a correction only raises p"
    assert (table["verdict"] == REPLICATED).sum() <= 2


def effects_by_hand(runs, tests):
    for test in tests:
        pivot = runs.pivot_table(
            index=["seed", "fraction_remaining"], columns="method", values="test_accuracy"
        )
        difference = (pivot[test.method] - pivot[test.other]).unstack()
        yield [average(FRACTIONS, difference.loc[s, FRACTIONS], 0.1, 0.8) for s in difference.index]


# --- averages ----------------------------------------------------------------------------------


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


def test_a_range_that_a_curve_does_not_reach_is_not_judged_elsewhere():
    runs = runs_of({"minimum": shifted(0.1), "random": FLAT})
    runs = runs[runs["fraction_remaining"] > 0.5]
    drawn = {"fig03": Drawn("X", {"minimum": "minimum", "random": "random"}, "")}
    table = judge([statement(over=(0.1, 0.3))], runs, drawn, NO_PAPER)
    assert (table["verdict"].iloc[0], table["seeds"].iloc[0]) == (NOT_RUN, 0)


def test_what_cannot_be_decided_does_not_change_what_can():
    curves = {"minimum": shifted(0.001), "random": FLAT, "oracle": shifted(0.3)}
    runs = runs_of(curves)
    others = runs.assign(experiment="Y")
    drawn = {
        "fig03": Drawn("X", {name: name for name in curves}, ""),
        "fig04": Drawn("Y", {name: name for name in curves}, "3 epochs"),
    }
    reduced = [
        statement(id=f"C2.{n}", claim="C2", figure="fig04", method="oracle") for n in range(1, 20)
    ]
    alone = judge([statement()], runs, drawn, NO_PAPER)
    beside = judge([statement(), *reduced], pd.concat([runs, others]), drawn, NO_PAPER)
    assert alone["p_holds"].iloc[0] == beside["p_holds"].iloc[0]
    assert beside["p_holds"].iloc[1:].isna().all()


def test_curves_that_end_at_different_fractions_are_compared_where_both_are():
    """Beyond its end a curve would be taken as flat."""
    long = runs_of({"minimum": [0.9, 0.9, 0.9, 0.9, 0.9, 0.1]}, noise=0, shared=0)
    short = runs_of({"random": FLAT}, noise=0, shared=0)
    runs = pd.concat([long, short[short["fraction_remaining"] > 0.15]])
    drawn = {"fig03": Drawn("X", {"minimum": "minimum", "random": "random"}, "")}
    table = judge([statement()], runs, drawn, NO_PAPER)
    assert table["effect"].iloc[0] == pytest.approx(0)


# --- the paper's own numbers -------------------------------------------------------------------


def paper(**curves):
    rows = [
        ["fig03", method, fraction, accuracy, ci95, 0.001]
        for method, (accuracies, ci95) in curves.items()
        for fraction, accuracy in zip(FRACTIONS, accuracies, strict=True)
    ]
    return pd.DataFrame(rows, columns=NO_PAPER.columns)


def test_a_statement_is_borne_out_if_the_whole_interval_is_on_its_side():
    curves = paper(minimum=(shifted(0.02), 0.003), random=(FLAT, 0.004))
    effect, low, high = paper_effect(statement(), curves)
    assert effect == pytest.approx(0.02)
    assert high - effect == effect - low == pytest.approx(0.005 + 0.002)  # 3-4-5, and the reading
    assert paper_verdict(statement(), (effect, low, high)) == BORNE_OUT
    assert paper_verdict(statement(above=0.03), (effect, low, high)) == NOT_BORNE_OUT
    assert paper_verdict(statement(above=0.015), (effect, low, high)) == UNDECIDED
    assert paper_verdict(statement(above=-0.03, below=0.03), (effect, low, high)) == BORNE_OUT
    assert paper_effect(statement(method="oracle"), curves) is None
    assert paper_verdict(statement(), None) == UNDECIDED


def test_a_bar_that_cannot_be_read_is_that_of_its_neighbours():
    curves = paper(minimum=(FLAT, 0.01), random=(FLAT, 0.0))
    curves.loc[(curves["method"] == "minimum") & (curves["fraction_remaining"] < 0.7), "ci95"] = (
        None
    )
    _, low, high = paper_effect(statement(), curves)
    assert (high - low) / 2 == pytest.approx(0.01 + 0.002)


# --- claims.yaml -------------------------------------------------------------------------------


def test_every_claim_of_the_paper_has_statements_about_configured_figures():
    config = load_config(ROOT / "config.yaml")
    curves = pd.read_csv(ROOT / "workflow/reference/paper_curves.csv")
    statements = load()
    assert list(dict.fromkeys(s.claim for s in statements)) == [f"C{n}" for n in range(1, 11)]
    assert list(titles()) == [f"C{n}" for n in range(1, 11)]
    for one in statements:
        labels = Plan(config).figures[one.figure].methods
        assert one.method in labels, one.id
        assert one.other is None or one.other in labels, one.id
        assert paper_effect(one, curves) is not None, one.id
        assert one.words
        assert config["figures"][one.figure]["shows"] == "test_accuracy"


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("retains: minimum, at", "retain: minimum, at", "C1.sentences.0"),
        ("{id: C1.2,", "{id: C1.1,", "C1.1: given twice"),
        ("{id: C1.2,", "{id: C2.77,", "C2.77: given twice, or under another claim"),
        ("over: [0.05, 0.8]", "over: [0.8, 0.05]", "from the lower to the higher"),
        ("page: 5", "page: five", "is not of type 'integer'"),
        ("C1:", "D1:", "D1"),
        ("C2:", "C1:", "the key 'C1' is given twice"),
        ("margin: 0.01}", "margin: .nan}", "nan} has none of the forms"),
        ("figure: fig03,", "figure: fig99,", "'fig99' is not a figure of the paper"),
        ("figure: fig03,", "figure: fig03_train,", "(did you mean 'fig03'?)"),
        ("retains: minimum,", "retains: minimun,", "'minimun' is not a curve of fig03 (did you"),
        ("than: minimum,", "than: minimum_layer,", "compares 'minimum_layer' with itself"),
        ("at: 0.4,", "at: 0,", "0 remaining is beyond the end of a curve; allowed: from"),
    ],
)
def test_a_mistake_in_the_claims_is_named(tmp_path, old, new, message):
    text = CLAIMS.read_text()
    assert old in text
    (tmp_path / "claims.yaml").write_text(text.replace(old, new, 1))
    with pytest.raises(UserError, match="claims.yaml: ") as error:
        load(tmp_path / "claims.yaml")
    assert message in str(error.value)
