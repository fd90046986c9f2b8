"""Verdicts: does a statement of the paper hold in our runs, and in the paper's own figures?

Our runs are judged seed by seed: the effect of a statement (`claims.Statement`) is computed for
each seed, from curves that share their initial weights, and tested by Student's t. Whether the
statement holds and whether its contrary holds are two one-sided tests; "as good as" and "within"
are tests of non-inferiority and equivalence with the margin stated, so that no verdict follows from
a test that merely missed significance. The p-values of all statements are corrected together for
the rate of false discoveries (Benjamini & Hochberg). Of the paper's curves only means and intervals
are known; they bear out a statement if the whole interval of its effect is on the right side.
Corrected are the p-values that statements hold, and those that they do not, each as one family.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import pandas as pd
from scipy import stats

from dropnet.files.csv_rows import COUNT, NUMBER, TEXT, WORDS, Reader
from dropnet.files.csv_tables import rounded
from dropnet.paper.claims import Statement, titles

REPLICATED, NOT_REPLICATED = "replicated", "not replicated"
INCONCLUSIVE, NOT_RUN = "inconclusive", "not run"
VERDICTS = (REPLICATED, NOT_REPLICATED, INCONCLUSIVE, NOT_RUN)
BORNE_OUT, NOT_BORNE_OUT, UNDECIDED = "borne out", "not borne out", "undecided"
Side = Literal["greater", "less"]  # than a bound

LEVEL = 0.05  # of all tests, and of the intervals
FEWEST_SEEDS = 3

READERS: dict[str, Reader] = {  # the columns of claims.csv
    "claim": TEXT,
    "statement": TEXT,
    "figure": TEXT,
    "experiment": WORDS,
    "section": TEXT,
    "page": COUNT,
    "sentence": TEXT,
    "words": TEXT,
    "above": NUMBER,
    "below": NUMBER,
    "seeds": COUNT,
    "effect": NUMBER,
    "ci_low": NUMBER,
    "ci_high": NUMBER,
    "p_holds": NUMBER,
    "p_fails": NUMBER,
    "verdict": TEXT,
    "reason": WORDS,
    "paper_effect": NUMBER,
    "paper_low": NUMBER,
    "paper_high": NUMBER,
    "paper_verdict": TEXT,
}
COLUMNS = tuple(READERS)


@dataclass(frozen=True)
class Drawn:
    """What a figure is drawn from.

    Attributes:
        experiment: its name.
        methods: the names of the curves, and those of the runs.
        reductions: how the runs differ from the paper's protocol but for the number of seeds, in
            words, or "".
    """

    experiment: str
    methods: Mapping[str, str]
    reductions: str


@dataclass(frozen=True)
class Effect:
    """An effect, its 95% interval, and the p-values that it is, and is not, within its bounds."""

    value: float
    low: float
    high: float
    p_holds: float
    p_fails: float


def average(
    fractions: Iterable[float], accuracies: Iterable[float], low: float, high: float
) -> float:
    """Return the mean of a curve over a range of the fraction remaining.

    The curve is linear between its points on the logarithmic axis on which it is drawn. The range
    is cut where the curve ends; a range of one point gives the curve's value there.

    Args:
        fractions: of the points, in any order; a point at 0 has no place on the axis.
        accuracies: of the points.
        low: end of the range.
        high: its other end.
    """
    points = sorted((math.log(f), a) for f, a in zip(fractions, accuracies, strict=True) if f > 0)
    x, y = np.array(points).T
    left, right = (min(max(math.log(end), x[0]), x[-1]) for end in (low, high))
    if left == right:
        return float(np.interp(left, x, y))
    inner = x[(x > left) & (x < right)]
    grid = np.array([left, *inner, right])
    return float(np.trapezoid(np.interp(grid, x, y), grid) / (right - left))


def common_range(
    over: tuple[float, float], curves: Iterable[Iterable[float]]
) -> tuple[float, float]:
    """Return the part of a range that all curves reach, given their fractions remaining.

    Where that is none, the first number is larger than the second.
    """
    lowest = max(min(f for f in fractions if f > 0) for fractions in curves)
    return max(over[0], lowest), over[1]


def effects_of(statement: Statement, runs: pd.DataFrame, methods: Mapping[str, str]) -> list[float]:
    """Return the effect of a statement for each seed that all its curves have.

    Args:
        statement: to be judged.
        runs: of the figure's experiment, as in runs.csv.
        methods: the figure's names of curves, and those of the runs.
    """
    names = [methods[statement.method]]
    names += [methods[statement.other]] if statement.other else []
    curves: dict[str, dict[Any, tuple[list[float], list[float]]]] = {
        name: {
            seed: (rows["fraction_remaining"].tolist(), rows["test_accuracy"].tolist())
            for seed, rows in runs[runs["method"] == name].groupby("seed")
        }
        for name in names
    }
    seeds = sorted(set.intersection(*(set(of_method) for of_method in curves.values())))
    effects = []
    for seed in seeds:
        of_seed = [curves[name][seed] for name in names]
        over = common_range(statement.over, [fractions for fractions, _ in of_seed])
        if over[0] > over[1]:
            continue
        means = [average(*curve, *over) for curve in of_seed]
        reference = means[1] if statement.other else average(*of_seed[0], 1, 1)
        effects.append(means[0] - reference)
    return effects


def assessed(effects: Sequence[float], above: float | None, below: float | None) -> Effect:
    """Test whether the mean of paired effects lies within bounds.

    Args:
        effects: one a seed, two or more.
        above: lower bound, or None.
        below: upper bound, or None.
    """
    sides: tuple[tuple[float | None, Side], ...] = ((above, "greater"), (below, "less"))
    bounds = [(bound, side) for bound, side in sides if bound is not None]
    contrary: dict[Side, Side] = {"greater": "less", "less": "greater"}
    mean = float(np.mean(effects))
    return Effect(
        mean,
        *_interval(effects),
        # within both bounds: the larger p of the two tests; outside: either of them, counted twice
        p_holds=max(_p(effects, bound, side) for bound, side in bounds),
        p_fails=min(
            1.0, len(bounds) * min(_p(effects, bound, contrary[side]) for bound, side in bounds)
        ),
    )


def _p(effects: Sequence[float], bound: float, side: Side) -> float:
    """The p-value of a one-sided t-test; without any spread the comparison itself decides."""
    if np.ptp(effects) == 0:
        beyond = effects[0] > bound if side == "greater" else effects[0] < bound
        return 0.0 if beyond else 1.0
    return float(stats.ttest_1samp(effects, bound, alternative=side).pvalue)


def _interval(effects: Sequence[float]) -> tuple[float, float]:
    if np.ptp(effects) == 0:
        return float(effects[0]), float(effects[0])
    interval = stats.ttest_1samp(effects, 0).confidence_interval(1 - LEVEL)
    return float(interval.low), float(interval.high)


def paper_effect(statement: Statement, curves: pd.DataFrame) -> tuple[float, float, float] | None:
    """Return the effect in the paper's own figure with its interval, or None if it is not there.

    The intervals of the curves' points are averaged over the range, as if all points of a curve
    erred together, and added in squares between the two methods; the error of reading the plot is
    added to that. A point whose bar cannot be read has that of its neighbours.

    Args:
        statement: to be judged.
        curves: the paper's, as in workflow/reference/paper_curves.csv.
    """
    of_figure = curves[(curves["figure"] == statement.figure)]
    names = [statement.method] + ([statement.other] if statement.other else [])
    parts = [of_figure[of_figure["method"] == name] for name in names]
    if any(part.empty for part in parts):
        return None
    over = common_range(statement.over, [part["fraction_remaining"] for part in parts])
    if over[0] > over[1]:
        return None
    ranges = [over] * len(parts)
    if statement.other is None:
        parts, ranges = [parts[0], parts[0]], [over, (1.0, 1.0)]
    means, widths, errors = zip(
        *(_paper_average(part, *range_) for part, range_ in zip(parts, ranges, strict=True)),
        strict=True,
    )
    half = math.hypot(*widths) + sum(errors)
    effect = means[0] - means[1]
    return effect, effect - half, effect + half


def _paper_average(part: pd.DataFrame, low: float, high: float) -> tuple[float, float, float]:
    """The mean accuracy over a range, the mean half interval and the mean error of reading."""
    fractions = part["fraction_remaining"]
    bars = part["ci95"].interpolate(limit_direction="both")
    columns = (part["accuracy"], bars.fillna(0), part["accuracy_error"])
    accuracy, half, error = (average(fractions, column, low, high) for column in columns)
    return accuracy, half, error


def paper_verdict(statement: Statement, effect: tuple[float, float, float] | None) -> str:
    """Say whether the paper's figure bears out its text."""
    if effect is None:
        return UNDECIDED
    _, low, high = effect
    above = -math.inf if statement.above is None else statement.above
    below = math.inf if statement.below is None else statement.below
    if above < low and high < below:
        return BORNE_OUT
    return NOT_BORNE_OUT if high < above or low > below else UNDECIDED


