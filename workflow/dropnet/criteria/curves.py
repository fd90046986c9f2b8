"""The curves of one experiment, seed by seed."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from dropnet.estimates import average
from dropnet.tables.aggregate import diverged


@dataclass(frozen=True)
class Curve:
    """Test accuracy of one method and seed against the fraction remaining, from 1 down.

    Points at 0 are left out: they have no place on a logarithmic axis.

    Attributes:
        fractions: remaining, [points].
        accuracies: [points].
        diverged: whether the network of each point diverged, [points].
    """

    fractions: np.ndarray
    accuracies: np.ndarray
    diverged: np.ndarray

    def average(self, low: float, high: float) -> float:
        """Return the mean over a range, see `estimates.average`."""
        return average(self.fractions, self.accuracies, low, high)

    def has_diverged(self, low: float, high: float) -> bool:
        """Say whether a network diverged that the mean over a range rests on."""
        above = self.fractions[self.fractions >= high].min(initial=1.0)
        below = self.fractions[self.fractions <= low].max(initial=0.0)
        within = (self.fractions >= below) & (self.fractions <= above)
        return bool(self.diverged[within].any())


#: The curves of an experiment, by method and seed.
Curves = Mapping[str, Mapping[int, Curve]]


def curves_of(runs: pd.DataFrame) -> Curves:
    """Return those of the runs of one experiment, as in runs.csv, methods in their order."""
    points = runs.assign(diverged=diverged(runs))
    points = points[points["fraction_remaining"] > 0]
    curves: dict[str, dict[int, Curve]] = {}
    columns = ("fraction_remaining", "test_accuracy", "diverged")
    keys: Any = ["method", "seed"]
    for (method, seed), rows in points.groupby(keys, sort=False):
        curves.setdefault(str(method), {})[int(seed)] = Curve(
            *(rows[c].to_numpy() for c in columns)
        )
    return curves


def common_seeds(curves: Curves, methods: Iterable[str]) -> list[int]:
    """Return the seeds that several methods have."""
    return sorted(set.intersection(*(set(curves[method]) for method in methods)))
