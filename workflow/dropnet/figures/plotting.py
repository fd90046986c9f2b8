"""Curves to figures: accuracy (or epochs, or loss) against the fraction of nodes remaining.

Drawn for print: 300 dpi, the width of a page, no text below 7 points. Colours are told apart with
any colour vision (Okabe & Ito), and markers and dashes carry the same information in greyscale. The
face of a figure says what it shows and what was reduced. The same curve gives the same bytes.
"""

import io
import json
import math
import textwrap
from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

import matplotlib
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.colors import to_hex
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties
from matplotlib.textpath import TextPath
from matplotlib.ticker import FixedLocator, FuncFormatter, LogLocator, NullFormatter
from matplotlib.transforms import ScaledTranslation
from PIL import Image

from dropnet.errors import UserError
from dropnet.files.artifacts import atomic_path
from dropnet.paper.comparison import differences
from dropnet.tables.columns import QUANTITIES

BLUE, VERMILLION, GREEN = "#0072B2", "#D55E00", "#009E73"
PURPLE, ORANGE, BLACK = "#CC79A7", "#E69F00", "#000000"
WARNING = "#9E2A00"  # of the line that says that a figure is no evidence
SOLID = "-"
DASHED = (0, (4, 1.6))  # on and off, in line widths


@dataclass(frozen=True)
class Style:
    """How one method is drawn: a colour, a marker (open for per-layer methods) and a dash."""

    colour: str
    marker: str
    dashes: str | tuple = SOLID
    open_marker: bool = False


# A method and its per-layer form share colour and marker; the latter is dashed and open.
STYLES = {
    "minimum": Style(BLUE, "o"),
    "maximum": Style(VERMILLION, "v"),
    "random": Style(BLACK, "s"),
    "minimum_layer": Style(BLUE, "o", DASHED, open_marker=True),
    "maximum_layer": Style(VERMILLION, "v", DASHED, open_marker=True),
    "random_layer": Style(BLACK, "s", DASHED, open_marker=True),
    "apoz": Style(PURPLE, "D"),
    "apoz_layer": Style(PURPLE, "D", DASHED, open_marker=True),
    "oracle": Style(GREEN, "P"),
    "minimum (random_init)": Style(ORANGE, "^", DASHED),
    "minimum_layer (random_init)": Style(ORANGE, "^", DASHED, open_marker=True),
}
# Variants of one method, such as "minimum (p=0.3)", are usually an ordered series: from dark to
# light, so that the order is seen in greyscale too.
OTHER_MARKERS = ("o", "^", "s", "D", "v", "P", "X", "*")
OTHER_DASHES = (SOLID, (0, (6, 1.5)), (0, (3, 1.2)), (0, (5, 1.2, 1, 1.2)), (0, (1.2, 1.2)))

RC = {
    "font.family": "DejaVu Sans",  # ships with matplotlib: the same on every machine
    "text.parse_math": False,  # titles and names of the configuration are meant literally
    "font.size": 8,
    "axes.labelsize": 8.5,
    "xtick.labelsize": 8,
    "ytick.labelsize": 8,
    "legend.fontsize": 8,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.linewidth": 0.7,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": "#DDDDDD",
    "grid.linewidth": 0.5,
    "axes.titlesize": 8,
    "axes.titlelocation": "left",
    "axes.titlecolor": "#444444",
    "svg.fonttype": "path",  # looks the same without the font; the words are in the metadata
    "svg.hashsalt": "dropnet",
}

# Lengths in inches. The width is that of a page's text.
WIDTH = 6.9
EDGE = 0.1  # kept free around everything
LINE = 0.165  # height of a line of text
PANEL_HEIGHT = 2.45
LEFT_OF_PANEL, BELOW_PANEL, ABOVE_PANEL, BETWEEN_PANELS = 0.52, 0.47, 0.1, 0.5
PANEL_TITLE = 0.2
LEGEND_HANDLE = 0.62  # line and marker of a legend entry, with the gaps about its name
DPI = 300
COLOURS = 128  # of a PNG