def judge(
    statements: Sequence[Statement],
    runs: pd.DataFrame,
    drawn: Mapping[str, Drawn],
    paper: pd.DataFrame,
) -> pd.DataFrame:
    """Return one row a statement, with columns `COLUMNS`.

    Args:
        statements: of claims.yaml.
        runs: all of a scale, as in runs.csv.
        drawn: what each figure of the scale is drawn from, by its name.
        paper: the paper's curves.
    """
    present = set(zip(runs["experiment"], runs["method"], strict=True))
    rows, effects = [], {}
    for statement in statements:
        figure = drawn.get(statement.figure)
        needed = [m for m in (statement.method, statement.other) if m]
        if figure is not None and all(
            (figure.experiment, figure.methods.get(name)) in present for name in needed
        ):
            of_experiment = runs[runs["experiment"] == figure.experiment]
            effects[statement.id] = effects_of(statement, of_experiment, figure.methods)
        theirs = paper_effect(statement, paper)
        rows.append(
            {
                **dict.fromkeys(COLUMNS),
                "claim": statement.claim,
                "statement": statement.id,
                "figure": statement.figure,
                "experiment": figure.experiment if figure else "",
                "section": statement.section,
                "page": statement.page,
                "sentence": statement.sentence,
                "words": statement.words,
                "above": statement.above,
                "below": statement.below,
                "seeds": len(effects.get(statement.id, [])),
                "verdict": NOT_RUN,
                "reason": "",
                **dict(
                    zip(("paper_effect", "paper_low", "paper_high"), theirs or (), strict=False)
                ),
                "paper_verdict": paper_verdict(statement, theirs),
            }
        )
    _decide(rows, effects, {s.id: s for s in statements}, drawn)
    return rounded(pd.DataFrame(rows, columns=COLUMNS))


