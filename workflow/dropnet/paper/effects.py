"""The effect that a statement speaks of: in our runs, seed by seed, and in the paper's own figure.

An effect is a difference of accuracies, averaged over a range of the fraction remaining
(`claims.Statement`).
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, Literal

import numpy as np
import pandas as pd
from scipy import stats
from scipy.optimize import brentq

from dropnet.paper.claims import Statement

LEVEL = 0.05  # of all tests, and of the intervals
POWER = 0.8  # with which an effect would have been seen
FEWEST_SEEDS = 3  # that decide anything
FRESH = "(random_init)"  # at the end of the name of a method that starts from weights of its own
Side = Literal["greater", "less"]  # than a bound


@dataclass(frozen=True)
class Estimate:
    """A mean that is known from samples, by Student's t.

    Attributes:
        value: the mean.
        error: its standard error.
        freedom: degrees of freedom of the standard error.
        off: by how much the value may be off besides, which no sample tells: it was read off a
            plot, or what is compared was trained on different machines.
    """

    value: float
    error: float
    freedom: float
    off: float = 0.0

    @classmethod
    def of(cls, samples: Sequence[float], off: float = 0.0) -> "Estimate":
        """Return the mean of samples, two or more."""
        n = len(samples)
        error = float(np.std(samples, ddof=1)) / math.sqrt(n)
        return cls(float(np.mean(samples)), error, n - 1, off)

    def minus(self, other: "Estimate") -> "Estimate":
        """Return the difference from another mean, of other samples (Welch's approximation)."""
        ours, theirs = self.error**2, other.error**2
        freedom = (ours + theirs) ** 2 / (ours**2 / self.freedom + theirs**2 / other.freedom)
        return Estimate(
            self.value - other.value,
            math.sqrt(ours + theirs),
            freedom,
            self.off + other.off,
        )

    @property
    def interval(self) -> tuple[float, float]:
        """The 95% interval."""
        half = float(stats.t.ppf(1 - LEVEL / 2, self.freedom)) * self.error + self.off
        return self.value - half, self.value + half

    def detectable(self, level: float) -> float:
        """Return how far beyond a bound the mean would have to be, to be shown to be so.

        Shown by a one-sided test at this level, with a probability of `POWER`, if samples spread
        as these do (noncentral t).
        """
        return self.off + self.error * _shift(self.freedom, level)

    def p(self, bound: float, side: Side) -> float:
        """Return the p-value of a one-sided test that the mean is beyond a bound."""
        beyond = self.value - bound if side == "greater" else bound - self.value
        return float(stats.t.sf((beyond - self.off) / self.error, self.freedom))


@cache
def _shift(freedom: float, level: float) -> float:
    """What `Estimate.detectable` returns, in standard errors."""
    critical = float(stats.t.ppf(1 - level, freedom))

    def lacks(shift: float) -> float:
        return POWER - float(stats.nct.sf(critical, freedom, shift))

    most = critical
    while lacks(most) > 0:
        most *= 2
    return float(brentq(lacks, 0, most))


def has_spread(samples: Sequence[float]) -> bool:
    """Say whether samples differ, by more than the last digits of a float."""
    return len(samples) > 0 and max(samples) - min(samples) > 1e-9


@dataclass(frozen=True)
class Effects:
    """The effect of a statement in our runs.

    Attributes:
        by_seed: one for each seed that all its curves have, down to the end of the range.
        unpruned: mean accuracy of the unpruned networks, the lower of the two methods'.
        compared: mean accuracy over the range of what the method is compared with; of a statement
            that one method is better than another, that of the better one.
        unshared: how far apart the unpruned networks of two methods are in a seed, on average, that
            start from the same weights. They are the same networks, and this is 0, but where the
            methods ran on different machines.
        cut_off: where runs of the other seeds end, which were cut off within the range: the
            highest fraction remaining of each such seed.
    """

    by_seed: Sequence[float]
    unpruned: float
    compared: float
    unshared: float = 0.0
    cut_off: Sequence[float] = ()


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


def cut_off(runs: pd.DataFrame, stop_fraction: float) -> pd.Series:
    """Return the last fraction remaining of each run that was cut off, by method and seed.

    A run ends with its first point at or below the stop fraction, wherever the counts of nodes put
    that. One that has not reached it was stopped by something else than the algorithm.

    Args:
        runs: of one experiment, as in runs.csv.
        stop_fraction: of the experiment.
    """
    last = runs.groupby(["method", "seed"], sort=False)["fraction_remaining"].min()
    return last[last > stop_fraction]


def effects_of(
    statement: Statement,
    runs: pd.DataFrame,
    methods: Mapping[str, str],
    stop_fraction: float = 1.0,
) -> Effects:
    """Return the effect of a statement for each seed that all its curves have.

    Where a whole run ends beside the end of the range, as the counts of nodes want it, the range is
    cut. A seed whose run was cut off (`cut_off`) within the range has no effect.

    Args:
        statement: to be judged.
        runs: of the figure's experiment, as in runs.csv.
        methods: the figure's names of curves, and those of the runs.
        stop_fraction: of the experiment; with 1, all runs count as whole.
    """
    names = [methods[name] for name in statement.curves]
    fresh = any(name.endswith(FRESH) for name in names)
    curves: dict[str, dict[Any, tuple[list[float], list[float]]]] = {
        name: {
            seed: (rows["fraction_remaining"].tolist(), rows["test_accuracy"].tolist())
            for seed, rows in runs[runs["method"] == name].groupby("seed")
        }
        for name in names
    }
    seeds = sorted(set.intersection(*(set(of_method) for of_method in curves.values())))
    means, unpruned, too_short = [], [], []
    ended = cut_off(runs[runs["method"].isin(names)], stop_fraction).to_dict()
    for seed in seeds:
        of_seed = [curves[name][seed] for name in names]
        last = max(ended.get((name, seed), 0.0) for name in names)
        if last > statement.over[0]:
            too_short.append(last)
            continue
        over = common_range(statement.over, [fractions for fractions, _ in of_seed])
        if over[0] > over[1]:
            continue
        full = [average(*curve, 1, 1) for curve in of_seed]
        unpruned.append(full)
        means.append([average(*curve, *over) for curve in of_seed])
        if statement.other is None:
            means[-1] += full
    if not means:
        return Effects([], math.nan, math.nan, cut_off=too_short)
    method, reference = np.mean(means, axis=0)
    return Effects(
        by_seed=[mean - other for mean, other in means],
        unpruned=float(np.mean(unpruned, axis=0).min()),
        compared=float(max(method, reference) if statement.orders else reference),
        unshared=0.0 if fresh else float(np.ptp(unpruned, axis=1).mean()),
        cut_off=too_short,
    )


def paper_effect(statement: Statement, curves: pd.DataFrame) -> Estimate | None:
    """Return the effect in the paper's own figure, or None if it is not there.

    The bars of the curves' points are averaged over the range, as if all points of a curve erred
    together, and added in squares between the two methods. They are 1.96 standard errors by the
    population's formula (`aggregate.mean_and_ci95`).

    Args:
        statement: to be judged.
        curves: the paper's, as `paper.curves.paper_curves` reads them.
    """
    of_figure = curves[(curves["figure"] == statement.figure)]
    parts = [of_figure[of_figure["method"] == name] for name in statement.curves]
    if any(part.empty for part in parts):
        return None
    over = common_range(statement.over, [part["fraction_remaining"] for part in parts])
    if over[0] > over[1]:
        return None
    ranges = [over] * len(parts)
    if statement.other is None:
        parts, ranges = [parts[0], parts[0]], [over, (1.0, 1.0)]
    means, bars, readings = zip(
        *(_paper_average(part, *range_) for part, range_ in zip(parts, ranges, strict=True)),
        strict=True,
    )
    freedom = int(min(part["runs"].min() for part in parts)) - 1
    error = math.hypot(*bars) / 1.96 * math.sqrt((freedom + 1) / freedom)
    return Estimate(means[0] - means[1], error, freedom, sum(readings))


def _paper_average(part: pd.DataFrame, low: float, high: float) -> tuple[float, float, float]:
    """The mean accuracy over a range, the mean bar and the mean error of reading."""
    columns = (part[name] for name in ("accuracy", "ci95", "accuracy_error"))
    fractions = part["fraction_remaining"]
    accuracy, bar, reading = (average(fractions, column, low, high) for column in columns)
    return accuracy, bar, reading
