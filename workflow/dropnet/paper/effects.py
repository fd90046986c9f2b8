"""The effect that a statement speaks of: in our runs, seed by seed, and in the paper's own figure.

An effect is a difference of accuracies, averaged over a range of the fraction remaining
(`claims.Statement`).
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from dropnet.estimates import Estimate, average, common_range
from dropnet.method_names import RANDOM_INIT, MethodName
from dropnet.paper.claims import Statement


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
    fresh = any(MethodName.of(name).variant == RANDOM_INIT for name in names)
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
    together, and added in squares between the two methods.

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
    seeds = int(min(part["runs"].min() for part in parts))
    return Estimate.of_bar(means[0] - means[1], math.hypot(*bars), seeds, sum(readings))


def _paper_average(part: pd.DataFrame, low: float, high: float) -> tuple[float, float, float]:
    """The mean accuracy over a range, the mean bar and the mean error of reading."""
    columns = (part[name] for name in ("accuracy", "ci95", "accuracy_error"))
    fractions = part["fraction_remaining"]
    accuracy, bar, reading = (average(fractions, column, low, high) for column in columns)
    return accuracy, bar, reading
