"""What follows from a few seeds: means, their intervals and tests; and the mean of a curve."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Literal

import numpy as np
from scipy import stats
from scipy.optimize import brentq

LEVEL = 0.05  # of all tests, and of the intervals
POWER = 0.8  # with which an effect would have been seen
FEWEST_SEEDS = 3  # that decide anything
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

    @classmethod
    def of_bar(cls, value: float, bar: float, n: int, off: float = 0.0) -> "Estimate":
        """Return the mean of `n` samples, two or more, of which a bar is known.

        The paper's bars, and those of our figures, are 1.96 standard errors by the population's
        formula (`tables.aggregate.mean_and_ci95`).
        """
        return cls(value, bar / 1.96 * math.sqrt(n / (n - 1)), n - 1, off)

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