X_TICKS = (1, 0.5, 0.2, 0.1, 0.05, 0.02, 0.01, 0.005, 0.002, 0.001)
MORE_X_TICKS = (0.7, 0.3)  # where there is room
X_PADDING = 1.08  # a factor, on the logarithmic axis
DIFFERENCE_HEIGHT = 1.25  # of the panel under the others, in inches
# Differences of which some, not most, are beyond FAR_APART: linear up to NEAR, then logarithmic
NEAR, FAR_APART = 0.02, 0.15
DIFFERENCES = (0, 0.02, 0.1, 0.3, 1)  # ticks, of both signs; those at 1 and 0.3 would touch
PALE = {"linewidth": 3.2, "alpha": 0.28, "dash_capstyle": "butt", "zorder": 1.5}  # the paper's
ROW_HEIGHT = 0.5  # of the figure of what can go, in inches
BOLD = {"fontsize": 9.5, "fontweight": "bold"}
PALE_DASHES = (0, (2.2, 0.7))
CLOSE_UP = 0.1  # height of the close-up panel, in accuracy
LEAST_SPAN = 0.05  # of an accuracy axis, lest noise fill it
BAR_SPREAD = 3.6  # points, the most; bars of methods at the same fraction stand side by side
MARKER_SIZE, SMALL_MARKER_SIZE = 4.0, 3.0  # points; small where a curve is dense
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
    """What a figure says beside its curves; all of it is taken literally, never as mathematics.

    Attributes:
        title: as in the configuration.
        scale: name of the scale, e.g. "preview".
        reductions: how the runs differ from the paper's protocol, in words; "" for not at all.
        note: what is said of that, e.g. "Not evidence".
        shows: the quantity, a key of `dropnet.tables.columns.QUANTITIES`.
        unit: what is dropped, "nodes" or "filters".
    """

    title: str
    scale: str
    reductions: str
    note: str
    shows: str
    unit: str = "nodes"

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


def styles(methods: Sequence[str]) -> dict[str, Style]:
    """The style of each method: that of `STYLES`, else its place in a dark-to-light series."""
    others = [method for method in methods if method not in STYLES]
    shade = matplotlib.colormaps["viridis"]
    made = {
        method: Style(
            to_hex(shade(0.85 * place / max(1, len(others) - 1))),
            OTHER_MARKERS[place % len(OTHER_MARKERS)],
            OTHER_DASHES[place % len(OTHER_DASHES)],
        )
        for place, method in enumerate(others)
    }
    return {method: STYLES.get(method) or made[method] for method in methods}


def notes(curve: pd.DataFrame, face: Face, overlaid: bool = False) -> tuple[str, str]:
    """The notes under a figure's title: what the points are, and the scale they were made at."""
    fewest, most = int(curve["runs"].min()), int(curve["runs"].max())
    runs = f"{most} runs" if fewest == most else f"{fewest} to {most} runs"
    what = f"{curve['dataset'].iloc[0]}. "
    what += f"Mean of {runs}; bars: 95% interval." if most > 1 else "A single run, no interval."
    # the unpruned networks are those of all methods, and are counted once
    counted = curve[
        (curve["fraction_remaining"] < 1) | (curve["method"] == curve["method"].iloc[0])
    ]
    diverged = int(counted["diverged"].sum())
    if diverged:
        averaged = face.quantity != "loss"  # see `dropnet.tables.aggregate.points`
        networks = int(counted["runs"].sum()) + (0 if averaged else diverged)
        fate = "counted in the mean" if averaged else "left out of the mean"
        what += f" {diverged} of {networks:,} networks diverged ({fate})."
    if (curve["fraction_remaining"] == 0).any():
        what += f" Networks without {face.unit} are not drawn."
    if overlaid:
        what += " Wide pale lines: the paper's figure."
    if face.reductions:
        return what, f"Scale {face.scale}: {face.reductions}. {face.note}."
    return what, f"Scale {face.scale}: the paper's protocol."


