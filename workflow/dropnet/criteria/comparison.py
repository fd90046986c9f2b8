"""All tables of a comparison of criteria, from runs."""

from collections.abc import Mapping, Sequence

import pandas as pd

from dropnet.criteria.contrasts import compare
from dropnet.criteria.layers import shares
from dropnet.criteria.ranks import rank

TABLES = ("criteria.csv", "ranks.csv", "layers.csv")


def comparison(
    runs: pd.DataFrame,
    experiments: Sequence[str],
    classes: Mapping[str, int],
    scale: str,
    reductions: Mapping[str, str],
) -> dict[str, pd.DataFrame]:
    """Return each of `TABLES` by its name.

    Args:
        runs: of the experiments, as in runs.csv, methods in the order in which they are told.
        experiments: their names, in their order in ranks.csv and layers.csv.
        classes: of the data set of each.
        scale: its name.
        reductions: how each differs from the paper's protocol, in words, or "".
    """
    each = {name: runs[runs["experiment"] == name] for name in experiments}
    placed = [rank(rows, classes[name]) for name, rows in each.items()]
    kept = [shares(rows) for rows in each.values()]
    tables = (
        compare(runs, classes, scale, reductions),
        pd.concat(placed, ignore_index=True),
        pd.concat(kept, ignore_index=True),
    )
    return dict(zip(TABLES, tables, strict=True))
