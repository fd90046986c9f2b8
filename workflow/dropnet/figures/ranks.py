"""A heat map of mean ranks: every method of an experiment by fraction remaining."""

from typing import Any

import numpy as np
import pandas as pd
import seaborn
from matplotlib.figure import Figure

from dropnet.errors import UserError
from dropnet.figures import page
from dropnet.figures.style import QUIET, context

ROW_HEIGHT = 0.19  # inches
COLOURS = "viridis_r"  # bright is high up
SMALL: dict[str, Any] = {"fontsize": 7}


def plot(table: pd.DataFrame, unit: str, note: str) -> Figure:
    """Draw the mean rank of each method at each fraction, the best method on top.

    Args:
        table: of one experiment, as in ranks.csv.
        unit: what is dropped, "nodes" or "filters".
        note: the scale, and what is reduced at it; "" for nothing.

    Raises UserError if the table has no rows.
    """
    if table.empty:
        raise UserError("ranks: the table has no rows")
    shown = table[~table["at_chance"]]
    if shown.empty:
        return page.without_points(header(table, unit, note))
    ranks = shown.pivot(index="method", columns="fraction_remaining", values="rank")
    order = ranks.mean(axis=1).sort_values(kind="stable").index
    fractions = sorted(ranks.columns, reverse=True)
    ranks = ranks.loc[order, fractions]
    half = shown.assign(half=(shown["ci_high"] - shown["ci_low"]) / 2)
    halves = half.pivot(index="method", columns="fraction_remaining", values="half").loc[
        order, fractions
    ]
    with context():
        figure, body = page.new_page(header(table, unit, note))
        axes = body.subplots()
        seaborn.heatmap(
            ranks,
            annot=_texts(ranks.to_numpy(), halves.to_numpy()),
            fmt="",
            annot_kws=SMALL,
            cmap=COLOURS,
            vmin=1,
            vmax=int(table["methods"].max()),
            linewidths=0.4,
            # ours are set below: to see whether its own overlap takes it seconds
            xticklabels=False,
            yticklabels=False,
            cbar_kws={"label": "Mean rank", "pad": 0.01, "aspect": 25},
            ax=axes,
        )
        axes.set(xlabel=f"Fraction of {unit} remaining", ylabel="")
        axes.tick_params(length=0, labelsize=7.5)
        places = np.arange(len(fractions)) + 0.5
        axes.set_xticks(places, [f"{fraction:g}" for fraction in fractions], rotation=0)
        axes.set_yticks(np.arange(len(order)) + 0.5, list(order), rotation=0)
        axes.grid(False)
        for spine in axes.spines.values():
            spine.set_color(QUIET)
        page.fit(figure, [axes], ROW_HEIGHT * max(len(order), 5))
    return figure


def header(table: pd.DataFrame, unit: str, note: str) -> page.Header:
    """Say what a cell is, and where there is none."""
    seeds, methods = int(table["seeds"].max()), int(table["methods"].max())
    says = f"Place among all {methods} methods by test accuracy, 1 for the highest, for each seed;"
    says += f" mean of {seeds} seed{'s' * (seeds > 1)}"
    if seeds > 1:
        says += ", ± half the 95% interval (Student's t)"
    says += ". Between the networks that were trained, curves are read off. Nothing is tested here."
    at_chance = sorted(set(table["fraction_remaining"][table["at_chance"]]), reverse=True)
    if at_chance:
        shown = ", ".join(f"{fraction:g}" for fraction in at_chance)
        says += f" Not shown, all near chance: {shown}."
    title = f"Mean ranks: {table['experiment'].iloc[0]}"
    return page.Header(title, says, note, warns=True)


def _texts(ranks: np.ndarray, halves: np.ndarray) -> np.ndarray:
    return np.array(
        [
            [f"{r:.1f}" if np.isnan(h) else f"{r:.1f}±{h:.1f}" for r, h in zip(*row, strict=True)]
            for row in zip(ranks, halves, strict=True)
        ]
    )
