"""The judge, on curves whose right verdicts are known, both ways; and on the paper's own."""

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from dropnet.config.check import load as load_config
from dropnet.config.plan import Plan
from dropnet.errors import UserError
from dropnet.estimates import Estimate, average
from dropnet.paper.claims import CLAIMS, Statement, load, titles
from dropnet.paper.curves import paper_curves
from dropnet.paper.drawn import Drawn
from dropnet.paper.effects import paper_effect
from dropnet.paper.judging import Question, judge, paper_verdict
from dropnet.paper.verdicts import (
    AGREES,
    BORNE_OUT,
    COLUMNS,
    CONTRADICTED,
    DIFFERS,
    FAILS,
    HOLDS,
    INCONCLUSIVE,
    NOT_BORNE_OUT,
    NOT_RUN,
    OPEN_REDUCED,
    SUPPORTED,
    UNDECIDED,
    best_evidence,
    by_claim,
    counted,
    in_answers,
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
    """Runs whose true curves are known; a seed's curves share an error, and where they start."""
    random = np.random.default_rng(0)
    of_seed = shared * random.standard_normal(seeds)
    unpruned = noise * random.standard_normal(seeds)
    rows = []
    for method, accuracies in curves.items():
        for seed in range(seeds):
            for cycle, (fraction, accuracy) in enumerate(zip(FRACTIONS, accuracies, strict=True)):
                error = noise * random.standard_normal() if cycle else unpruned[seed]
                value = accuracy + of_seed[seed] + error
                rows.append(["X", method, seed, cycle, fraction, value])
    columns = ["experiment", "method", "seed", "cycle", "fraction_remaining", "test_accuracy"]
    return pd.DataFrame(rows, columns=columns)


def drawn_from(methods, reductions="", experiment="X", classes=10):
    return Drawn(experiment, {name: name for name in methods}, reductions, classes)


def verdicts(curves, *statements, reductions="", of_paper=None, **options):
    runs = runs_of(curves, **options)
    drawn = {"fig03": drawn_from(curves, reductions)}
    table = judge(statements, runs, drawn, NO_PAPER if of_paper is None else of_paper)
    assert list(table.columns) == list(COLUMNS)
    return table.set_index("statement")


NO_PAPER = pd.DataFrame(
    columns=["figure", "method", "fraction_remaining", "accuracy", "ci95", "accuracy_error", "runs"]
)
FLAT = [0.9] * 6


def shifted(by):
    """A curve that lies so far above the flat one, but for the unpruned network."""
    return [0.9] + [0.9 + by] * 5


@pytest.mark.parametrize(
    ("by", "test", "verdict"),
    [
        (0.02, {"above": 0.0}, HOLDS),
        (-0.02, {"above": 0.0}, FAILS),
        (0.0, {"above": 0.0}, INCONCLUSIVE),
        (0.02, {"above": 0.01}, HOLDS),
        (0.02, {"above": 0.03}, FAILS),
        # not worse by a point: a difference of half a point is fine, one of two is not
        (-0.005, {"above": -0.01}, HOLDS),
        (-0.02, {"above": -0.01}, FAILS),
        (-0.01, {"above": -0.01}, INCONCLUSIVE),
        # within a point
        (0.0, {"above": -0.01, "below": 0.01}, HOLDS),
        (0.02, {"above": -0.01, "below": 0.01}, FAILS),
        (-0.02, {"above": -0.01, "below": 0.01}, FAILS),
        (0.01, {"above": -0.01, "below": 0.01}, INCONCLUSIVE),
    ],
)
def test_the_verdict_is_the_one_that_is_true_of_the_curves(by, test, verdict):
    curves = {"minimum": shifted(by), "random": FLAT}
    assert verdicts(curves, statement(**test)).loc["C1.1", "verdict"] == verdict


@pytest.mark.parametrize(("loss", "verdict"), [(0.004, HOLDS), (0.02, FAILS)])
def test_the_unpruned_network_of_the_same_seed_is_what_is_retained(loss, verdict):
    test = statement(other=None, over=(0.4, 0.4), above=-0.01)
    row = verdicts({"minimum": shifted(-loss)}, test).loc["C1.1"]
    assert row["verdict"] == verdict
    assert row["effect"] == pytest.approx(-loss, abs=0.003)


def test_pairing_by_seed_sees_what_the_spread_between_seeds_would_hide():
    curves = {"minimum": shifted(0.01), "random": FLAT}
    row = verdicts(curves, statement(), shared=0.2).loc["C1.1"]
    assert row["verdict"] == HOLDS
    assert row["ci_high"] - row["ci_low"] < 0.01


def test_an_effect_is_shown_only_beyond_what_other_machines_do_to_unpruned_networks():
    """Half a point ahead: nothing, if the unpruned networks of the methods are as far apart."""
    curves = {"minimum": shifted(0.005), "random": FLAT}
    runs = runs_of(curves, noise=0.001)
    test, drawn = [statement()], {"fig03": drawn_from(curves)}
    shared = judge(test, runs, drawn, NO_PAPER).iloc[0]
    unpruned = runs["method"].eq("random") & runs["cycle"].eq(0)
    elsewhere = runs["seed"].map(lambda seed: 0.006 if seed % 2 else -0.004)  # 0.0047 on average
    runs["test_accuracy"] += unpruned * elsewhere
    apart = judge(test, runs, drawn, NO_PAPER).iloc[0]
    assert (shared["verdict"], apart["verdict"]) == (HOLDS, INCONCLUSIVE)
    assert apart["effect"] == shared["effect"]
    wider = pytest.approx((7 * 0.006 + 8 * 0.004) / 15, abs=1e-6)
    assert shared["ci_low"] - apart["ci_low"] == wider
    assert apart["ci_high"] - shared["ci_high"] == wider


def test_fresh_initialisations_have_unpruned_networks_of_their_own():
    """That these are apart is what is asked about, and no fault of the machine."""
    curves = {"minimum (random_init)": [0.8] + [0.905] * 5, "minimum": FLAT}
    test = statement(method="minimum (random_init)", other="minimum")
    assert verdicts(curves, test).loc["C1.1", "verdict"] == HOLDS


def test_a_test_that_misses_significance_proves_nothing():
    """Few noisy seeds: neither "as good as" nor its contrary follows."""
    curves = {"minimum": shifted(0), "random": FLAT}
    row = verdicts(curves, statement(above=-0.01), seeds=4, noise=0.05).loc["C1.1"]
    assert (row["verdict"], row["reason"]) == (INCONCLUSIVE, "the interval is too wide")


COLLAPSED = [0.9, 0.9, 0.6, 0.3, 0.1, 0.1]


def reduced(curves, *statements, papers=0.9, **options):
    """Verdicts of a reduced protocol, whose unpruned networks are the paper's to a digit."""
    curves = {"maximum": COLLAPSED} | curves
    theirs = paper(**{name: ([papers] * 6, 0.001) for name in curves})
    options = {"seeds": 8, "reductions": "at most 10 of 100 epochs", "of_paper": theirs} | options
    return verdicts(curves, *statements, **options)


@pytest.mark.parametrize(
    ("by", "test", "verdict"),
    [
        (0.02, {"above": 0.0}, SUPPORTED),
        (-0.02, {"above": 0.0}, CONTRADICTED),
        (0.0, {"above": 0.0}, OPEN_REDUCED),
        (0.0, {"above": -0.01, "below": 0.01}, SUPPORTED),
        (0.02, {"above": -0.01, "below": 0.01}, CONTRADICTED),
        (-0.004, {"other": None, "over": (0.4, 0.4), "above": -0.01}, SUPPORTED),
        (-0.02, {"other": None, "over": (0.4, 0.4), "above": -0.01}, CONTRADICTED),
    ],
)
def test_a_reduced_protocol_has_verdicts_of_its_own_that_are_true_of_the_curves(by, test, verdict):
    curves = {"minimum": shifted(by), "random": FLAT}
    row = reduced(curves, statement(**test)).loc["C1.1"]
    assert row["verdict"] == verdict
    assert row["agreement"] == INCONCLUSIVE
    assert pd.isna(row["p_agrees"])
    assert row["words"].endswith("of networks trained this way") == (test.get("other", 1) is None)
    (counted,) = by_claim(row.to_frame().T.rename_axis("statement").reset_index())
    assert counted["verdict"] == counted["agreement"] == (0, 0, 0)
    assert sum(counted["reduced"]) == 1
    assert counted["undecidable"] == counted["not_run"] == 0


def test_a_reduced_protocol_never_decides_for_the_papers():
    for by in (0.5, -0.5):
        curves = {"minimum": shifted(by), "random": FLAT}
        row = reduced(curves, statement()).loc["C1.1"]
        assert row["verdict"] not in (HOLDS, FAILS)


@pytest.mark.parametrize(
    ("curves", "options", "reason"),
    [
        ({}, {"seeds": 7}, "too few seeds: a reduced protocol needs 8"),
        ({}, {"papers": 0.7}, "the unpruned networks are"),
        ({}, {"papers": 1.0}, ""),
        ({"maximum": FLAT}, {}, "the collapse of maximum is not seen"),
        # three points below the better one are no collapse
        ({"maximum": shifted(0.02)}, {}, "the collapse of maximum is not seen"),
        ({"maximum": None}, {}, "no control: maximum has not run"),
        ({}, {"of_paper": None}, "no control: the paper's figure has no unpruned networks"),
        (
            {"minimum": [0.1] * 6, "random": [0.1] * 6},
            {"papers": 0.1},
            "the unpruned networks are near chance",
        ),
        (
            {"minimum": [0.9] + [0.1] * 5, "random": [0.9] + [0.12] * 5},
            {},
            "what is compared is near chance",
        ),
    ],
)
def test_a_reduced_protocol_says_nothing_without_its_controls(curves, options, reason):
    known = {"minimum": shifted(0.05), "random": FLAT} | curves
    if known.get("maximum", COLLAPSED) is None:
        del known["maximum"]
        options = {"of_paper": paper(**dict.fromkeys(known, (FLAT, 0.001)))} | options
        table = verdicts(known, statement(), seeds=8, reductions="3 epochs", **options)
    else:
        table = reduced(known, statement(), **options)
    row = table.loc["C1.1"]
    assert row["verdict"] == (OPEN_REDUCED if reason else SUPPORTED)
    assert row["reason"].startswith(reason) if reason else row["reason"] == ""
    assert pd.isna(row["p_holds"]) == bool(reason)


def test_the_controls_may_be_seen_in_an_experiment_that_is_trained_alike():
    curves = {"minimum": shifted(0.05), "random": FLAT}
    theirs = paper(**dict.fromkeys(curves, (FLAT, 0.001)))
    alike = {"minimum": FLAT, "maximum": COLLAPSED}
    own, other = runs_of(curves, seeds=8), runs_of(alike, seeds=8).assign(experiment="Y")
    for runs, names, verdict, reason in (
        ([own, other], ["Y"], SUPPORTED, ""),
        ([own, other], [], OPEN_REDUCED, "no control: maximum has not run"),
        ([own], ["Y"], OPEN_REDUCED, "no control: maximum has not run"),
        (
            [own, runs_of({"minimum": FLAT, "maximum": FLAT}, seeds=8).assign(experiment="Y")],
            ["Y"],
            OPEN_REDUCED,
            "the collapse of maximum is not seen",
        ),
    ):
        drawn = {"fig03": replace(drawn_from(curves, "3 epochs"), alike=names)}
        (row,) = judge([statement()], pd.concat(runs), drawn, theirs).to_dict("records")
        assert (row["verdict"], row["reason"]) == (verdict, reason)


def test_a_method_that_an_experiment_lacks_is_judged_by_one_that_is_trained_alike():
    curves = {"minimum": shifted(0.02), "random": FLAT}
    runs = runs_of(curves)
    expected = judge([statement()], runs, {"fig03": drawn_from(curves)}, NO_PAPER)
    assert list(expected["verdict"]) == [HOLDS]
    elsewhere = runs.assign(experiment=["Y" if m == "random" else "X" for m in runs["method"]])
    alone, alike = (replace(drawn_from(curves), alike=names) for names in ([], ["Y"]))
    judged = judge([statement()], elsewhere, {"fig03": alike}, NO_PAPER)
    pd.testing.assert_frame_equal(judged, expected)
    assert list(judge([statement()], elsewhere, {"fig03": alone}, NO_PAPER)["verdict"]) == [NOT_RUN]


def test_the_two_protocols_are_two_families_of_tests():
    """What is judged at reduced scale changes no p-value of the protocol, and the other way."""
    curves = {"minimum": shifted(0.001), "random": FLAT, "maximum": COLLAPSED}
    runs = pd.concat([runs_of(curves), runs_of(curves, seeds=9).assign(experiment="Y")])
    theirs = paper(**dict.fromkeys(curves, (FLAT, 0.001)))
    theirs = pd.concat([theirs, theirs.assign(figure="fig04")])
    drawn = {
        "fig03": drawn_from(curves),
        "fig04": drawn_from(curves, "3 epochs", experiment="Y"),
    }
    of_paper = [statement(), statement(id="C1.2", other="maximum")]
    of_reduced = [
        statement(id=f"C2.{n}", claim="C2", figure="fig04", above=0.001 * n) for n in range(6)
    ]
    columns = ["p_holds", "p_fails", "verdict", "detectable"]
    together = judge([*of_paper, *of_reduced], runs, drawn, theirs)[columns]
    alone = pd.concat([judge(s, runs, drawn, theirs)[columns] for s in (of_paper, of_reduced)])
    pd.testing.assert_frame_equal(together, alone.reset_index(drop=True))
    assert together["p_holds"].notna().all()


def test_the_detectable_effect_is_seen_four_times_of_five():
    """One test alone: simulated at that effect, it comes out in 80 of 100."""
    random = np.random.default_rng(2)
    found = 0
    for _ in range(600):
        samples = random.normal(0, 0.01, 8)
        # the spread is known here, so that the effect is the same in each repetition
        known = Estimate(0.0, 0.01 / math.sqrt(8), 7).detectable(0.05)
        found += stats.ttest_1samp(samples + known, 0, alternative="greater").pvalue <= 0.05
    assert 0.75 < found / 600 < 0.85
    curves = {"minimum": shifted(0.001), "random": FLAT}
    row = reduced(curves, statement()).loc["C1.1"]
    # of the two tests of one statement none has come out, or one: 5% of one of two, or of two
    half = (row["ci_high"] - row["ci_low"]) / 2 / stats.t.ppf(0.975, 7)
    level = 0.025 if row["verdict"] == OPEN_REDUCED else 0.05
    assert row["detectable"] == pytest.approx(Estimate(0, half, 7).detectable(level), abs=2e-6)


def test_what_decides_by_the_protocol_counts_before_what_is_reduced():
    curves = {"minimum": shifted(0.02), "random": FLAT}
    by_protocol = verdicts(curves, statement(), seeds=3, noise=0.001).reset_index()
    at_reduced = reduced({"minimum": shifted(-0.02), "random": FLAT}, statement()).reset_index()
    too_few = verdicts(curves, statement(), seeds=1).reset_index()
    nothing = verdicts({"random": FLAT}, statement()).reset_index()
    open_reduced = reduced(curves, statement(), seeds=5).reset_index()
    order = [by_protocol, at_reduced, too_few, open_reduced, nothing]
    for better, worse in zip(order, order[1:], strict=False):
        for tables in ([better, worse], [worse, better]):
            best = best_evidence(tables)["verdict"].item()
            assert best == better["verdict"].item()


# --- runs that were cut off ---------------------------------------------------------------------


def cut(runs, method, at, seeds=range(15)):
    """Runs of which those of a method and these seeds were stopped at a fraction."""
    gone = (runs["method"] == method) & runs["seed"].isin(seeds)
    return runs[~(gone & (runs["fraction_remaining"] < at))]


def judged(runs, *statements, stop_fraction=0.1):
    drawn = {"fig03": Drawn("X", {n: n for n in set(runs["method"])}, "", 10, stop_fraction)}
    return judge(statements, runs, drawn, NO_PAPER).set_index("statement")


def test_what_lies_beyond_the_end_of_runs_that_were_cut_off_is_open():
    """Minimum is ahead down to where it was stopped; what comes below nobody knows."""
    runs = cut(runs_of({"minimum": shifted(0.05), "random": FLAT}), "minimum", 0.2)
    table = judged(
        runs,
        statement(),
        statement(id="C1.2", over=(0.2, 0.8)),
        statement(id="C1.3", over=(0.4, 0.4), other=None, above=-0.01),
        statement(id="C1.4", over=(0.1, 0.1), other=None, above=-0.01),
        statement(id="C1.5", over=(0.1, 0.1), other=None, method="random", above=-0.01),
    )
    reasons = ["the runs end at 0.2 remaining", "", "", "the runs end at 0.2 remaining", ""]
    assert table["reason"].tolist() == reasons
    assert table["verdict"].tolist() == [INCONCLUSIVE, HOLDS, HOLDS, INCONCLUSIVE, HOLDS]
    assert table["seeds"].tolist() == [15] * 5
    assert table["effect"].isna().tolist() == [bool(reason) for reason in reasons]
    # over the part that they reach, it is said beside, and nothing is counted twice
    assert table.loc["C1.1", "verdict_fifth"] == HOLDS
    assert table.loc["C1.1", "effect_fifth"] == table.loc["C1.2", "effect"]


def test_a_run_that_ends_where_its_counts_want_it_is_whole():
    """It ends with its first point at or below the stop fraction: the range is cut, as ever."""
    runs = runs_of({"minimum": shifted(0.05), "random": FLAT})
    table = judged(runs, statement(over=(0.05, 0.8)), stop_fraction=0.15)
    assert table["verdict"].item() == HOLDS
    short = runs[runs["fraction_remaining"] > 0.15]
    assert judged(short, statement(), stop_fraction=0.2)["verdict"].item() == HOLDS
    assert judged(short, statement(), stop_fraction=0.19)["verdict"].item() == INCONCLUSIVE


def test_seeds_that_are_whole_are_judged_beside_those_that_are_not():
    whole = runs_of({"minimum": shifted(0.05), "random": FLAT})
    runs = cut(whole, "minimum", 0.2, seeds=range(11))
    table = judged(runs, statement())
    assert (table["verdict"].item(), table["seeds"].item()) == (HOLDS, 4)
    alone = judged(whole[whole["seed"] > 10], statement())
    assert table["effect"].item() == alone["effect"].item()
    few = judged(cut(whole, "minimum", 0.2, seeds=range(13)), statement())
    assert (few["verdict"].item(), few["reason"].item()) == (INCONCLUSIVE, "too few seeds")


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


def test_no_spread_between_the_seeds_is_no_certainty():
    curves = {"minimum": shifted(0.1), "random": FLAT}
    row = verdicts(curves, statement(), noise=0, shared=0).loc["C1.1"]
    assert (row["verdict"], row["reason"]) == (INCONCLUSIVE, "no spread between the seeds")
    assert row["effect"] == pytest.approx(0.1)
    assert pd.isna(row["ci_low"])


CHANCE = [0.1] * 6


@pytest.mark.parametrize(
    ("curves", "test", "verdict", "reason"),
    [
        # nothing was learnt: as good as, better, retained - all of it at chance
        ({"minimum": CHANCE, "random": CHANCE}, {"above": -0.01}, INCONCLUSIVE, "unpruned"),
        ({"minimum": [0.1] + [0.15] * 5, "random": CHANCE}, {}, INCONCLUSIVE, "unpruned"),
        ({"minimum": CHANCE}, {"other": None, "above": -0.01}, INCONCLUSIVE, "unpruned"),
        # learnt, and fallen to chance both: as good as what is worth nothing
        (
            {"minimum": [0.9] + [0.1] * 5, "random": [0.9] + [0.1] * 5},
            {"above": -0.01},
            INCONCLUSIVE,
            "what is compared",
        ),
        ({"minimum": [0.9] + [0.12] * 5, "random": [0.9] + [0.1] * 5}, {}, INCONCLUSIVE, "what is"),
        # one of them has not: there is something to see
        ({"minimum": FLAT, "random": [0.9] + [0.1] * 5}, {}, HOLDS, ""),
        ({"minimum": [0.9] + [0.1] * 5, "random": FLAT}, {}, FAILS, ""),
        ({"minimum": [0.9] + [0.1] * 5}, {"other": None, "above": -0.01}, FAILS, ""),
    ],
)
@pytest.mark.parametrize("seeds", [3, 15])
def test_networks_at_chance_decide_nothing(curves, test, verdict, reason, seeds):
    row = verdicts(curves, statement(**test), seeds=seeds, noise=0.001, shared=0).loc["C1.1"]
    assert row["verdict"] == verdict
    assert reason in row["reason"]


def test_chance_is_that_of_the_data_set():
    """Half of two classes is guessing, half of a hundred is not."""
    runs = runs_of({"minimum": [0.5] * 6, "random": [0.5] + [0.45] * 5})
    for classes, verdict in ((2, INCONCLUSIVE), (100, HOLDS)):
        drawn = {"fig03": drawn_from(["minimum", "random"], classes=classes)}
        assert judge([statement()], runs, drawn, NO_PAPER)["verdict"].item() == verdict


@pytest.mark.slow
def test_many_statements_are_corrected_together():
    """Of 40 statements about equal curves hardly any may be called true, whatever their number."""
    curves = {f"m{n}": FLAT for n in range(41)}
    runs = runs_of(curves, noise=0.02)
    tests = [
        statement(id=f"C1.{n}", method=f"m{n}", other="m0", over=(0.1, 0.8)) for n in range(1, 41)
    ]
    drawn = {"fig03": drawn_from(curves)}
    table = judge(tests, runs, drawn, NO_PAPER)
    alone = [Question(Estimate.of(e), 0.0, None).p_values[0] for e in effects_by_hand(runs, tests)]
    assert (table["p_holds"] >= np.round(alone, 6) - 1e-9).all(), "a correction only raises p"
    assert (table["verdict"] == HOLDS).sum() <= 2


def test_both_directions_of_a_question_are_one_family():
    """Benjamini & Hochberg over four p-values: p, 1 - p of two statements, worked by hand."""
    curves = {"minimum": shifted(0.002), "random": FLAT, "oracle": shifted(-0.002)}
    tests = [statement(), statement(id="C1.2", method="oracle")]
    table = judge(tests, runs_of(curves), {"fig03": drawn_from(curves)}, NO_PAPER)
    alone = [
        Question(Estimate.of(e), 0.0, None).p_values
        for e in effects_by_hand(runs_of(curves), tests)
    ]
    (first, second), (third, fourth) = alone
    assert second > first
    assert third > fourth
    low, high = sorted([first, fourth])
    assert sorted([table["p_holds"][0], table["p_fails"][1]]) == pytest.approx(
        [min(4 * low, 2 * high), 2 * high], abs=1e-6
    )


def effects_by_hand(runs, tests):
    for test in tests:
        pivot = runs.pivot_table(
            index=["seed", "fraction_remaining"], columns="method", values="test_accuracy"
        )
        difference = (pivot[test.method] - pivot[test.other]).unstack()
        yield [average(FRACTIONS, difference.loc[s, FRACTIONS], 0.1, 0.8) for s in difference.index]


# --- ranges -------------------------------------------------------------------------------------


def test_a_range_that_a_curve_does_not_reach_is_not_judged_elsewhere():
    runs = runs_of({"minimum": shifted(0.1), "random": FLAT})
    runs = runs[runs["fraction_remaining"] > 0.5]
    drawn = {"fig03": drawn_from(["minimum", "random"])}
    table = judge([statement(over=(0.1, 0.3))], runs, drawn, NO_PAPER)
    assert (table["verdict"].iloc[0], table["seeds"].iloc[0]) == (NOT_RUN, 0)


def test_what_cannot_be_decided_does_not_change_what_can():
    curves = {"minimum": shifted(0.001), "random": FLAT, "oracle": shifted(0.3)}
    runs = runs_of(curves)
    others = runs.assign(experiment="Y")
    drawn = {
        "fig03": drawn_from(curves),
        "fig04": drawn_from(curves, "3 epochs", experiment="Y"),
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
    drawn = {"fig03": drawn_from(["minimum", "random"])}
    table = judge([statement()], runs, drawn, NO_PAPER)
    assert table["effect"].iloc[0] == pytest.approx(0)


# --- the paper's own numbers -------------------------------------------------------------------


def paper(**curves):
    rows = [
        ["fig03", method, fraction, accuracy, ci95, 0.001, 15]
        for method, (accuracies, ci95) in curves.items()
        for fraction, accuracy in zip(FRACTIONS, accuracies, strict=True)
    ]
    return pd.DataFrame(rows, columns=NO_PAPER.columns)


def test_a_statement_is_borne_out_if_the_whole_interval_is_on_its_side():
    curves = paper(minimum=(shifted(0.02), 0.003), random=(FLAT, 0.004))
    effect = paper_effect(statement(), curves)
    assert effect.value == pytest.approx(0.02)
    # 3-4-5, from 1.96 standard errors of the population's formula to Student's t of 15 runs
    half = 0.005 * 2.1448 / 1.96 * math.sqrt(15 / 14) + 0.002
    assert effect.interval == pytest.approx((0.02 - half, 0.02 + half), abs=1e-6)
    assert paper_verdict(statement(), effect) == BORNE_OUT
    assert paper_verdict(statement(above=0.03), effect) == NOT_BORNE_OUT
    assert paper_verdict(statement(above=0.015), effect) == UNDECIDED
    assert paper_verdict(statement(above=-0.03, below=0.03), effect) == BORNE_OUT
    assert paper_effect(statement(method="oracle"), curves) is None
    assert paper_verdict(statement(), None) == UNDECIDED


# --- our effect and the paper's ----------------------------------------------------------------


@pytest.mark.parametrize(
    ("ours", "bar", "agreement"),
    [
        (0.02, 0.001, AGREES),
        (0.023, 0.001, AGREES),  # half a point is not a point
        (0.05, 0.001, DIFFERS),
        (-0.02, 0.001, DIFFERS),
        (0.03, 0.001, INCONCLUSIVE),  # just the margin
        (0.02, 0.05, INCONCLUSIVE),  # the paper's own bars are too wide to agree with
    ],
)
def test_an_effect_agrees_if_it_is_within_a_point_of_the_papers(ours, bar, agreement):
    curves = {"minimum": shifted(ours), "random": FLAT}
    theirs = paper(minimum=(shifted(0.02), bar), random=(FLAT, bar))
    row = verdicts(curves, statement(), of_paper=theirs, noise=0.001).loc["C1.1"]
    assert row["agreement"] == agreement
    assert row["difference"] == pytest.approx(ours - 0.02, abs=0.001)
    assert row["difference_low"] < row["difference"] < row["difference_high"]


def test_that_the_sentence_holds_and_that_the_figure_agrees_are_two_questions():
    """Our effect is the figure's, to 0.1 points, and neither is what the sentence says."""
    curves = {"minimum": shifted(-0.02), "random": FLAT}
    theirs = paper(minimum=(shifted(-0.02), 0.001), random=(FLAT, 0.001))
    row = verdicts(curves, statement(), of_paper=theirs).loc["C1.1"]
    answers = (row["verdict"], row["agreement"], row["paper_verdict"])
    assert answers == (FAILS, AGREES, NOT_BORNE_OUT)


def test_reduced_runs_agree_with_nothing():
    curves = {"minimum": shifted(0.02), "random": FLAT, "maximum": COLLAPSED}
    theirs = paper(minimum=(shifted(0.02), 0.001), random=(FLAT, 0.001))
    row = verdicts(curves, statement(), of_paper=theirs, reductions="3 epochs").loc["C1.1"]
    assert row["verdict"] == SUPPORTED
    assert row["agreement"] == INCONCLUSIVE
    assert pd.isna(row["p_agrees"])


# --- the same questions put otherwise ----------------------------------------------------------


def test_other_margins_and_a_shorter_range_are_judged_beside():
    """A loss of 1.5 points: too much for half a point and one, not for two."""
    row = verdicts(
        {"minimum": shifted(-0.015)}, statement(other=None, over=(0.4, 0.4), above=-0.01)
    ).loc["C1.1"]
    assert (row["verdict_half"], row["verdict"], row["verdict_double"]) == (FAILS, FAILS, HOLDS)
    assert row["verdict_fifth"] == ""
    # ahead at the end alone
    curves = {"minimum": [0.9] * 5 + [0.95], "random": [0.9] * 5 + [0.1]}
    row = verdicts(curves, statement()).loc["C1.1"]
    assert (row["verdict"], row["verdict_fifth"]) == (HOLDS, INCONCLUSIVE)
    assert row["effect"] > 0.1 > 0.01 > abs(row["effect_fifth"])
    assert row["verdict_half"] == row["verdict_double"] == "", "no margin, nothing to vary"


def test_answers_are_counted_by_claim_and_none_is_lost():
    curves = {"minimum": shifted(0.02), "random": FLAT, "oracle": shifted(-0.02)}
    tests = [
        statement(),
        statement(id="C1.2", method="oracle"),
        statement(id="C1.3", method="oracle", other=None, above=-0.02),
        statement(id="C1.4", figure="fig04"),
        statement(id="C1.5", figure="fig99"),
    ]
    runs = runs_of(curves)
    drawn = {"fig03": drawn_from(curves), "fig04": drawn_from(curves, "3 epochs")}
    claims = judge(tests, runs, drawn, NO_PAPER)
    (of_claim,) = by_claim(claims)
    assert (of_claim["verdict"], of_claim["undecidable"], of_claim["not_run"]) == ((1, 1, 1), 1, 1)
    assert of_claim["agreement"] == (0, 0, 3)
    assert of_claim["paper_verdict"] == (0, 0, 5)
    assert in_answers(of_claim["verdict"]) == "1 yes, 1 no, 1 open"
    twice = counted(pd.concat([claims, claims.assign(claim="C2")]))
    assert twice["total"] == 10
    assert twice["verdict"] == (2, 2, 2)
    assert in_answers((0, 0, 0)) == "-"


# --- claims.yaml -------------------------------------------------------------------------------


def test_every_claim_of_the_paper_has_statements_about_configured_figures():
    config = load_config(ROOT / "config.yaml")
    curves = paper_curves()
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