def plot(curve: pd.DataFrame, face: Face, paper: pd.DataFrame | None = None) -> Figure:
    """Draw one figure from the table that `aggregate.curve` makes (Figures 3-20, S2-S23).

    The first panel shows every point. Accuracies that fall far get a second panel, a close-up of
    the highest `CLOSE_UP` of accuracy, where the paper's claims are decided. The paper's curves of
    the same figure, if given, are drawn behind ours, and the differences in a panel below.

    Raises UserError if there is nothing to draw.
    """
    paper = None if paper is None or paper.empty else paper
    apart = None if paper is None else differences(curve, paper)
    # A logarithmic axis has no place for 0; the notes say that such points exist.
    drawn = curve[(curve["fraction_remaining"] > 0) & curve[face.quantity].map(math.isfinite)]
    if drawn.empty:
        raise UserError(f"{face.title}: no points to draw")
    seen = drawn if paper is None else pd.concat([drawn, paper[paper["fraction_remaining"] > 0]])
    y_limits = _y_limits(seen, face.quantity)
    close_up = face.quantity == "accuracy" and y_limits[1] - y_limits[0] > 3 * CLOSE_UP
    methods = list(dict.fromkeys(curve["method"]))

    with _style():
        header = _header(curve, face, paper is not None)
        columns = _legend_columns(methods)
        above = EDGE + sum(line.height for line in header) + ABOVE_PANEL + PANEL_TITLE * close_up
        below = EDGE + LINE * math.ceil(len(methods) / columns) + BELOW_PANEL
        under = 0 if paper is None else DIFFERENCE_HEIGHT + BELOW_PANEL
        figure = Figure(figsize=(WIDTH, above + PANEL_HEIGHT + under + below))
        panels = _add_panels(figure, 2 if close_up else 1, below + under)
        for axes in panels:
            _draw_curves(axes, drawn, face.quantity, styles(methods))
            if paper is not None:
                _draw_paper(axes, paper, styles(methods))
            axes.set_xlabel(f"Fraction of {face.unit} remaining")
            axes.set_ylabel(Y_LABELS[face.shows])
        _set_x(panels[0], drawn["fraction_remaining"].min())
        panels[0].set_ylim(y_limits)
        if close_up:
            panels[0].set_title("all points")
            _close_up(panels[1], drawn)
        for axes in panels:
            _draw_bars(axes, drawn, face.quantity, styles(methods))
        if apart is not None:
            axes = _add_panels(figure, 1, below, DIFFERENCE_HEIGHT)[0]
            _draw_differences(axes, apart, face.unit, styles(methods))
            _set_x(axes, drawn["fraction_remaining"].min())
        _write_header(figure, header)
        _add_legend(figure, panels[0], methods, columns)
    return figure


def plot_removable(table: pd.DataFrame, margin: float, note: str) -> Figure:
    """Draw how much of each network can go at one loss of accuracy, for every method.

    Args:
        table: as `removable.tabulate` makes it, of several experiments. Other pruning
            fractions are left out: their points are too far apart.
        margin: the loss allowed, one of those in the table.
        note: the scale, and what is reduced at it; "" for nothing.
    """
    rows = table[table["margin"] == margin]
    of_p = rows["method"].str.contains("(p=", regex=False)
    rows = rows[~of_p]
    what = "Share removed before the mean accuracy is lower; bars: 95% interval"
    what += ", none for a single run." if (rows["seeds"] == 1).any() else "."
    what += " Not shown: other p." if of_p.any() else ""
    experiments = list(dict.fromkeys(rows["experiment"]))
    methods = list(dict.fromkeys(rows["method"]))
    looks = styles(methods)
    with _style():
        points = f"{margin * 100:g} point{'s' if margin != 0.01 else ''}"
        title = f"How much can go within {points} of the unpruned accuracy"
        header = [
            *(Line(text, 1.2 * LINE, BOLD) for text in _wrap(title, BOLD)),
            *(Line(text, LINE, {}) for text in _wrap(what)),
            *(Line(text, LINE, {"color": WARNING}) for text in _wrap(note) if note),
        ]
        columns = _legend_columns(methods)
        above = EDGE + sum(line.height for line in header) + ABOVE_PANEL
        below = EDGE + LINE * math.ceil(len(methods) / columns) + BELOW_PANEL
        height = ROW_HEIGHT * len(experiments)
        figure = Figure(figsize=(WIDTH, above + height + below))
        total = figure.get_figheight()
        left = 2 * EDGE + max(_width(name, {}) for name in experiments)
        box = (left / WIDTH, below / total, (WIDTH - left - EDGE) / WIDTH, height / total)
        axes = figure.add_axes(box)
        level = _levels(rows)
        for method, style in looks.items():
            of_method = rows[rows["method"] == method]
            y = [level[experiment, method] for experiment in of_method["experiment"]]
            axes.plot(
                of_method["removable"], y, label=method, color=style.colour, linestyle="none",
                marker=style.marker, markersize=MARKER_SIZE, markeredgewidth=0.9,
                markerfacecolor="white" if style.open_marker else style.colour,
            )  # fmt: skip
            bars = of_method[["ci_low", "ci_high"]].to_numpy()
            axes.hlines(y, bars[:, 0], bars[:, 1], colors=style.colour, linewidth=0.9, zorder=1.5)
        axes.set_yticks(range(len(experiments)), experiments)
        axes.set_ylim(len(experiments) - 0.5, -0.5)
        axes.set_yticks([place + 0.5 for place in range(len(experiments) - 1)], minor=True)
        axes.grid(visible=False, axis="y")
        axes.grid(visible=True, axis="y", which="minor", color="#BBBBBB", linewidth=0.6)
        axes.tick_params(axis="y", which="both", length=0)
        axes.set_xlim(-0.02, 1)
        axes.set_xlabel("Share of nodes or filters removed")
        _write_header(figure, header)
        _add_legend(figure, axes, methods, columns)
    return figure


