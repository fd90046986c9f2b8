"""Curves of many criteria: a panel for each family of them, with the same references in each."""

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FixedLocator, FuncFormatter, NullFormatter, NullLocator
from matplotlib.transforms import ScaledTranslation

from dropnet.figures import page
from dropnet.figures.style import (
    CONTROLS,
    DASHED,
    EDGE_WIDTH,
    FAMILIES,
    QUIET,
    REFERENCES,
    YOURS,
    Style,
    context,
    family,
    family_styles,
    handle,
    marked,
)
from dropnet.method_names import MethodName
from dropnet.tables.aggregate import points

PANEL_HEIGHT = 1.75  # inches
COLUMNS = 3
MARKER_SIZE = 3.2  # points
BELOW = (-0.15, -0.24)  # inches from the corner of a panel: its legend, under the ticks
SMALL: dict[str, Any] = {"fontsize": 7}
X_TICKS = (1, 0.5, 0.2, 0.1, 0.05, 0.02, 0.01)
ACCURACIES = (0.99, 0.98, 0.95, 0.9, 0.8, 0.5, 0.1)  # ticks
LEAST_ERROR = 1e-4  # what an accuracy of 1 is drawn as
REFERENCE_WIDTH = 1.5  # points


@dataclass(frozen=True)
class Quantity:
    """What the panels show.

    Attributes:
        label: of the vertical axis.
        references: metrics that are drawn grey in every panel, with their per-layer forms.
        of_errors: the axis is that of accuracies, logarithmic in the error, so that accuracies near
            1 can be told apart, and those near chance are seen as well.
    """

    label: str
    references: Sequence[str] = ("minimum", "random")
    of_errors: bool = True


def plot(
    averages: pd.DataFrame,
    header: page.Header,
    quantity: Quantity,
    unit: str,
    level: float | None = None,
) -> Figure:
    """Draw a panel for each family of criteria that has any.

    Args:
        averages: method, fraction_remaining, value, ci95; one row a point, of one experiment.
        header: the words at the top.
        quantity: what `value` is.
        unit: what is dropped, "nodes" or "filters".
        level: of a dotted line in each panel, that of masks at random; None for no line.
    """
    finite = averages["value"].map(math.isfinite)
    drawn = averages[(averages["fraction_remaining"] > 0) & finite]
    if drawn.empty:
        return page.without_points(header)
    panels = families_of(list(dict.fromkeys(drawn["method"])))
    columns = min(COLUMNS, len(panels))
    rows = math.ceil(len(panels) / columns)
    with context():
        figure, body = page.new_page(header)
        grid = body.subplots(rows, columns, sharex=True, sharey=True, squeeze=False)
        every = list(grid.flat)
        for axes, (name, members) in zip(every, panels.items(), strict=False):
            _draw_references(axes, drawn, quantity, members)
            if level is not None:
                axes.axhline(level, color=QUIET, linestyle=":", linewidth=1)
            _draw_family(axes, drawn, quantity, members)
            axes.set_title(name, fontsize=8.5)
            axes.tick_params(labelbottom=True, labelsize=7)
        for axes in every[len(panels) :]:
            axes.remove()
        _set_axes(every[0], drawn, quantity)
        body.supxlabel(f"Fraction of {unit} remaining", fontsize=8)
        body.supylabel(quantity.label, fontsize=8)
        present = {MethodName.of(method) for method in drawn["method"]}
        page.add_legend(figure, _handles(quantity, present, level))
        page.fit(figure, list(grid[:, 0]), PANEL_HEIGHT * rows)
    return figure


def accuracies(runs: pd.DataFrame, unit: str, note: str) -> Figure:
    """Draw the test accuracies of an experiment.

    Args:
        runs: of it, as in runs.csv.
        unit: what is dropped, "nodes" or "filters".
        note: the scale, and what is reduced at it; "" for nothing.
    """
    averages = points(runs, "test_accuracy", list(dict.fromkeys(runs["method"])))
    seeds = int(averages["runs"].max())
    says = f"Mean of {seeds} run{'s; bars: 1.96 standard errors' * (seeds > 1)}. The axis is"
    says += " logarithmic in the error, so that small differences at high accuracies are seen."
    gone = int(averages["diverged"].sum())
    if gone:
        says += f" {gone} networks diverged (counted in the mean)."
    title = f"Test accuracy by family of criteria: {runs['experiment'].iloc[0]}"
    label = "Test accuracy"
    return plot(averages, page.Header(title, says, note, warns=True), Quantity(label), unit)


def families_of(methods: Sequence[str]) -> dict[str, dict[str, list[MethodName]]]:
    """Return the criteria of each family that has any, each with its global and per-layer form."""
    found: dict[str, dict[str, list[MethodName]]] = {
        name: {} for name in (*FAMILIES, YOURS, CONTROLS)
    }
    for method in methods:
        criterion = MethodName.of(method)
        members = found[family(criterion.metric, criterion.variant)]
        members.setdefault(replace(criterion, per_layer=False).name, []).append(criterion)
    listed = [metric for metrics in FAMILIES.values() for metric in metrics]
    place = {metric: n for n, metric in enumerate(listed)}
    return {
        name: dict(sorted(members.items(), key=lambda item: place.get(item[0], len(place))))
        for name, members in found.items()
        if members
    }


