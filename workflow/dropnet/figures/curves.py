"""The paper's figures: accuracy (or epochs, or loss) against the fraction of nodes remaining."""

import json
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import seaborn
from matplotlib.axes import Axes
from matplotlib.figure import Figure, FigureBase
from matplotlib.ticker import FixedLocator, FuncFormatter, LogLocator, NullFormatter
from matplotlib.transforms import ScaledTranslation, Transform

from dropnet.chance import near_chance
from dropnet.errors import UserError
from dropnet.estimates import FEWEST_SEEDS
from dropnet.figures import page
from dropnet.figures.style import (
    EDGE_WIDTH,
    MARKER_SIZE,
    PALE_DASHED,
    QUIET,
    SOLID,
    Style,
    by_marker,
    context,
    handle,
    marked,
    styles,
)
from dropnet.paper.comparison import differences
from dropnet.paper.protocol import fewer_seeds_alone
from dropnet.tables.columns import QUANTITIES

PANEL_HEIGHT, DIFFERENCE_HEIGHT = 2.45, 1.5  # inches
X_TICKS = (1, 0.5, 0.2, 0.1, 0.05, 0.02, 0.01, 0.005, 0.002, 0.001)
MORE_X_TICKS = (0.7, 0.3)  # where there is room
X_MARGIN, Y_MARGIN = 0.03, 0.04  # of an axis, so that a marker at its end is whole
LEAST_SPAN = 0.05  # of an accuracy axis, lest noise fill it
CLOSE_UP = 0.1  # height of the close-up panel, in accuracy
# Differences of which some, not most, are beyond FAR_APART: linear up to NEAR, then logarithmic
NEAR, FAR_APART = 0.02, 0.15
DIFFERENCES = (0, 0.02, 0.1, 0.3, 1)  # ticks, of both signs; those at 1 and 0.3 would touch
PALE = {"linewidth": 3.2, "alpha": 0.28, "dash_capstyle": "butt", "zorder": 1.5}  # the paper's
# Methods at the same fraction stand side by side: their bars, and the differences from the paper
SIDE_BY_SIDE, APART = 3.6, 15.0  # points from the first to the last, the most
SMALL_MARKER_SIZE = 3.0  # points; where a curve is dense
DENSE = 25  # points in a curve

Y_LABELS = {
    "train_accuracy": "Training accuracy",
    "val_accuracy": "Validation accuracy",
    "test_accuracy": "Test accuracy",
    "train_loss": "Training loss",
    "val_loss": "Validation loss",
    "test_loss": "Test loss",
    "epochs": "Epochs of training",
}


@dataclass(frozen=True)
class Face:
    """What a figure says beside its curves.

    Attributes:
        title: as in the configuration.
        scale: name of the scale, e.g. "preview".
        reductions: how the runs differ from the paper's protocol, in words; "" for not at all.
        note: what is said of that, e.g. "Not evidence".
        shows: the quantity, a key of `dropnet.tables.columns.QUANTITIES`.
        unit: what is dropped, "nodes" or "filters".
        classes: that the networks tell apart.
        better: a published picture of the same figure, if this one shows nothing; "" for none.
        missing: the figure's methods that have not run.
        lent: which runs are those of another experiment, and of which, in words; "" for none.
        cut_off: which runs were stopped before their end, and where, in words; "" for none.
    """

    title: str
    scale: str
    reductions: str
    note: str
    shows: str
    unit: str = "nodes"
    classes: int = 10
    better: str = ""
    missing: Sequence[str] = ()
    lent: str = ""
    cut_off: str = ""

    @classmethod
    def from_json(cls, text: str) -> "Face":
        """Read a face from a JSON object with the attributes as keys.

        Raises UserError if a key is missing or unknown, or if `shows` is not a known quantity.
        """
        try:
            face = cls(**json.loads(text))
        except (TypeError, json.JSONDecodeError) as error:
            raise UserError(f"face of the figure: {error}") from None
        if face.shows not in QUANTITIES:
            raise UserError(f"shows: {face.shows!r} is unknown; allowed: {', '.join(QUANTITIES)}")
        return face

    @property
    def quantity(self) -> str:
        """The curve's column of values: accuracy, loss or epochs."""
        return QUANTITIES[self.shows][1]


class Panels(NamedTuple):
    """The panels of a page; all but the first are there if there is something to show."""

    everything: Axes
    close_up: Axes | None
    apart: Axes | None