def _levels(rows: pd.DataFrame) -> dict[tuple[str, str], float]:
    """The height of each method of each experiment: side by side about the experiment's own."""
    level = {}
    for place, (experiment, of_experiment) in enumerate(rows.groupby("experiment", sort=False)):
        methods = list(of_experiment["method"])
        for number, method in enumerate(methods):
            level[experiment, method] = place + 0.8 * ((number + 0.5) / len(methods) - 0.5)
    return level


def save(figure: Figure, png: str | Path, svg: str | Path) -> None:
    """Write `figure` as PNG (300 dpi) and SVG, atomically and without dates or versions.

    The PNG has a palette of `COLOURS`: nobody sees that, and it is a third of the size.
    """
    with _style(), atomic_path(png) as png_path, atomic_path(svg) as svg_path:
        drawn = io.BytesIO()
        figure.savefig(drawn, format="png", dpi=DPI)
        with Image.open(drawn) as image:
            few = image.convert("RGB").quantize(COLOURS, dither=Image.Dither.NONE)
        few.save(png_path, format="png", optimize=True, dpi=(DPI, DPI))
        words = "\n".join(text.get_text() for text in figure.texts)
        metadata = {"Date": None, "Creator": None, "Description": words}
        figure.savefig(svg_path, format="svg", metadata=metadata)


def _style() -> AbstractContextManager[None]:
    """Only what is set here counts, not the matplotlibrc of the machine."""
    return matplotlib.rc_context({**matplotlib.rcParamsDefault, **RC})


def _y_limits(curve: pd.DataFrame, quantity: str) -> tuple[float, float]:
    """Limits that hold every point and bar; from 0 unless the values are all far from it."""
    ci95 = curve["ci95"].fillna(0)
    low = float((curve[quantity] - ci95).min())
    high = float((curve[quantity] + ci95).max())
    if quantity != "accuracy":
        return 0, 1.05 * high or 1
    if low < high / 3:
        low = 0
        high = 1 if high > 0.9 else high
    else:
        low -= max(0, LEAST_SPAN - (high - low))
    padding = 0.04 * (high - low)
    return max(0, low - padding), min(1.01, high + padding)  # 1.01: a marker at 1 stays whole


def _add_panels(
    figure: Figure, count: int, below: float, panel_height: float = PANEL_HEIGHT
) -> list[Axes]:
    height = figure.get_figheight()
    width = WIDTH - EDGE - LEFT_OF_PANEL - (count - 1) * BETWEEN_PANELS - EDGE
    panels = []
    for place in range(count):
        left = EDGE + LEFT_OF_PANEL + place * (width / count + BETWEEN_PANELS)
        box = (left / WIDTH, below / height, width / count / WIDTH, panel_height / height)
        panels.append(figure.add_axes(box))
    return panels


