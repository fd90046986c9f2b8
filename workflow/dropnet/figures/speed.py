"""Accuracy against latency and against multiply-adds: what pruning does to each network."""

from collections.abc import Mapping
from typing import Any

import pandas as pd
import seaborn
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import EngFormatter, FuncFormatter, LogLocator, NullFormatter

from dropnet.errors import UserError
from dropnet.figures import page
from dropnet.figures.style import (
    EDGE_WIDTH,
    LINE_WIDTH,
    QUIET,
    Style,
    by_marker,
    context,
    handle,
    styles,
)
from dropnet.tables.runs import BASELINE
from dropnet.tables.speed import in_words

PANEL_HEIGHT = 2.6  # inches
MULTIPLY_ADDS = "Multiply-adds of an image"
FORMS = ["unpruned", "pruned"]


def plot(table: pd.DataFrame, note: str) -> Figure:
    """Draw two points of each experiment, unpruned and pruned, at its exact size.

    A panel for each batch size has the latency of a batch on its axis, the last one the
    multiply-adds of an image. Widths that are rounded up are in the table alone.

    Args:
        table: with columns `dropnet.tables.columns.SPEED`.
        note: the scale, and what is reduced at it; "" for nothing.

    Raises UserError if the table has no rows.
    """
    if table.empty:
        raise UserError("speed: the table has no rows")
    shown = table[table["rounding"] == 1]
    shown = shown.assign(form=[FORMS[method != BASELINE] for method in shown["method"]])
    looks = styles(list(dict.fromkeys(shown["experiment"])))
    batches = sorted(set(shown["batch"]))
    with context():
        figure, body = page.new_page(header(table, note))
        panels = list(body.subplots(1, len(batches) + 1, sharey=True, squeeze=False)[0])
        for axes, batch in zip(panels, batches, strict=False):
            rows = shown[shown["batch"] == batch]
            _draw(axes, rows, "latency_ms", looks)
            images = "1 image" if batch == 1 else f"{batch} images"
            axes.set_xlabel(f"Latency of {images} (ms)")
        _draw(panels[-1], shown[shown["batch"] == batches[0]], "multiply_adds", looks)
        panels[-1].set_xlabel(MULTIPLY_ADDS)
        panels[0].set_ylabel("Test accuracy")
        page.add_legend(figure, _handles(looks))
        page.fit(figure, [panels[0]], PANEL_HEIGHT)
    return figure


def header(table: pd.DataFrame, note: str) -> page.Header:
    """Say what the points are, on what they were measured, and which networks became slower."""
    says = "Each line leads from an unpruned network (open) to the smallest one that"
    says += f" {_methods(table)} leaves within a point of its accuracy (filled). onnxruntime on one"
    says += f" thread of {', '.join(dict.fromkeys(table['cpu']))}; medians, bars: quartiles. "
    return page.Header("How fast pruned networks are", says + in_words(table), note, warns=True)


def _methods(table: pd.DataFrame) -> str:
    return ", ".join(name for name in dict.fromkeys(table["method"]) if name != BASELINE)


def _draw(axes: Axes, rows: pd.DataFrame, column: str, looks: Mapping[str, Style]) -> None:
    """Draw a line for each experiment, an open marker and a filled one at its ends."""
    seaborn.lineplot(
        rows,
        x=column,
        y="accuracy",
        hue="experiment",
        palette={name: style.colour for name, style in looks.items()},
        estimator=None,
        sort=False,
        legend=False,
        linewidth=LINE_WIDTH,
        alpha=0.6,
        ax=axes,
    )
    for form in FORMS:
        of_form = rows[rows["form"] == form]
        chosen = {
            name: Style(style.colour, style.marker, open_marker=form == FORMS[0])
            for name, style in looks.items()
        }
        for these, properties in by_marker(chosen):
            seaborn.lineplot(
                of_form,
                x=column,
                y="accuracy",
                hue="experiment",
                style="experiment",
                hue_order=list(these),
                style_order=list(these),
                palette={name: style.colour for name, style in these.items()},
                markers={name: style.marker for name, style in these.items()},
                dashes=False,
                estimator=None,
                legend=False,
                ax=axes,
                **properties | {"linewidth": 0},
            )
    if column == "latency_ms":
        axes.hlines(
            rows["accuracy"],
            rows["latency_low"],
            rows["latency_high"],
            colors=[looks[name].colour for name in rows["experiment"]],
            linewidth=EDGE_WIDTH,
            zorder=2.5,
        )
    axes.set(xscale="log", ylabel="")
    in_units = EngFormatter(sep="") if column == "multiply_adds" else FuncFormatter(_plain)
    axes.xaxis.set_major_locator(LogLocator(numticks=4))
    axes.xaxis.set_major_formatter(in_units)
    axes.xaxis.set_minor_formatter(NullFormatter())


def _plain(value: float, _: int | None = None) -> str:
    return f"{value:g}"


def _handles(looks: Mapping[str, Style]) -> dict[str, Artist]:
    """Of the experiments, and of what open and filled markers are."""
    plain: dict[str, Any] = {"color": QUIET, "marker": "o", "linewidth": 0, "markersize": 4}
    forms: dict[str, Artist] = {
        "unpruned": Line2D([], [], markerfacecolor="white", **plain),
        "pruned": Line2D([], [], **plain),
    }
    return forms | {
        name: handle(Style(style.colour, style.marker)) for name, style in looks.items()
    }
