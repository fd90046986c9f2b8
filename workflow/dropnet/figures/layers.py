"""What share of each layer criteria keep, beside that of the whole network."""

from typing import Any

import numpy as np
import pandas as pd
import seaborn
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from dropnet.errors import UserError
from dropnet.figures import page
from dropnet.figures.style import context
from dropnet.method_names import SHUFFLED, MethodName

ROW_HEIGHT = 0.19  # inches
TARGETS = (0.5, 0.2, 0.1)  # remaining, of the whole network; a panel for each
MOST_NUMBERS = 14  # in a row of all panels: more do not fit
FARTHEST = 2.0  # powers of two at which the colours end
COLOURS = "PuOr"  # orange: fewer than of the whole network; purple: more
SMALL: dict[str, Any] = {"fontsize": 7}


def plot(table: pd.DataFrame, note: str) -> Figure:
    """Draw the share of each layer that global criteria keep, by method, where little is left.

    Per-layer forms keep the same share of each layer, and shuffled ones what their criterion does:
    both are left out.

    Args:
        table: of one experiment, as in layers.csv.
        note: the scale, and what is reduced at it; "" for nothing.

    Raises UserError if the table has no rows.
    """
    if table.empty:
        raise UserError("layers: the table has no rows")
    kept = [_is_shown(method) for method in table["method"]]
    shown = table[kept]
    if shown.empty:
        return page.without_points(header(table, note))
    targets = [t for t in TARGETS if shown["fraction_remaining"].min() <= t * 1.1]
    methods = _order(shown)
    layers = int(shown["layer"].max())
    with context():
        figure, body = page.new_page(header(table, note))
        panels = body.subplots(1, len(targets) or 1, squeeze=False)[0]
        for axes, target in zip(panels, targets or [TARGETS[0]], strict=True):
            _draw(axes, shown, methods, target, layers * len(panels) <= MOST_NUMBERS)
            if axes is not panels[0]:
                axes.set_yticks([])
        bar = figure.colorbar(
            panels[-1].collections[0], ax=list(panels), pad=0.01, aspect=40, extend="both"
        )
        ends = np.arange(-FARTHEST, FARTHEST + 1)
        bar.set_ticks(ends.tolist(), labels=[f"{2**end:g}" for end in ends])
        bar.set_label("relative share", **SMALL)
        bar.ax.tick_params(labelsize=7)
        page.fit(figure, [panels[0]], ROW_HEIGHT * max(len(methods), 5))
    return figure


def header(table: pd.DataFrame, note: str) -> page.Header:
    """Say what a cell is, and which methods are left out."""
    seeds = int(table["seeds"].max())
    says = f"Percent of a layer's nodes or filters that remain, mean of {seeds} runs, where the"
    says += " whole network has the share above the panel (or the nearest one at which it was"
    says += (
        " trained). Colour: that divided by the share of the whole network. Per-layer forms keep"
    )
    says += " the same share of each layer and are left out."
    title = f"What is kept of each layer: {table['experiment'].iloc[0]}"
    return page.Header(title, says, note, warns=True)


def _is_shown(method: str) -> bool:
    named = MethodName.of(method)
    return not named.per_layer and named.variant != SHUFFLED


def _order(table: pd.DataFrame) -> list[str]:
    """The methods by what they keep of the first layer, most of it first."""
    first = table[(table["layer"] == 1) & (table["fraction_remaining"] < 1)]
    means = first.groupby("method", sort=False)["kept"].mean()
    return [str(name) for name in means.sort_values(ascending=False, kind="stable").index]


def _draw(
    axes: Axes, table: pd.DataFrame, methods: list[str], target: float, numbers: bool
) -> None:
    cells = pd.concat(_nearest(table[table["method"] == method], target) for method in methods)
    kept = cells.pivot(index="method", columns="layer", values="kept").loc[methods]
    whole = cells.groupby("method")["fraction_remaining"].first().loc[methods]
    with np.errstate(divide="ignore"):
        times = np.log2(kept.div(whole, axis=0)).clip(-FARTHEST, FARTHEST)
    seaborn.heatmap(
        times,
        annot=(100 * kept).round().astype(int) if numbers else None,
        fmt="d",
        annot_kws=SMALL,
        cmap=COLOURS,
        vmin=-FARTHEST,
        vmax=FARTHEST,
        linewidths=0.4,
        # ours are set below: to see whether its own overlap takes it seconds
        xticklabels=False,
        yticklabels=False,
        cbar=False,
        ax=axes,
    )
    axes.set(xlabel="Layer", ylabel="")
    axes.set_title(f"{100 * target:g}% remaining", fontsize=8)
    axes.tick_params(length=0, labelsize=7)
    step = 1 if len(kept.columns) <= 8 else 3
    places = np.arange(0, len(kept.columns), step)
    axes.set_xticks(places + 0.5, [str(layer) for layer in kept.columns[::step]], rotation=0)
    axes.set_yticks(np.arange(len(methods)) + 0.5, methods, rotation=0)
    axes.grid(False)


def _nearest(rows: pd.DataFrame, target: float) -> pd.DataFrame:
    """The rows of the cycle whose fraction is nearest, on the logarithmic axis."""
    rows = rows[rows["fraction_remaining"] > 0]
    apart = np.log(rows["fraction_remaining"] / target).abs()
    return rows[rows["cycle"] == rows["cycle"].loc[apart.idxmin()]]
