"""How far the masks of criteria are those of the oracle, a panel for each family of criteria."""

import pandas as pd
from matplotlib.figure import Figure

from dropnet.errors import UserError
from dropnet.figures import page
from dropnet.figures.families import Quantity
from dropnet.figures.families import plot as plot_families
from dropnet.tables.aggregate import mean_and_ci95

SHOWN = Quantity("Agreement beyond chance", of_errors=False)


def plot(table: pd.DataFrame, unit: str, note: str) -> Figure:
    """Draw the mean agreement with the oracle over the seeds, beyond that of random masks.

    Args:
        table: of one experiment, with columns `dropnet.tables.columns.AGREEMENT`.
        unit: what is dropped, "nodes" or "filters".
        note: the scale, and what is reduced at it; "" for nothing.

    Raises UserError if the table has no rows.
    """
    if table.empty:
        raise UserError("agreement: the table has no rows")
    beyond = (table["agreement"] - table["chance"]) / (1 - table["chance"])
    keys = ["method", "fraction_remaining"]
    rows = []
    for (method, fraction), values in beyond.groupby([table[key] for key in keys], sort=False):
        mean, ci95 = mean_and_ci95(values.tolist())
        rows.append({"method": method, "fraction_remaining": fraction, "value": mean, "ci95": ci95})
    return plot_families(pd.DataFrame(rows), header(table, unit, note), SHOWN, unit, level=0)


def header(table: pd.DataFrame, unit: str, note: str) -> page.Header:
    """Say what agreement is, and what that of random masks would be."""
    seeds = table["seed"].nunique()
    says = f"The share of the {unit} that a criterion and the oracle, of the same seed and size,"
    says += " both keep or both drop, less that of masks at random, divided by what that leaves: 0"
    says += " is as at random, 1 the oracle's own masks. The oracle measures the loss without each"
    says += f" of the {unit}. Mean of {seeds}"
    says += f" run{'s; bars: 1.96 standard errors' * (seeds > 1)}."
    title = f"Agreement with the oracle: {table['experiment'].iloc[0]}"
    return page.Header(title, says, note, warns=True)