def plot(curve: pd.DataFrame, face: Face, paper: pd.DataFrame | None = None) -> Figure:
    """Draw one figure, 3-20 or S2-S23, from the table that `dropnet.tables.aggregate.curve` makes.

    The first panel shows every point. Accuracies that fall far get a second panel, a close-up of
    the highest `CLOSE_UP` of accuracy, where the paper's claims are decided. Curves of the paper,
    if given, are drawn behind ours where the methods are the same, and the differences below where
    pruned networks of both have the same size.
    Where there is nothing to draw, as all networks diverged, the figure says so.
    """
    # A logarithmic axis has no place for 0; the header says that such points exist.
    drawn = curve[(curve["fraction_remaining"] > 0) & curve[face.quantity].map(math.isfinite)]
    if drawn.empty:
        return page.without_points(header(curve, face))
    looks = styles(list(dict.fromkeys(curve["method"])))
    paper = None if paper is None else _drawable(paper, looks)
    seen = drawn if paper is None else pd.concat([drawn, paper])
    y_limits = _y_limits(seen, face.quantity)
    magnified = face.quantity == "accuracy" and y_limits[1] - y_limits[0] > 3 * CLOSE_UP
    lowest = drawn["fraction_remaining"].min()
    apart = None if paper is None else differences(curve, paper)
    if apart is not None and not (apart["fraction_remaining"] < 1).any():
        apart = None  # pruned in other steps than the paper's: they meet nowhere

    with context():
        figure, body = page.new_page(header(curve, face, paper))
        panels = _add_panels(body, magnified, apart is not None)
        for axes in (panels.everything, panels.close_up):
            if axes is None:
                continue
            _draw_curves(axes, drawn, face.quantity, looks)
            if paper is not None:
                _draw_paper(axes, paper, looks)
            axes.set(xlabel=f"Fraction of {face.unit} remaining", ylabel="")
        _set_x(panels.everything, lowest)
        panels.everything.set(ylim=y_limits, ylabel=Y_LABELS[face.shows])
        _draw_bars(panels.everything, drawn, face.quantity, looks)
        if panels.close_up is not None:
            panels.everything.set_title("all points")
            highest = drawn[drawn["accuracy"] >= drawn["accuracy"].max() - CLOSE_UP]
            _close_up(panels.close_up, highest, lowest)
            _draw_bars(panels.close_up, highest, face.quantity, looks)
        if panels.apart is not None and apart is not None:
            _draw_differences(panels.apart, apart, looks)
            _set_x(panels.apart, lowest)
            panels.apart.set_xlabel(f"Fraction of {face.unit} remaining")
        page.add_legend(figure, {method: handle(style) for method, style in looks.items()})
        column = [axes for axes in (panels.everything, panels.apart) if axes is not None]
        page.fit(figure, column, PANEL_HEIGHT + DIFFERENCE_HEIGHT * (len(column) - 1))
    return figure


def header(curve: pd.DataFrame, face: Face, paper: pd.DataFrame | None = None) -> page.Header:
    """Say what the points are, and the scale they were made at."""
    most = int(curve["runs"].max())
    note = f"{curve['dataset'].iloc[0]}. "
    if not curve[face.quantity].map(math.isfinite).any():
        note += f"Nothing to draw: no network has a finite {face.quantity}."
    elif most > 1:
        note += f"Mean of {_runs(curve)}; bars: 1.96 standard errors."
    else:
        note += "A single run, no bars."
    note += _diverged(curve, face.quantity)
    if (curve["fraction_remaining"] == 0).any():
        note += f" Networks without {face.unit} are not drawn."
    if paper is not None:
        note += f" Wide pale lines: the paper's {_spelt_out(paper['figure'].iloc[0])}."
    if fewer_seeds_alone(face.reductions):
        scale = f"Scale {face.scale}: the paper's protocol, {face.reductions}."
        scale += " Too few for a verdict." if most < FEWEST_SEEDS else ""
    elif face.reductions:
        scale = f"Scale {face.scale}: {face.reductions}. {face.note}."
        scale += _near_chance(curve, face)
    else:
        scale = f"Scale {face.scale}: the paper's protocol."
    if face.missing:
        scale += f" Not run: {', '.join(face.missing)}."
    if face.lent:
        scale += f" Trained alike: {face.lent}."
    if face.cut_off:
        scale += f" Cut off: {face.cut_off}."
    warns = bool(face.reductions or face.missing or face.cut_off)
    return page.Header(face.title, note, scale, warns=warns)


def _runs(curve: pd.DataFrame) -> str:
    """How many runs each method has: "8 runs (apoz: 1)"; "at most", where some end earlier."""
    runs = curve.groupby("method", sort=False)["runs"]
    at_most = "at most " if (runs.min() < runs.max()).any() else ""
    methods: dict[int, list[str]] = {}
    for method, count in runs.max().items():
        methods.setdefault(int(count), []).append(str(method))
    most, *fewer = sorted(methods, reverse=True)
    others = "; ".join(f"{', '.join(methods[count])}: {count}" for count in fewer)
    return f"{at_most}{most} runs" + (f" ({others})" if others else "")


