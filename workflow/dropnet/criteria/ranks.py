"""ranks.csv: the mean rank of each method among all of its experiment, by fraction remaining."""

import numpy as np
import pandas as pd
from scipy import stats

from dropnet.chance import near_chance
from dropnet.criteria.curves import common_seeds, curves_of
from dropnet.estimates import Estimate
from dropnet.files.csv_tables import rounded
from dropnet.tables.columns import RANKS

#: Remaining. Global and per-layer methods do not stop at the same ones: curves are read off there.
FRACTIONS = (0.8, 0.6, 0.5, 0.4, 0.3, 0.2, 0.15, 0.1, 0.07, 0.05)


def rank(runs: pd.DataFrame, classes: int) -> pd.DataFrame:
    """Return one row for each method and each of `FRACTIONS`, with columns `RANKS`.

    Methods are ranked by test accuracy for each seed that all of them have, 1 for the highest, tied
    ones at the mean of their places; the ranks are averaged over the seeds, with Student's 95%
    interval (nan of a single seed). A curve is linear between its
    points on the logarithmic axis. A fraction that a curve does not reach is left out.

    Args:
        runs: of one experiment, as in runs.csv.
        classes: of its data set.
    """
    curves = curves_of(runs)
    methods, seeds = list(curves), common_seeds(curves, curves)
    ends = [curves[method][seed].fractions.min() for method in methods for seed in seeds]
    rows = []
    for fraction in FRACTIONS:
        if not seeds or fraction < max(ends):
            continue
        accuracies = np.array(
            [[curves[m][seed].average(fraction, fraction) for m in methods] for seed in seeds]
        )
        # what is equal is equal, whatever the last digits of a float say
        ranks = stats.rankdata(-accuracies.round(9), axis=1)
        best = float(accuracies.mean(axis=0).max())
        for place, method in enumerate(methods):
            of_method = ranks[:, place]
            estimate = Estimate.of(of_method.tolist()) if len(seeds) > 1 else None
            low, high = estimate.interval if estimate else (np.nan, np.nan)
            rows.append(
                {
                    "experiment": runs["experiment"].iloc[0],
                    "method": method,
                    "fraction_remaining": fraction,
                    "rank": of_method.mean(),
                    "ci_low": low,
                    "ci_high": high,
                    "accuracy": accuracies[:, place].mean(),
                    "seeds": len(seeds),
                    "methods": len(methods),
                    "at_chance": near_chance(best, classes),
                }
            )
    return rounded(pd.DataFrame(rows, columns=list(RANKS)))
