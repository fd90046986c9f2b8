"""How methods look, and all that decides the bytes of a picture beside its table.

Colours are told apart with any colour vision (seaborn's palette for it), and markers and dashes
carry the same information in greyscale. No text is below 7 points.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any, Literal

import matplotlib
import seaborn
from matplotlib.lines import Line2D

(BLUE, ORANGE, GREEN, VERMILLION, PURPLE) = seaborn.color_palette("colorblind", 5).as_hex()
BLACK = "#000000"
WARNING = "#9E2A00"  # of the line that says that a figure is no evidence
QUIET = "#444444"  # of titles of panels
SOLID: Literal[""] = ""  # as seaborn writes it
DASHED = (4, 1.6)  # on and off, in line widths
PALE_DASHED = (2.2, 0.7)  # of a wide line
MARKER_SIZE = 4.2  # points
LINE_WIDTH = 1.2
EDGE_WIDTH = 0.9  # of markers, and of bars of intervals


Dashes = Literal[""] | tuple[float, ...]


@dataclass(frozen=True)
class Style:
    """How one method is drawn: a colour, a marker (open for per-layer methods) and a dash."""

    colour: str
    marker: str
    dashes: Dashes = SOLID
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
OTHER_COLOURS = "viridis"
OTHER_MARKERS = ("o", "^", "s", "D", "v", "P", "X")
OTHER_DASHES: tuple[Dashes, ...] = (SOLID, (6, 1.5), (3, 1.2), (5, 1.2, 1, 1.2), (1.2, 1.2))


def _series(methods: Sequence[str]) -> dict[str, Style]:
    """Styles from dark to light."""
    colours = seaborn.color_palette(OTHER_COLOURS, len(methods)).as_hex()
    return {
        method: Style(
            colour,
            OTHER_MARKERS[place % len(OTHER_MARKERS)],
            OTHER_DASHES[place % len(OTHER_DASHES)],
        )
        for place, (method, colour) in enumerate(zip(methods, colours, strict=True))
    }


# The paper's pruning fractions (Figures 18 to 20) are such a series, the same in every figure.
FRACTIONS = _series([f"minimum (p={p})" for p in (0.2, 0.3, 0.4, 0.5, 0.9)])

# Criteria, by what they look at; the order is that of panels, and within a family that of colours.
# A metric that is listed nowhere is of the family `YOURS`; what chooses at random, the oracle and
# every variant are controls.
FAMILIES: dict[str, tuple[str, ...]] = {
    "weights": ("l1_norm", "l2_norm", "l2_norm_fan_in", "fpgm"),
    "activations": ("minimum", "maximum", "apoz", "apoz_notebook", "variance"),
    "gradients and curvature": (
        *("taylor", "gate_fisher", "weight_fisher", "gate_obs", "sensitivity", "synflow"),
    ),
    "information": ("mutual_information",),
    "regression and reconstruction": ("least_squares", "lasso_channels", "particle"),
}
CONTROLS, YOURS = "controls", "yours"
FAMILY_COLOURS = (BLUE, ORANGE, GREEN, VERMILLION, PURPLE, BLACK)
FAMILY_MARKERS = ("o", "^", "s", "v", "D", "P")
REFERENCES = {"minimum": "#4D4D4D", "random": "#A6A6A6"}  # the greys that they have in each panel
CHOSEN = {"better": BLUE, "worse": VERMILLION}  # by a test
UNSHOWN = "#8C8C8C"  # by none

RC: dict[Any, Any] = {
    "font.family": "DejaVu Sans",  # ships with matplotlib: the same on every machine
    "text.parse_math": False,  # titles and names of the configuration are meant literally
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.linewidth": 0.7,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": "#DDDDDD",
    "grid.linewidth": 0.5,
    "axes.titlelocation": "left",
    "axes.titlecolor": QUIET,
    "xtick.minor.size": 2.0,
    "svg.fonttype": "path",  # looks the same without the font; the words are in the metadata
    "svg.hashsalt": "dropnet",
}


def context() -> AbstractContextManager[None]:
    """Within, pictures are ours: only what is set here counts, no matplotlibrc of the machine."""
    theme = seaborn.axes_style("ticks") | seaborn.plotting_context("paper", font_scale=0.87)
    return matplotlib.rc_context({**matplotlib.rcParamsDefault, **theme, **RC})


def styles(methods: Sequence[str]) -> dict[str, Style]:
    """The style of each method: that of its own, else its place in a dark-to-light series."""
    known = STYLES | FRACTIONS
    known |= _series([method for method in methods if method not in known])
    return {method: known[method] for method in methods}


def family(metric: str, variant: str = "") -> str:
    """The family of a method, by its metric (of a per-layer form, too) and its variant."""
    if variant or metric in ("random", "oracle"):
        return CONTROLS
    return next((name for name, metrics in FAMILIES.items() if metric in metrics), YOURS)


def family_styles(members: Sequence[str]) -> dict[str, Style]:
    """How the members of one family are drawn in its own panel, where there are only these.

    A listed metric has a fixed colour and marker, by its place; others are a series from dark to
    light.
    """
    places = {m: place for metrics in FAMILIES.values() for place, m in enumerate(metrics)}
    if not set(members) <= set(places):
        places = {}
    colours = seaborn.color_palette(OTHER_COLOURS, len(members)).as_hex()
    few = len(members) <= len(FAMILY_COLOURS)
    return {
        name: Style(
            FAMILY_COLOURS[places.get(name, n)] if few else colours[n],
            FAMILY_MARKERS[places.get(name, n) % len(FAMILY_MARKERS)],
        )
        for n, name in enumerate(members)
    }


def handle(style: Style) -> Line2D:
    """The line and marker that stand for a method in a legend."""
    line = Line2D([], [], color=style.colour, marker=style.marker, **marked(style.open_marker))
    line.set_dashes(style.dashes or (None, None))
    return line


def marked(open_marker: bool) -> dict[str, Any]:
    """How matplotlib draws an open marker, or a full one."""
    return {
        "markerfacecolor": "white" if open_marker else "auto",
        "markeredgecolor": "auto",
        "markeredgewidth": EDGE_WIDTH,
        "markersize": MARKER_SIZE,
        "linewidth": LINE_WIDTH,
    }


def by_marker(
    looks: Mapping[str, Style],
) -> Iterator[tuple[dict[str, Style], dict[str, Any]]]:
    """Yield the methods with open markers, then the others, which are drawn over them.

    seaborn maps colours, markers and dashes, but not what fills a marker. It is called once for
    each of these, with the properties of lines that are yielded beside the styles.
    """
    for is_open in (True, False):
        chosen = {name: style for name, style in looks.items() if style.open_marker == is_open}
        if chosen:
            yield chosen, marked(is_open) | {"zorder": 3 if is_open else 3.5}
