"""layers.csv: what share of each layer each method keeps."""

import numpy as np
import pandas as pd

from dropnet.files.csv_tables import rounded
from dropnet.tables.columns import LAYERS


def shares(runs: pd.DataFrame) -> pd.DataFrame:
    """Return one row for each method of an experiment, cycle and layer, with columns `LAYERS`.

    Args:
        runs: of one experiment, as in runs.csv; `remaining` there counts the nodes of each layer
            that the masks keep.
    """
    rows = []
    for method, of_method in runs.groupby("method", sort=False):
        kept = np.array([row.split("|") for row in of_method["remaining"]], dtype=float)
        cycles = of_method["cycle"].to_numpy()
        widths = kept[cycles == 0].max(axis=0)
        for cycle in sorted(set(cycles)):
            of_cycle = kept[cycles == cycle] / widths
            fraction = of_method["fraction_remaining"].to_numpy()[cycles == cycle].mean()
            for layer, width in enumerate(widths):
                rows.append(
                    {
                        "experiment": runs["experiment"].iloc[0],
                        "method": method,
                        "cycle": cycle,
                        "fraction_remaining": fraction,
                        "layer": layer + 1,
                        "width": int(width),
                        "kept": of_cycle[:, layer].mean(),
                        "least": of_cycle[:, layer].min(),
                        "most": of_cycle[:, layer].max(),
                        "seeds": len(of_cycle),
                    }
                )
    return rounded(pd.DataFrame(rows, columns=list(LAYERS)))
