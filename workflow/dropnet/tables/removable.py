"""How much can go: the largest share of nodes or filters removed at a given loss of accuracy.

Every share is one at which networks were trained; nothing is interpolated.
"""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from scipy import stats

from dropnet.chance import near_chance
from dropnet.estimates import LEVEL
from dropnet.files.csv_tables import rounded
from dropnet.tables.columns import REMOVABLE
from dropnet.tables.margins import MARGINS, last_within


def limits(losses: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the ends of the 95% interval of the mean loss at each point, by Student's t.

    Args:
        losses: [seeds, points], two seeds or more.
    """
    seeds = len(losses)
    t = stats.t.ppf(1 - LEVEL / 2, seeds - 1)
    half = t * losses.std(axis=0, ddof=1) / np.sqrt(seeds)
    return losses.mean(axis=0) - half, losses.mean(axis=0) + half


def interval(fractions: np.ndarray, losses: np.ndarray, margin: float) -> tuple[float, float]:
    """Return the 95% interval of the share that can go before the mean loss exceeds a margin.

    It inverts the t interval of the loss: the lower end is the last share before the loss may be
    beyond the margin, the upper one the last before it surely is. That is 1 where it never is:
    what lies beyond the end of the curve is not known.

    Args:
        fractions: remaining, from 1 down, [points].
        losses: [seeds, points], two seeds or more.
        margin: the loss allowed.
    """
    low, high = limits(losses)
    least = 1 - fractions[last_within(high, margin)]
    most = 1 - fractions[last_within(low, margin)] if (low > margin).any() else 1.0
    return float(least), float(most)


def tabulate(
    runs: pd.DataFrame, sizes: pd.DataFrame, methods: Sequence[str], classes: int
) -> pd.DataFrame:
    """Return one row for each method of an experiment and each margin, with columns `REMOVABLE`.

    The mean loss over the seeds decides. There is no share (nan) of a single run, whose loss nobody
    knows how far to trust, and none of networks near chance, which have nothing to lose.

    Args:
        runs: of one experiment, as in runs.csv.
        sizes: of its networks, as in sizes.csv.
        methods: in the order of the rows.
        classes: of the data set.
    """
    rows = []
    for method in methods:
        of_method = runs[runs["method"] == method].merge(
            sizes, on=["experiment", "method", "seed", "cycle"]
        )
        of_method = of_method[of_method["fraction_remaining"] > 0]
        table = of_method.pivot_table(index="seed", columns="cycle", values="test_accuracy")
        table = table.dropna(axis="columns")  # where a run was cut off, the curve ends
        remaining = of_method.groupby("cycle")["fraction_remaining"].first()
        fractions = remaining.loc[table.columns].to_numpy()
        accuracies = table.to_numpy()
        unpruned = float(accuracies[:, 0].mean())
        for margin in MARGINS:
            row = {
                **dict.fromkeys(REMOVABLE, np.nan),
                "experiment": of_method["experiment"].iloc[0],
                "method": method,
                "margin": margin,
                "seeds": len(table),
                "unpruned": unpruned,
                "at_chance": near_chance(unpruned, classes),
                "crossed": False,
            }
            if len(table) > 1 and not row["at_chance"]:
                row |= _share(of_method, fractions, accuracies, margin)
            rows.append(row)
    return rounded(pd.DataFrame(rows, columns=list(REMOVABLE)))


def _share(
    of_method: pd.DataFrame, fractions: np.ndarray, accuracies: np.ndarray, margin: float
) -> dict[str, float | bool]:
    losses = accuracies[:, :1] - accuracies
    mean = losses.mean(axis=0)
    point = last_within(mean, margin)
    low, high = interval(fractions, losses, margin)
    return {
        "removable": 1 - float(fractions[point]),
        "crossed": bool((mean > margin).any()),  # else: at least so much
        "ci_low": low,
        "ci_high": high,
        "accuracy": float(accuracies[:, point].mean()),
        **_sizes(of_method, point),
    }


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
