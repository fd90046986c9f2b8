"""What every picture has: a page's width, words on its face, a legend, files of the same bytes.

Drawn for print, at 300 dpi. matplotlib's constrained layout finds the places of all that is on a
page; only the height of its panels is given.
"""

import io
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.collections import QuadMesh
from matplotlib.figure import Figure, FigureBase, SubFigure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from PIL import Image

from dropnet.figures import style
from dropnet.files.artifacts import atomic_path

WIDTH = 6.9  # inches, that of a page's text
EDGE = 0.06  # inches, kept free beside everything and above it
PADDING: dict[str, Any] = {
    "w_pad": 0.06,
    "h_pad": 0.035,
    "wspace": 0,
    "hspace": 0,
}  # about each part, in inches
DPI = 300
COLOURS = 128  # of a PNG
TITLE: dict[str, Any] = {"fontsize": 9.5, "fontweight": "bold"}
NOTE: dict[str, Any] = {"fontsize": 8, "linespacing": 1.3}
EMPTY_HEIGHT = 1.2  # inches
ROOM = 40  # inches, more than words and legend ever need


@dataclass(frozen=True)
class Header:
    """The words at the top of a page; all of them are taken literally, never as mathematics.

    Attributes:
        title: in bold.
        note: what is shown and how to read it.
        scale: the scale it was made at, and what was reduced; "" for nothing to say.
        warns: `scale` is a warning.
    """

    title: str
    note: str
    scale: str = ""
    warns: bool = False


def new_page(header: Header) -> tuple[Figure, FigureBase]:
    """Return a page with its header, and the part of it under the header, for the panels.

    `fit` gives the page its height.
    """
    figure = Figure(figsize=(WIDTH, ROOM), dpi=DPI, layout="constrained")
    _layout_of(figure).set(**PADDING)
    body = cast(SubFigure, figure.subfigures())
    colour = {"color": style.WARNING} if header.warns else {}
    lines = ((header.title, TITLE), (header.note, NOTE), (header.scale, NOTE | colour))
    for text, font in lines:
        if text.strip():
            body.suptitle(_literal(text), x=0, ha="left", wrap=True, parse_math=True, **font)
            body = cast(SubFigure, body.subfigures())
    return figure, body


def _literal(text: str) -> str:
    """Text for matplotlib in which no sign begins mathematics.

    `parse_math=False` would do, but for the width of text that is wrapped (matplotlib 3.11.2).
    """
    return text.replace("$", r"\$")


def without_points(header: Header) -> Figure:
    """Return a page that shows nothing; its header says why."""
    with style.context():
        figure, body = new_page(header)
        axes = body.subplots()
        axes.set_axis_off()
        centre: dict[str, Any] = {"ha": "center", "va": "center", "transform": axes.transAxes}
        axes.text(0.5, 0.5, "no points to draw", color=style.QUIET, **centre)
        fit(figure, [axes], EMPTY_HEIGHT)
    return figure


def add_legend(figure: Figure, handles: Mapping[str, Artist]) -> None:
    """Put a legend at the bottom, in as few rows as fit the width, of even length.

    It reads row by row in the order given (matplotlib fills columns).
    """
    names = list(handles)
    for rows in range(1, len(names) + 1):
        columns = math.ceil(len(names) / rows)
        by_column = [name for column in range(columns) for name in names[column::columns]]
        legend = figure.legend(
            [handles[name] for name in by_column],
            by_column,
            ncols=columns,
            loc="outside lower center",
            frameon=False,
            handlelength=3,
            labelspacing=0.3,
        )
        if columns == 1 or legend.get_window_extent().width <= figure.bbox.width:
            return
        legend.remove()


def fit(figure: Figure, panels: Sequence[Axes], height: float) -> None:
    """Make the page as high as it takes for panels, one below the other, to be `height` inches."""
    layout = _layout_of(figure)
    layout.execute(figure)
    given = sum(axes.get_window_extent().height for axes in panels) / figure.dpi
    total = figure.get_figheight() - given + height + EDGE
    figure.set_figheight(total)
    layout.set(rect=(EDGE / WIDTH, 0, 1 - 2 * EDGE / WIDTH, 1 - EDGE / total))
    layout.execute(figure)
    figure.set_layout_engine("none")  # the places stay: they take long to find, for each file anew


def _layout_of(figure: Figure) -> ConstrainedLayoutEngine:
    return cast(ConstrainedLayoutEngine, figure.get_layout_engine())


def words(figure: FigureBase) -> Iterator[str]:
    """Yield what is written on the face of a page, the panels and the legend aside."""
    for text in figure.texts:
        yield text.get_text().replace(r"\$", "$")
    for part in figure.subfigs:
        yield from words(part)


def save(figure: Figure, png: str | Path, svg: str | Path) -> None:
    """Write `figure` as PNG and SVG, atomically and without dates or versions."""
    with style.context(), atomic_path(svg) as path:
        save_png(figure, png)
        metadata = {"Date": None, "Creator": None, "Description": "\n".join(words(figure))}
        figure.savefig(path, format="svg", metadata=metadata)


def save_png(figure: Figure, png: str | Path) -> None:
    """Write `figure` as PNG (300 dpi), likewise.

    It has a palette of `COLOURS`: nobody sees that, and it is a third of the size. A scale of
    colours wants twice as many, chosen so that none is far from its own.
    """
    few, how = COLOURS, Image.Quantize.MEDIANCUT
    if figure.findobj(QuadMesh):
        few, how = 2 * COLOURS, Image.Quantize.MAXCOVERAGE
    with style.context(), atomic_path(png) as path:
        drawn = io.BytesIO()
        figure.savefig(drawn, format="png", dpi=DPI)
        with Image.open(drawn) as image:
            palette = image.convert("RGB").quantize(few, how, dither=Image.Dither.NONE)
        palette.save(path, format="png", optimize=True, dpi=(DPI, DPI))
