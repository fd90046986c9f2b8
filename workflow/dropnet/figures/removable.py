"""How much can go: a dot and a range for each method of each experiment."""

from collections.abc import Mapping
from typing import cast

import pandas as pd
import seaborn
from matplotlib.axes import Axes
from matplotlib.figure import Figure, SubFigure
from matplotlib.transforms import blended_transform_factory

from dropnet.errors import UserError
from dropnet.figures import page
from dropnet.figures.style import EDGE_WIDTH, MARKER_SIZE, Style, by_marker, context, styles
from dropnet.paper.protocol import Span

ROW_HEIGHT = 0.15  # inches
MOST_ROWS = 45  # in a column; more are split into two
BEHIND = {"facecolor": "white", "edgecolor": "none", "pad": 0}
EXPERIMENT = page.NOTE | {"fontweight": "bold", "va": "center", "bbox": BEHIND}
ARROW = {"arrowstyle": "<-", "linewidth": EDGE_WIDTH, "shrinkA": 0, "shrinkB": 0.7 * MARKER_SIZE}
ARROW_TO = (12, 0)  # points from the end of the range


def plot(table: pd.DataFrame, margin: float, note: str) -> Figure:
    """Draw how much of each network can go at one loss of accuracy, for every method.

    Methods without a share (see `dropnet.tables.removable.tabulate`) are left out; the header says
    whose they are, and the page is empty if all are.

    Args:
        table: as `dropnet.tables.removable.tabulate` makes it, of several experiments.
        margin: the loss allowed, one of those in the table.
        note: the scale, and what is reduced at it; "" for nothing.

    Raises UserError if the table has no row of that margin.
    """
    rows = table[table["margin"] == margin]
    if rows.empty:
        raise UserError(f"how much can go: the table has no rows with a margin of {margin}")
    shown = rows[rows["removable"].notna()]
    if shown.empty:
        return page.without_points(header(rows, margin, note))
    with context():
        figure, body = page.new_page(header(rows, margin, note))
        columns = [_placed(column) for column in _columns(shown)]
        most = max(column["row"].max() for column in columns) + 1
        looks = styles(list(dict.fromkeys(shown["method"])))
        parts = body.subfigures(1, len(columns), squeeze=False)[0]
        for part, column in zip(parts, columns, strict=True):
            axes = part.subplots()
            _draw(axes, column, looks)
            _set_axes(axes, column, most)
        page.fit(figure, [axes], ROW_HEIGHT * most)
    return figure


def header(rows: pd.DataFrame, margin: float, note: str) -> page.Header:
    """Say what dots, bars and arrows are, and what is left out."""
    points = f"{margin * 100:g} point{'s' if margin != 0.01 else ''}"
    shown = rows[rows["removable"].notna()]
    says = "Largest share removed, of those trained, before the mean accuracy falls below that;"
    says += " bars: 95% interval, to 1 where its end is not known."
    if not shown["crossed"].all():
        says += " Arrows: it stays above that as far as all runs go."
    missing = rows[rows["removable"].isna()]
    for why, left_out in (
        ("near chance", missing[missing["at_chance"]]),
        ("single runs", missing[~missing["at_chance"]]),
    ):
        if not left_out.empty:
            says += f" Not shown, {why}: {', '.join(dict.fromkeys(left_out['experiment']))}."
    title = f"How much can go within {points} of the unpruned accuracy"
    return page.Header(title, says, note, warns=True)


def _columns(rows: pd.DataFrame) -> list[pd.DataFrame]:
    """The table, or two halves of it if it is long, each of whole experiments."""
    sizes = rows.groupby("experiment", sort=False).size() + 1  # and one row for the name
    if sizes.sum() <= MOST_ROWS or len(sizes) == 1:
        return [rows]
    ends = sizes.cumsum()
    last = (ends - ends.iloc[-1] / 2).abs().idxmin()
    in_first = rows["experiment"].isin(ends.loc[:last].index)
    return [rows[in_first], rows[~in_first]]


def _placed(rows: pd.DataFrame) -> pd.DataFrame:
    """With the row of each method; each experiment's are below a row for its name."""
    names_above = rows["experiment"].ne(rows["experiment"].shift()).cumsum()
    return rows.assign(row=[place + above for place, above in enumerate(names_above)])


def _draw(axes: Axes, rows: pd.DataFrame, looks: Mapping[str, Style]) -> None:
    """Draw dots and ranges, and arrows where the loss was never reached."""
    values = rows.melt(["row", "method"], ["removable", "ci_low", "ci_high"], value_name="value")
    for chosen, properties in by_marker(looks):
        seaborn.pointplot(
            values[values["method"].isin(chosen)],
            x="value",
            y="row",
            hue="method",
            hue_order=list(chosen),
            palette={method: style.colour for method, style in chosen.items()},
            markers=[style.marker for style in chosen.values()],
            linestyles="none",
            estimator=_dot,
            errorbar=_range,
            orient="y",
            native_scale=True,
            legend=False,
            err_kws={"linewidth": EDGE_WIDTH, "zorder": 2.5},
            ax=axes,
            **properties,
        )
    beyond = rows[~rows["crossed"]]
    ends = beyond["removable"]
    for method, row, end in zip(beyond["method"], beyond["row"], ends, strict=True):
        arrow = ARROW | {"color": looks[method].colour}
        axes.annotate("", (end, row), ARROW_TO, textcoords="offset points", arrowprops=arrow)


def _set_axes(axes: Axes, rows: pd.DataFrame, most: int) -> None:
    """Name methods beside their dots, and experiments above them."""
    axes.set_yticks(rows["row"], rows["method"])
    axes.tick_params(axis="y", length=0)
    part = cast(SubFigure, axes.get_figure(root=False))
    from_the_left = blended_transform_factory(part.transSubfigure, axes.transData)
    for experiment, of_experiment in rows.groupby("experiment", sort=False):
        above = of_experiment["row"].iloc[0] - 1
        seeds = of_experiment["seeds"]
        counted = Span(int(seeds.min()), int(seeds.max()))
        words = f"{experiment}: {counted} runs"
        axes.text(0.01, above, words, transform=from_the_left, **EXPERIMENT)
        axes.axhline(above - 0.5, color="#BBBBBB", linewidth=0.6, zorder=4)
    axes.spines["left"].set_visible(False)  # names of experiments reach over it
    axes.set_ylim(most - 0.5, -0.5)
    axes.set_xlim(-0.02, 1.02)
    axes.set(xlabel="Share of nodes or filters removed", ylabel="")


def _dot(values: pd.Series) -> float:
    """Of a share and the ends of its interval, the share."""
    return values.iloc[0]


def _range(values: pd.Series) -> tuple[float, float]:
    """The ends of the interval."""
    return values.iloc[1], values.iloc[2]