def _near_chance(curve: pd.DataFrame, face: Face) -> str:
    """Say that the unpruned networks have learnt next to nothing; "" if they have."""
    unpruned = curve[curve["fraction_remaining"] == 1]
    if face.quantity != "accuracy" or unpruned.empty:
        return ""
    accuracy = float(unpruned["accuracy"].mean())
    if not near_chance(accuracy, face.classes):
        return ""
    words = f" Near chance (unpruned {accuracy:.2f}, guessing gives {1 / face.classes:.2g}):"
    return f"{words} nothing can be seen here{f'; see {face.better}' if face.better else ''}."


def _diverged(curve: pd.DataFrame, quantity: str) -> str:
    """Say how many networks diverged; "" for none."""
    # the unpruned networks are those of all methods, and are counted once
    counted = curve[
        (curve["fraction_remaining"] < 1) | (curve["method"] == curve["method"].iloc[0])
    ]
    diverged = int(counted["diverged"].sum())
    if not diverged:
        return ""
    averaged = quantity != "loss"  # see `dropnet.tables.aggregate.points`
    networks = int(counted["runs"].sum()) + (0 if averaged else diverged)
    fate = "counted in the mean" if averaged else "left out of the mean"
    return f" {diverged} of {networks:,} networks diverged ({fate})."


def _spelt_out(figure: str) -> str:
    """The paper's name of a figure: fig03 is its Figure 3, figS02 its Figure S2."""
    return re.sub(r"^fig(S?)0*", r"Figure \1", figure)


def _drawable(paper: pd.DataFrame, looks: Mapping[str, Style]) -> pd.DataFrame | None:
    """The points of the paper's curves whose methods we have too; None if there are none."""
    ours = paper[paper["method"].isin(looks) & (paper["fraction_remaining"] > 0)]
    return None if ours.empty else ours


def _y_limits(curve: pd.DataFrame, quantity: str) -> tuple[float, float]:
    """Limits that hold every point and bar; from 0 unless the values are all far from it."""
    ci95 = curve["ci95"].fillna(0)
    low = float((curve[quantity] - ci95).min())
    high = float((curve[quantity] + ci95).max())
    if quantity != "accuracy":
        low, high = 0, high or 1
    elif low < high / 3:
        low, high = 0, 1 if high > 0.9 else high
    else:
        low = max(0, low - max(0, LEAST_SPAN - (high - low)))
        high = min(1, high)  # no accuracy is above 1, though an interval may be
    margin = Y_MARGIN * (high - low)
    return low - margin, high + margin


def _add_panels(body: FigureBase, magnified: bool, compared: bool) -> Panels:
    above = ["everything", "close_up"] if magnified else ["everything"]
    rows: list[Any] = [above]
    heights = [PANEL_HEIGHT]
    if compared:
        rows.append(["apart"] * len(above))
        heights.append(DIFFERENCE_HEIGHT)
    panels = body.subplot_mosaic(rows, height_ratios=heights)
    return Panels(panels["everything"], panels.get("close_up"), panels.get("apart"))


def _draw_curves(
    axes: Axes, curve: pd.DataFrame, quantity: str, looks: Mapping[str, Style]
) -> None:
    """Draw line and markers of every method; those named first, DropNet's, on top."""
    size = {"markersize": _marker_size(curve)}
    for chosen, properties in by_marker(looks):
        _draw_lines(axes, curve, quantity, chosen, **properties | size)


def _draw_paper(axes: Axes, paper: pd.DataFrame, looks: Mapping[str, Style]) -> None:
    """Draw the paper's curves behind ours, wide and pale."""
    pale = {
        method: replace(style, dashes=PALE_DASHED if style.open_marker else SOLID)
        for method, style in looks.items()
    }
    _draw_lines(axes, paper, "accuracy", pale, **PALE, markers=False)


def _draw_lines(
    axes: Axes, curve: pd.DataFrame, quantity: str, looks: Mapping[str, Style], **properties: Any
) -> None:
    order = list(looks)[::-1]
    properties = {"markers": {method: style.marker for method, style in looks.items()}} | properties
    seaborn.lineplot(
        curve[curve["method"].isin(looks)],
        x="fraction_remaining",
        y=quantity,
        hue="method",
        style="method",
        hue_order=order,
        style_order=order,
        palette={method: style.colour for method, style in looks.items()},
        dashes={method: style.dashes for method, style in looks.items()},
        estimator=None,
        sort=False,
        legend=False,
        ax=axes,
        **properties,
    )


def _marker_size(curve: pd.DataFrame) -> float:
    return SMALL_MARKER_SIZE if _is_dense(curve) else MARKER_SIZE


def _is_dense(curve: pd.DataFrame) -> bool:
    return curve.groupby("method").size().max() > DENSE


