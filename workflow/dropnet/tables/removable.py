"""How much can go: the largest share of nodes or filters removed at a given loss of accuracy."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from scipy import stats

from dropnet.files.csv_tables import rounded
from dropnet.tables.columns import REMOVABLE

MARGINS = (0.005, 0.01, 0.02)  # of accuracy
SHOWN = 0.01  # the one that figures and README show


def largest_share(fractions: np.ndarray, losses: np.ndarray, margin: float) -> np.ndarray:
    """Return the share that can go until the loss exceeds a margin for the first time.

    Between two points the loss is linear on the logarithmic axis of the fraction remaining.

    Args:
        fractions: remaining, from 1 down, [points].
        losses: of accuracy against the unpruned network, [..., points]; 0 at the first point.
        margin: the loss allowed.

    Returns:
        1 - the fraction at which the loss crosses the margin; 1 - the last fraction if it never
        does. [...]
    """
    beyond = losses > margin
    first = np.where(beyond.any(-1), beyond.argmax(-1), len(fractions) - 1)
    x = np.log(fractions)
    right = np.take_along_axis(losses, first[..., None], -1)[..., 0]
    left = np.take_along_axis(losses, np.maximum(first - 1, 0)[..., None], -1)[..., 0]
    crossing = beyond.any(-1)
    step = np.where(crossing, (margin - left) / np.where(crossing, right - left, 1), 1)
    at = x[np.maximum(first - 1, 0)] + step * (x[first] - x[np.maximum(first - 1, 0)])
    return 1 - np.exp(at)


def tabulate(runs: pd.DataFrame, sizes: pd.DataFrame, methods: Sequence[str]) -> pd.DataFrame:
    """Return one row for each method of an experiment and each margin, with columns `REMOVABLE`.

    The mean loss over the seeds decides; the interval is that of a bootstrap over the seeds. The
    last columns describe the smallest network that was trained before the margin was crossed.

    Args:
        runs: of one experiment, as in runs.csv.
        sizes: of its networks, as in sizes.csv.
        methods: in the order of the rows.
    """
    rows = []
    for method in methods:
        of_method = runs[runs["method"] == method].merge(
            sizes, on=["experiment", "method", "seed", "cycle"]
        )
        of_method = of_method[of_method["fraction_remaining"] > 0]
        table = of_method.pivot_table(index="seed", columns="cycle", values="test_accuracy")
        fractions = of_method.groupby("cycle")["fraction_remaining"].first().to_numpy()
        accuracies = table.to_numpy()
        losses = accuracies[:, :1] - accuracies
        for margin in MARGINS:
            share = float(largest_share(fractions, losses.mean(0), margin))
            cycle = int(np.flatnonzero(1 - fractions <= share + 1e-12).max())
            rows.append(
                {
                    "experiment": of_method["experiment"].iloc[0],
                    "method": method,
                    "margin": margin,
                    "seeds": len(table),
                    "unpruned": accuracies[:, 0].mean(),
                    "removable": share,
                    "crossed": bool((losses.mean(0) > margin).any()),  # else: at least so much
                    **_interval(fractions, losses, margin),
                    "removed": 1 - fractions[cycle],
                    "accuracy": accuracies[:, cycle].mean(),
                    **_sizes(of_method, cycle),
                }
            )
    return rounded(pd.DataFrame(rows, columns=list(REMOVABLE)))


def _interval(fractions: np.ndarray, losses: np.ndarray, margin: float) -> Mapping[str, float]:
    """The 95% interval of a bootstrap over the seeds; none for a single seed."""
    if len(losses) < 2:
        return {"ci_low": np.nan, "ci_high": np.nan}

    def share(seeds: np.ndarray, axis: int) -> np.ndarray:
        return largest_share(fractions, losses[seeds].mean(-2), margin)

    drawn = stats.bootstrap(
        (np.arange(len(losses)),), share, n_resamples=2000, method="percentile", rng=0
    )
    interval = drawn.confidence_interval
    return {"ci_low": float(interval.low), "ci_high": float(interval.high)}


def _sizes(of_method: pd.DataFrame, cycle: int) -> Mapping[str, float]:
    means = of_method.groupby("cycle")[["parameters", "multiply_adds"]].mean()
    return {
        name: value
        for column in ("parameters", "multiply_adds")
        for name, value in (
            (column, means[column].loc[cycle]),
            (f"{column}_share", means[column].loc[cycle] / means[column].loc[0]),
        )
    }