def _draw_curves(
    axes: Axes, curve: pd.DataFrame, quantity: str, method_styles: dict[str, Style]
) -> None:
    """Draw line and markers of every method."""
    dense = curve.groupby("method").size().max() > DENSE
    size = SMALL_MARKER_SIZE if dense else MARKER_SIZE
    for place, (method, style) in enumerate(method_styles.items()):
        rows = curve[curve["method"] == method]
        axes.plot(
            rows["fraction_remaining"],
            rows[quantity],
            label=method,
            color=style.colour,
            linestyle=style.dashes,
            linewidth=1.2,
            marker=style.marker,
            markersize=size * (1.4 if style.marker == "*" else 1),
            markerfacecolor="white" if style.open_marker else style.colour,
            markeredgewidth=0.9,
            zorder=4 - place / len(method_styles),  # the first methods, DropNet's, on top
        )


def _draw_paper(axes: Axes, paper: pd.DataFrame, method_styles: dict[str, Style]) -> None:
    """Draw the paper's curves behind ours, wide and pale."""
    for method, style in method_styles.items():
        rows = paper[(paper["method"] == method) & (paper["fraction_remaining"] > 0)]
        dashes = PALE_DASHES if style.open_marker else SOLID
        colour = {"color": style.colour, "linestyle": dashes}
        axes.plot(rows["fraction_remaining"], rows["accuracy"], **colour, **PALE)


def _draw_differences(
    axes: Axes, apart: pd.DataFrame, unit: str, method_styles: dict[str, Style]
) -> None:
    """Draw ours minus the paper's, with the interval of the difference."""
    axes.axhline(0, color="#444444", linewidth=0.8, zorder=1)
    drawn = apart[apart["fraction_remaining"] > 0]
    # no lines: the points that both curves have may be far apart
    points = {name: replace(style, dashes="none") for name, style in method_styles.items()}
    _draw_curves(axes, drawn, "difference", points)
    sizes = drawn["difference"].abs()
    farthest = float((sizes + drawn["ci95"].fillna(0)).max())
    limit = 1.08 * max(farthest, LEAST_SPAN / 2) if math.isfinite(farthest) else LEAST_SPAN
    if limit > FAR_APART > sizes.median():
        axes.set_yscale("symlog", linthresh=NEAR, linscale=1.2)
        ticks = [tick for tick in DIFFERENCES if tick != (0.3 if limit > 0.5 else 1)]
        axes.yaxis.set_major_locator(FixedLocator([*ticks, *(-tick for tick in ticks)]))
        axes.yaxis.set_minor_locator(FixedLocator([]))
    axes.set_ylim(-limit, limit)
    _draw_bars(axes, drawn, "difference", method_styles)
    axes.set_xlabel(f"Fraction of {unit} remaining")
    axes.set_ylabel("Ours - paper's")
    axes.yaxis.set_major_formatter(FuncFormatter(lambda y, _: f"{y:+g}" if y else "0"))


def _draw_bars(
    axes: Axes, curve: pd.DataFrame, quantity: str, method_styles: dict[str, Style]
) -> None:
    """Draw the 95% bars of the points within the limits of `axes`.

    Markers sit at the true fractions. Bars are moved aside by up to half a marker, so that those of
    several methods at one fraction can be told apart.
    """
    middle = (len(method_styles) - 1) / 2
    apart = min(1, BAR_SPREAD / max(1, len(method_styles) - 1))  # points
    lowest, _ = axes.get_ylim()
    for place, (method, style) in enumerate(method_styles.items()):
        rows = curve[(curve["method"] == method) & (curve[quantity] >= lowest)]
        bars = axes.vlines(
            rows["fraction_remaining"],
            rows[quantity] - rows["ci95"].fillna(0),
            rows[quantity] + rows["ci95"].fillna(0),
            colors=style.colour,
            linewidth=0.9,
            alpha=0.75,
            zorder=2.5,
        )
        shift = ScaledTranslation(apart * (place - middle) / 72, 0, axes.figure.dpi_scale_trans)
        bars.set_transform(axes.transData + shift)


