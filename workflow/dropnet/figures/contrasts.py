"""The league table of criteria as a picture: each beside a random choice, with intervals."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any, cast

import numpy as np
import pandas as pd
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

from dropnet.criteria.contrasts import (
    BETTER,
    LOWER,
    NO_DIFFERENCE,
    RANGES,
    UNDECIDED,
    WORSE,
)
from dropnet.criteria.league import RANK_MARK, against_random, in_percent
from dropnet.figures import page
from dropnet.figures.style import CHOSEN, EDGE_WIDTH, QUIET, UNSHOWN, context
from dropnet.method_names import MethodName

ROW_HEIGHT = 0.2  # inches, of a criterion and its per-layer form
COLUMNS = 3  # experiments beside each other
ASIDE = 0.19  # rows, of the two forms
FAR_APART, NEAR = (
    15.0,
    1.0,
)  # points: logarithmic beyond NEAR where some, not most, are beyond FAR_APART
TICKS = (0, 1, 5, 20, 80)  # points, of a logarithmic axis, of both signs
LEAST_SPAN = 1.0  # points
BOLD = "minimum"  # DropNet
SMALL: dict[str, Any] = {"fontsize": 7}


def plot(table: pd.DataFrame, note: str) -> Figure:
    """Draw each criterion's effect against a random choice of its scope, sorted, with its interval.

    A band of panels for each range of the fraction remaining, a panel for each experiment; a band
    is sorted by the mean of its effects. Colour and star stand for what the corrected tests say,
    and for nothing else.

    Args:
        table: as in criteria.csv.
        note: the scale, and what is reduced at it; "" for nothing.
    """
    rows = against_random(table)
    shown = rows[rows["verdict"] != UNDECIDED]
    parts = [MethodName.of(name) for name in shown["criterion"]]
    shown = shown.assign(
        row=[replace(part, per_layer=False).name for part in parts],
        per_layer=[part.per_layer for part in parts],
    )
    if shown.empty:
        return page.without_points(header(rows, note))
    experiments = list(dict.fromkeys(shown["experiment"]))
    groups = [experiments[n : n + COLUMNS] for n in range(0, len(experiments), COLUMNS)]
    bands = [
        (over, group, of_band)
        for group in groups
        for over in RANGES
        for of_band in [shown[(shown["low"] == over[0]) & shown["experiment"].isin(group)]]
        if not of_band.empty
    ]
    heights = [of_band["row"].nunique() for _, _, of_band in bands]
    with context():
        figure, body = page.new_page(header(rows, note))
        columns = max(len(group) for _, group, _ in bands)
        grid = body.subplots(len(bands), columns, squeeze=False, height_ratios=heights)
        for panels, (over, group, of_band) in zip(grid, bands, strict=True):
            _draw_band(panels, over, group, of_band)
        page.add_legend(figure, _handles())
        page.fit(figure, [panels[0] for panels in grid], ROW_HEIGHT * sum(heights))
    return figure


def header(rows: pd.DataFrame, note: str) -> page.Header:
    """Say what is compared, by which tests, and what is left out."""
    seeds = sorted(set(rows["seeds"][rows["verdict"] != UNDECIDED]))
    runs = f"{seeds[0]} paired seeds" if len(seeds) == 1 else "paired seeds"
    says = (
        "Mean test accuracy over a range of the fraction remaining, the criterion's minus that of"
    )
    says += f" a random choice of the same scope, in points; {runs}, 95% intervals of Student's t,"
    says += (
        " each for itself. Star and colour: Student's paired t test, corrected for all contrasts"
    )
    says += f" of the table (Holm); {RANK_MARK}: Wilcoxon's test of ranks, likewise."
    says += " Intervals end at the edge of a panel where they are wider."
    left_out = rows[rows["verdict"] == UNDECIDED]
    if not left_out.empty:
        reasons = ", ".join(sorted(set(left_out["reason"])))
        says += f" Not shown, {len(left_out)} of {len(rows)} contrasts: {reasons}."
    return page.Header("Criteria beside a random choice", says, note, warns=True)


def _draw_band(
    panels: Sequence[Axes], over: tuple[float, float], group: Sequence[str], rows: pd.DataFrame
) -> None:
    means = rows.groupby("row", sort=False)["effect"].mean().sort_values(kind="stable")
    order = {str(name): place for place, name in enumerate(means.index[::-1])}
    limits, logarithmic = _limits(rows)
    for axes, experiment in zip(panels, group, strict=False):
        own = rows[rows["experiment"] == experiment]
        _draw(axes, own, order)
        _set_x(axes, limits, logarithmic)
        axes.set_yticks(range(len(order)), list(order) if axes is panels[0] else [], **SMALL)
        axes.tick_params(axis="y", length=0)
        axes.set_ylim(len(order) - 0.4, -0.6)
        reached = round(max(own["reached"], default=over[0]), 2)  # curves may end before
        words = in_percent((max(over[0], reached), over[1]))
        axes.set_title(f"{experiment}\n{words} remaining", fontsize=7.5)
        axes.set_xlabel(
            "Points, logarithmic beyond 1" if logarithmic else "Points of accuracy", **SMALL
        )
        for label in axes.get_yticklabels():
            label.set_fontweight("bold" if label.get_text() == BOLD else "normal")
    for axes in panels[len(group) :]:
        axes.set_axis_off()


def _draw(axes: Axes, rows: pd.DataFrame, order: dict[str, int]) -> None:
    axes.axvline(0, color=QUIET, linewidth=0.8, zorder=1)
    for row in cast(Iterable[Any], rows.itertuples()):
        place = order[row.row] + (ASIDE if row.per_layer else -ASIDE)
        colour = CHOSEN.get(row.verdict, UNSHOWN)
        axes.hlines(
            place,
            100 * row.ci_low,
            100 * row.ci_high,
            colors=colour,
            linewidth=EDGE_WIDTH,
            zorder=2,
        )
        axes.plot(
            [100 * row.effect],
            [place],
            marker="s" if row.per_layer else "o",
            markersize=3.2,
            color=colour,
            markerfacecolor="white" if row.per_layer else colour,
            markeredgewidth=EDGE_WIDTH,
            linewidth=0,
            zorder=3,
        )
        signs = "*" * (row.verdict != NO_DIFFERENCE)
        signs += RANK_MARK * (row.low == LOWER[0] and row.ranks in (BETTER, WORSE))
        if signs:
            axes.annotate(
                signs,
                (1, place),
                (1.5, 0),
                xycoords=("axes fraction", "data"),
                textcoords="offset points",
                color=CHOSEN.get(row.verdict, QUIET),
                va="center",
                annotation_clip=False,
                **SMALL,
            )


def _limits(rows: pd.DataFrame) -> tuple[tuple[float, float], bool]:
    """Limits that hold every effect, and all but the widest intervals; whether logarithmic."""
    effects = 100 * rows["effect"]
    low = min(effects.min(), 100 * float(np.nanpercentile(rows["ci_low"], 10)), -LEAST_SPAN)
    high = max(effects.max(), 100 * float(np.nanpercentile(rows["ci_high"], 90)), LEAST_SPAN)
    farthest = float(effects.abs().max())
    logarithmic = farthest > FAR_APART > 3 * float(effects.abs().median())
    if logarithmic:
        return (low * 1.25, high * 1.25), True
    margin = 0.06 * (high - low)
    return (low - margin, high + margin), False


def _set_x(axes: Axes, limits: tuple[float, float], logarithmic: bool) -> None:
    if logarithmic:
        axes.set_xscale("symlog", linthresh=NEAR, linscale=0.8)
        axes.xaxis.set_major_locator(FixedLocator([*TICKS, *(-tick for tick in TICKS)]))
        axes.xaxis.set_minor_locator(NullLocator())
    axes.set_xlim(limits)
    axes.tick_params(axis="x", labelsize=7)
    axes.xaxis.set_major_formatter(
        FuncFormatter(lambda x, _: "0" if math.isclose(x, 0, abs_tol=1e-9) else f"{x:+g}")
    )


def _handles() -> dict[str, Artist]:
    plain: dict[str, Any] = {"linewidth": EDGE_WIDTH, "markersize": 3.6}
    return {
        "global": Line2D([], [], color=UNSHOWN, marker="o", **plain),
        "per-layer form": Line2D(
            [], [], color=UNSHOWN, marker="s", markerfacecolor="white", **plain
        ),
        f"{BETTER} *": Line2D([], [], color=CHOSEN[BETTER], marker="o", **plain),
        f"{WORSE} *": Line2D([], [], color=CHOSEN[WORSE], marker="o", **plain),
        NO_DIFFERENCE: Line2D([], [], color=UNSHOWN, **plain),
    }