def _decide(
    rows: list[dict[str, Any]],
    effects: Mapping[str, Sequence[float]],
    statements: Mapping[str, Statement],
    drawn: Mapping[str, Drawn],
) -> None:
    """Fill in effects, corrected p-values and verdicts of the statements that have runs.

    Only those that can be decided are corrected together; the others would make them smaller.
    """
    results = {
        id_: assessed(values, statements[id_].above, statements[id_].below)
        for id_, values in effects.items()
        if len(values) >= 2
    }
    undecidable = {
        id_: _why_not(len(effects[id_]), drawn[statements[id_].figure].reductions)
        for id_ in effects
    }
    decidable = [id_ for id_ in results if not undecidable[id_]]
    holds, fails = (
        dict(zip(decidable, _corrected([getattr(results[i], p) for i in decidable]), strict=True))
        for p in ("p_holds", "p_fails")
    )
    for row in rows:
        id_ = row["statement"]
        if not effects.get(id_):
            continue
        row |= {"verdict": INCONCLUSIVE, "reason": undecidable[id_]}
        if id_ in results:
            result = results[id_]
            row |= {"effect": result.value, "ci_low": result.low, "ci_high": result.high}
        if id_ not in decidable:
            continue
        row |= {"p_holds": holds[id_], "p_fails": fails[id_]}
        if holds[id_] <= LEVEL:
            row["verdict"] = REPLICATED
        elif fails[id_] <= LEVEL:
            row["verdict"] = NOT_REPLICATED
        else:
            row["reason"] = _why_open(results[id_])


def _why_open(result: Effect) -> str:
    """Why tests that could decide did not."""
    alone = min(result.p_holds, result.p_fails) <= LEVEL
    return "not significant after correction" if alone else "the interval is too wide"


def _why_not(seeds: int, reductions: str) -> str:
    """Why a statement cannot be decided, or ''."""
    if reductions:
        return f"a reduced protocol: {reductions}"
    return "too few seeds" if seeds < FEWEST_SEEDS else ""


def _corrected(p_values: Sequence[float]) -> list[float]:
    if not p_values:
        return []
    return [float(p) for p in stats.false_discovery_control(p_values, method="bh")]


def by_claim(claims: pd.DataFrame, verdicts: Sequence[str] = VERDICTS) -> list[dict[str, Any]]:
    """For each claim what it says, and how many of its statements have each verdict.

    Args:
        claims: as `judge` makes them.
        verdicts: all that there are, in the order of the counts.
    """
    says = titles()
    return [
        {
            "id": claim,
            "says": says[str(claim)],
            "counts": {verdict: int((rows["verdict"] == verdict).sum()) for verdict in verdicts},
            "borne_out": int((rows["paper_verdict"] == BORNE_OUT).sum()),
            "total": len(rows),
        }
        for claim, rows in claims.groupby("claim", sort=False)
    ]


def in_points(value: float, low: float, high: float) -> str:
    """Return an effect and its interval as text, in points of accuracy; "" if there is none."""
    if pd.isna(value):
        return ""
    return f"{100 * value:+.1f} ({100 * low:+.1f} to {100 * high:+.1f})"