def _set_x(axes: Axes, lowest: float) -> None:
    """A logarithmic axis from 1 on the left to `lowest` on the right, ticks read as fractions."""
    axes.set_xscale("log")
    axes.set_xlim(X_PADDING, lowest / X_PADDING)
    ticks = X_TICKS + (MORE_X_TICKS if lowest > 0.11 else ())
    axes.xaxis.set_major_locator(FixedLocator([x for x in ticks if x >= lowest / X_PADDING]))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda x, _: f"{x:g}"))
    axes.xaxis.set_minor_locator(LogLocator(subs=range(1, 10)))
    axes.xaxis.set_minor_formatter(NullFormatter())


def _close_up(axes: Axes, curve: pd.DataFrame) -> None:
    """Limit `axes` to the highest accuracies and to the fractions that have any of them."""
    best = curve["accuracy"].max()
    within = curve[curve["accuracy"] >= best - CLOSE_UP]
    lowest = min(within["fraction_remaining"].min(), 0.5)  # where the best falls at once
    _set_x(axes, max(lowest, curve["fraction_remaining"].min()))
    axes.set_ylim(best - CLOSE_UP, min(1.002, best + 0.15 * CLOSE_UP))
    axes.set_ylabel("")
    axes.set_title(f"close-up: the highest {CLOSE_UP:g} of accuracy")


class Line(NamedTuple):
    """One line of the header: its text, its height in inches and how it is set."""

    text: str
    height: float
    font: dict[str, Any]


def _header(curve: pd.DataFrame, face: Face, overlaid: bool) -> list[Line]:
    """The title and the notes, broken into lines that fit the width."""
    what, scale = notes(curve, face, overlaid)
    warning = {"color": WARNING} if face.reductions else {}
    return [
        *(Line(text, 1.2 * LINE, BOLD) for text in _wrap(face.title, BOLD)),
        *(Line(text, LINE, {}) for text in _wrap(what)),
        *(Line(text, LINE, warning) for text in _wrap(scale)),
    ]


def _wrap(text: str, font: dict[str, Any] | None = None) -> list[str]:
    """Break a text into lines that fit the width."""
    if not text.strip():
        return []
    font, available = font or {}, WIDTH - 2 * EDGE
    # Lines of average letters would fit so; lines of wider ones take a few more tries.
    characters = math.ceil(len(text) * available / max(available, _width(text, font)))
    for fitting in range(characters, 1, -1):
        lines = textwrap.wrap(text, fitting)
        if all(_width(line, font) <= available for line in lines):
            return lines
    return textwrap.wrap(text, 1)


def _width(text: str, font: dict[str, Any]) -> float:
    """Width of a text in inches; a little more than its outline, for letters fitted to pixels."""
    size = font.get("fontsize", RC["font.size"])
    properties = FontProperties(family=RC["font.family"], weight=font.get("fontweight"))
    return TextPath((0, 0), text, size=size, prop=properties).get_extents().width / 72 * 1.04


def _write_header(figure: Figure, header: Sequence[Line]) -> None:
    height = figure.get_figheight()
    y = height - EDGE
    for line in header:
        position = (EDGE / WIDTH, y / height)
        figure.text(*position, line.text, va="top", **line.font)
        y -= line.height


def _legend_columns(methods: Sequence[str]) -> int:
    """As few rows as fit the width, of even length: six methods make two rows of three."""
    entry = LEGEND_HANDLE + max(_width(method, {}) for method in methods)
    fitting = max(1, int((WIDTH - 2 * EDGE) / entry))
    rows = math.ceil(len(methods) / fitting)
    return math.ceil(len(methods) / rows)


def _add_legend(figure: Figure, axes: Axes, methods: Sequence[str], columns: int) -> None:
    """Below the panels, row by row in the order of the methods (matplotlib fills columns)."""
    ours = axes.get_lines()[: len(methods)]  # the paper's follow, if they are drawn
    handles = dict(zip(methods, ours, strict=True))
    by_column = [method for column in range(columns) for method in methods[column::columns]]
    figure.legend(
        [handles[method] for method in by_column],
        by_column,
        ncols=columns,
        loc="lower center",
        bbox_to_anchor=(0.5, EDGE / 2 / figure.get_figheight()),
        frameon=False,
        handlelength=3,
        borderpad=0,
        borderaxespad=0,
        labelspacing=0.3,
    )