def _draw_bars(axes: Axes, curve: pd.DataFrame, quantity: str, looks: Mapping[str, Style]) -> None:
    """Draw the 95% bars of points, side by side.

    Markers sit at the true fractions. Bars are moved aside by up to half a marker, so that those of
    several methods at one fraction can be told apart.
    """
    for (method, style), aside in zip(
        looks.items(), _side_by_side(axes, len(looks), SIDE_BY_SIDE), strict=True
    ):
        rows = curve[curve["method"] == method]
        bars = axes.vlines(
            rows["fraction_remaining"],
            rows[quantity] - rows["ci95"].fillna(0),
            rows[quantity] + rows["ci95"].fillna(0),
            colors=style.colour,
            linewidth=EDGE_WIDTH,
            alpha=0.75,
            zorder=2.5,
        )
        bars.set_transform(aside)


def _side_by_side(axes: Axes, count: int, widest: float) -> Iterator[Transform]:
    """The places of several methods at the same fraction, in points aside of it."""
    step = widest / max(count - 1, 3)
    for place in range(count):
        points = step * (place - (count - 1) / 2)
        yield axes.transData + ScaledTranslation(points / 72, 0, axes.figure.dpi_scale_trans)


def _draw_differences(axes: Axes, apart: pd.DataFrame, looks: Mapping[str, Style]) -> None:
    """Draw ours minus the paper's, with the interval of the difference, side by side."""
    axes.axhline(0, color=QUIET, linewidth=0.8, zorder=1)
    size = {"markersize": _marker_size(apart)}
    widest = SIDE_BY_SIDE if _is_dense(apart) else APART
    for (method, style), aside in zip(
        looks.items(), _side_by_side(axes, len(looks), widest), strict=True
    ):
        rows = apart[apart["method"] == method]
        axes.errorbar(
            rows["fraction_remaining"],
            rows["difference"],
            rows["ci95"],
            fmt=style.marker,
            color=style.colour,
            label=method,
            elinewidth=EDGE_WIDTH,
            transform=aside,
            **marked(style.open_marker) | size,
        )
    _set_difference_axis(axes, apart)


def _set_difference_axis(axes: Axes, apart: pd.DataFrame) -> None:
    """Limits of equal size that hold every point; logarithmic where few points are far away."""
    sizes = apart["difference"].abs()
    farthest = max([LEAST_SPAN / 2, *(sizes + apart["ci95"].fillna(0))])  # there may be no point
    title = "ours minus the paper's, at fractions that both have, side by side"
    if farthest > FAR_APART > sizes.median():
        axes.set_yscale("symlog", linthresh=NEAR, linscale=1)
        ticks = [tick for tick in DIFFERENCES if tick != (0.3 if farthest > 0.5 else 1)]
        axes.yaxis.set_major_locator(FixedLocator([*ticks, *(-tick for tick in ticks)]))
        axes.yaxis.set_minor_locator(FixedLocator([]))
        title += f"; logarithmic beyond ±{NEAR:g}"
    scale = axes.yaxis.get_transform()
    limit = scale.inverted().transform((1 + 2 * Y_MARGIN) * scale.transform(farthest))
    axes.set(ylim=(-limit, limit), ylabel="Difference", title=title)
    axes.yaxis.set_major_formatter(FuncFormatter(lambda y, _: f"{y:+g}" if y else "0"))


def _set_x(axes: Axes, lowest: float) -> None:
    """A logarithmic axis from 1 on the left to `lowest` on the right, ticks read as fractions."""
    margin = min(lowest, 0.5) ** -X_MARGIN
    axes.set_xscale("log")
    axes.set_xlim(margin, lowest / margin)
    ticks = X_TICKS + (MORE_X_TICKS if lowest > 0.11 else ())
    axes.xaxis.set_major_locator(FixedLocator([x for x in ticks if x >= lowest / margin]))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda x, _: f"{x:g}"))
    axes.xaxis.set_minor_locator(LogLocator(subs=range(1, 10)))
    axes.xaxis.set_minor_formatter(NullFormatter())


def _close_up(axes: Axes, highest: pd.DataFrame, lowest: float) -> None:
    """Limit `axes` to the points of the highest accuracies, and to the fractions that have any.

    Lines go on beyond, but no marker is cut by the edge.
    """
    shown = min(highest["fraction_remaining"].min(), 0.5)  # where the best falls at once
    _set_x(axes, max(shown, lowest))
    best = highest["accuracy"].max()
    top = min(1 + Y_MARGIN * CLOSE_UP, best + 0.15 * CLOSE_UP)
    axes.set_ylim(best - (1 + Y_MARGIN) * CLOSE_UP, top)
    for line in axes.get_lines():
        line.set_markevery([bool(y >= best - CLOSE_UP) for y in np.asarray(line.get_ydata())])
    axes.set_title(f"close-up: the highest {CLOSE_UP:g} of accuracy")