def _value(rows: pd.DataFrame, quantity: Quantity) -> pd.Series:
    """What is drawn: the value, or the error where the axis is that of errors."""
    return (1 - rows["value"]).clip(lower=LEAST_ERROR) if quantity.of_errors else rows["value"]


def _draw_references(
    axes: Axes,
    averages: pd.DataFrame,
    quantity: Quantity,
    members: Mapping[str, Sequence[MethodName]],
) -> None:
    for metric in quantity.references:
        if metric in members:
            continue  # it has a colour here
        for criterion in (MethodName(metric), MethodName(metric, per_layer=True)):
            rows = averages[averages["method"] == criterion.name]
            if rows.empty:
                continue
            (line,) = axes.plot(
                rows["fraction_remaining"],
                _value(rows, quantity),
                color=REFERENCES[metric],
                linewidth=REFERENCE_WIDTH,
                zorder=2,
            )
            line.set_dashes(DASHED if criterion.per_layer else (None, None))


def _draw_family(
    axes: Axes,
    averages: pd.DataFrame,
    quantity: Quantity,
    members: Mapping[str, Sequence[MethodName]],
) -> None:
    """Draw lines, markers and bars of a family, and name its members below the panel."""
    looks = family_styles(list(members))
    for name, forms in members.items():
        for criterion in forms:
            rows = averages[averages["method"] == criterion.name]
            y, bar = _value(rows, quantity), rows["ci95"].fillna(0)
            style = looks[name]
            (line,) = axes.plot(
                rows["fraction_remaining"],
                y,
                color=style.colour,
                marker=style.marker,
                zorder=3,
                **marked(criterion.per_layer) | {"markersize": MARKER_SIZE},
            )
            line.set_dashes(DASHED if criterion.per_layer else (None, None))
            axes.vlines(
                rows["fraction_remaining"],
                (y - bar).clip(lower=LEAST_ERROR) if quantity.of_errors else y - bar,
                y + bar,
                colors=style.colour,
                linewidth=EDGE_WIDTH,
                alpha=0.6,
                zorder=2.5,
            )
    axes.legend(
        [handle(looks[name]) for name in members],
        list(members),
        loc="upper left",
        bbox_to_anchor=(0, 0),
        bbox_transform=axes.transAxes + ScaledTranslation(*BELOW, axes.figure.dpi_scale_trans),
        frameon=False,
        handlelength=2.2,
        labelspacing=0.2,
        borderaxespad=0,
        **SMALL,
    )


def _set_axes(axes: Axes, averages: pd.DataFrame, quantity: Quantity) -> None:
    """Logarithmic from 1 on the left; where errors are shown, accuracies upwards."""
    lowest = min(averages["fraction_remaining"].min(), 0.5)
    axes.set_xscale("log")
    axes.set_xlim(lowest**-0.04, lowest**1.04)
    axes.xaxis.set_major_locator(FixedLocator([x for x in X_TICKS if x >= lowest**1.04]))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda x, _: f"{x:g}"))
    axes.xaxis.set_minor_formatter(NullFormatter())
    if not quantity.of_errors:
        return
    bar = averages["ci95"].fillna(0)
    errors = 1 - averages["value"]
    most = float(np.clip(errors + bar, LEAST_ERROR, 1).max())
    # a bar that reaches close to an error of 0 would take most of a logarithmic axis
    least = float((errors - bar).clip(lower=errors / 2).clip(lower=LEAST_ERROR).min())
    axes.set_yscale("log")
    axes.set_ylim(most * 1.15, least / 1.15)
    axes.yaxis.set_major_locator(FixedLocator([1 - accuracy for accuracy in ACCURACIES]))
    axes.yaxis.set_minor_locator(NullLocator())
    axes.yaxis.set_major_formatter(FuncFormatter(lambda error, _: f"{1 - error:.3g}"))


def _handles(
    quantity: Quantity, present: Collection[MethodName], level: float | None
) -> dict[str, Artist]:
    """Of what the panels share."""
    metrics = {criterion.metric for criterion in present}
    handles: dict[str, Artist] = {
        f"{metric} (in grey)": Line2D([], [], color=REFERENCES[metric], linewidth=REFERENCE_WIDTH)
        for metric in quantity.references
        if metric in metrics
    }
    if level is not None:
        handles["random masks"] = Line2D([], [], color=QUIET, linestyle=":", linewidth=1)
    if any(criterion.per_layer for criterion in present):
        handles["per-layer forms"] = handle(Style(QUIET, "o", DASHED, open_marker=True))
    return handles
