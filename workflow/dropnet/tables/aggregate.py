"""Runs to curves: one row per network becomes one row per point of a figure.

Rows have one order whatever the order of the inputs, and sums are exact (`math.fsum`).
"""

import math
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from dropnet.errors import UserError, nearest
from dropnet.files.artifacts import AGAIN
from dropnet.files.csv_tables import DIGITS, read_table
from dropnet.tables.columns import CURVES, QUANTITIES, curve_columns
from dropnet.tables.runs import RUNS

RUN_KEY = ["experiment", "method", "seed", "cycle"]
LOSSES = ["train_loss", "val_loss", "test_loss"]
JOB_TABLE = re.compile(r"runs_seeds(?P<seeds>(\d+)-(\d+))\.csv")  # its name


def read_runs(
    paths: Sequence[str | Path], methods: Mapping[str, Sequence[str]] | None = None
) -> pd.DataFrame:
    """Read runs files into one table: one row per network, with columns `RUNS`.

    `methods` gives each experiment's methods in the order of the configuration. Rows are sorted by
    experiment (by name), method (in that order; by name without it), seed and cycle, whatever the
    order of the files and of their rows.

    Raises UserError, naming file, line and column, if a file is missing or does not have these
    columns, if a cell is out of range, if a network is given twice, if a seed's cycles have gaps,
    if the table of a job does not have the same cycles of each of its seeds, or if a method is not
    in `methods`.
    """
    if not paths:
        raise UserError("runs: no files given")
    tables = [read_table(path, RUNS) for path in paths]
    for path, table in zip(paths, tables, strict=True):
        if table.empty:
            raise UserError(f"{path}: no rows; {AGAIN}")
        _refuse_cut_off(table, path)
    runs = pd.concat(tables, ignore_index=True)
    file = [str(path) for path, table in zip(paths, tables, strict=True) for _ in range(len(table))]
    _refuse_duplicates(runs, file)
    _refuse_gaps(runs)
    order = _method_order(runs, methods)
    rank = [order[pair] for pair in zip(runs["experiment"], runs["method"], strict=True)]
    runs = runs.assign(rank=rank).sort_values(["experiment", "rank", "seed", "cycle"])
    return runs[list(RUNS)].reset_index(drop=True)


def _named(experiment: object, method: object, seed: object, cycle: int) -> str:
    return f"{experiment}, {method}, seed {seed}, cycle {cycle}"


def _refuse_cut_off(table: pd.DataFrame, path: str | Path) -> None:
    """Refuse a table that a job has written, and that has lost rows since."""
    block = JOB_TABLE.fullmatch(Path(path).name)
    if block is None:
        return
    cycles = {seed: set(rows["cycle"]) for seed, rows in table.groupby("seed")}
    every = set(table["cycle"])
    for seed in range(int(block[2]), int(block[3]) + 1):
        if lost := every - cycles.get(seed, set()):
            raise UserError(f"{path}: seed {seed} lacks cycle {min(lost)}; {AGAIN}")


def _refuse_duplicates(runs: pd.DataFrame, file: Sequence[str]) -> None:
    first: dict[tuple[Any, ...], str] = {}
    for key, path in zip(runs[RUN_KEY].itertuples(index=False, name=None), file, strict=True):
        if key in first:
            raise UserError(f"{_named(*key)}: given twice, in {first[key]} and in {path}")
        first[key] = path


def _refuse_gaps(runs: pd.DataFrame) -> None:
    """A curve whose points rest on different seeds, or that lost its start, would mislead."""
    for (experiment, method, seed), rows in runs.groupby(["experiment", "method", "seed"]):
        missing = set(range(int(rows["cycle"].max()) + 1)) - set(rows["cycle"])
        if missing:
            raise UserError(
                f"{_named(experiment, method, seed, min(missing))}: missing from the runs; delete"
                " the file of this seed, runs_*.csv, and run again"
            )


def _method_order(
    runs: pd.DataFrame, methods: Mapping[str, Sequence[str]] | None
) -> dict[tuple[str, str], int]:
    """The place of each (experiment, method) of `runs` within its experiment."""
    pairs = sorted(set(zip(runs["experiment"], runs["method"], strict=True)))
    if methods is None:
        return {pair: place for place, pair in enumerate(pairs)}
    for experiment, method in pairs:
        if experiment not in methods:
            hint = nearest(experiment, methods)
            raise UserError(f"runs of experiment {experiment!r}, which is not configured{hint}")
        if method not in methods[experiment]:
            hint = nearest(method, methods[experiment])
            raise UserError(
                f"{experiment}: runs of method {method!r}, which is not configured{hint}"
            )
    return {
        (experiment, method): place
        for experiment, names in methods.items()
        for place, method in enumerate(names)
    }


def diverged(runs: pd.DataFrame) -> pd.Series:
    """Whether each network of `runs` diverged: one of its losses is not finite."""
    return ~runs[LOSSES].map(math.isfinite).all(axis=1)


def mean_and_ci95(values: Sequence[float]) -> tuple[float, float]:
    """Mean of `values` and half the width of its 95% interval, as the paper computes it.

    The interval is 1.96 * population standard deviation / sqrt(n). It is nan for a single value,
    and so is the mean for none. Sums are exact, so that the order of the values does not matter.
    """
    n = len(values)
    mean = math.fsum(values) / n if n else math.nan
    if n < 2:
        return mean, math.nan
    variance = math.fsum((value - mean) ** 2 for value in values) / n
    return mean, 1.96 * math.sqrt(variance / n)


def points(
    runs: pd.DataFrame,
    shows: str,
    methods: Mapping[str, str] | Sequence[str],
    stop_fraction: float = 0,
) -> pd.DataFrame:
    """Average one experiment's runs over the seeds, for each method and cycle.

    `methods` are those of the runs, or the names to give them and those of the runs: one run may
    be called `minimum` in one figure and `minimum (p=0.2)` in another. A curve ends with its first
    point at or below `stop_fraction`.

    Columns: method, cycle, fraction_remaining, value, ci95, runs, diverged; numbers are rounded to
    `DIGITS` decimals. `runs` counts the networks averaged, `diverged` those whose loss is not
    finite. A diverged network is a run of the protocol: its accuracy and epochs are averaged like
    any other's. It has no loss to average, so a mean loss leaves it out.

    Raises UserError if `shows` is not one of `QUANTITIES`, if a method has no runs, or if the seeds
    of a method disagree about the fraction of a cycle.
    """
    if shows not in QUANTITIES:
        hint = nearest(shows, QUANTITIES)
        raise UserError(f"shows: {shows!r} is unknown{hint}; allowed: {', '.join(QUANTITIES)}")
    runs = runs.assign(diverged=diverged(runs), fraction=runs["fraction_remaining"].round(DIGITS))
    named = methods if isinstance(methods, Mapping) else {method: method for method in methods}
    rows = []
    for method, run in named.items():
        of_method = runs[runs["method"] == run]
        if of_method.empty:
            present = sorted(set(runs["method"]))
            hint = nearest(run, present)
            raise UserError(f"method {run!r} has no runs{hint}; there are {', '.join(present)}")
        beyond = of_method[of_method["fraction_remaining"] <= stop_fraction]["cycle"].min()
        within = of_method[~(of_method["cycle"] > beyond)]  # all, where none is beyond
        for cycle, networks in within.groupby("cycle"):
            fractions = sorted(set(networks["fraction"]))
            if len(fractions) > 1:
                raise UserError(
                    f"{method}, cycle {cycle}: seeds disagree about the fraction remaining "
                    f"({fractions[0]} and {fractions[1]}); the runs come from different settings"
                )
            averaged = networks[~networks["diverged"]] if shows in LOSSES else networks
            mean, ci95 = mean_and_ci95(averaged[shows].tolist())
            rows.append(
                {
                    "method": method,
                    "cycle": cycle,
                    "fraction_remaining": fractions[0],
                    "value": round(mean, DIGITS),
                    "ci95": round(ci95, DIGITS),
                    "runs": len(averaged),
                    "diverged": int(networks["diverged"].sum()),
                }
            )
    return pd.DataFrame(rows)


def curve(
    runs: pd.DataFrame,
    figure: str,
    shows: str,
    methods: Mapping[str, str] | Sequence[str],
    stop_fraction: float = 0,
) -> pd.DataFrame:
    """Aggregate one experiment's `runs` to the points of one figure (the paper's Figures 3-20).

    Columns are those of `curve_columns`, with the mean under the name of the quantity shown. Rows
    are in the order of `methods`, each from the unpruned network down. See `points` for the
    numbers.

    Raises UserError as `points` does, and if `runs` holds more than one experiment or data set.
    """
    averages = points(runs, shows, methods, stop_fraction)
    for column in ("experiment", "dataset"):
        names = sorted(set(runs[column]))
        if len(names) != 1:
            raise UserError(f"{figure}: needs the runs of one {column}, got {', '.join(names)}")
    split, quantity = QUANTITIES[shows]
    labels = {
        "figure": figure,
        "experiment": runs["experiment"].iloc[0],
        "dataset": runs["dataset"].iloc[0],
        "split": split,
    }
    table = averages.assign(**labels).rename(columns={"value": quantity})
    return table[list(curve_columns(quantity))]


def read_curve(path: str | Path, quantity: str) -> pd.DataFrame:
    """Read the table that `curve` makes for one figure; `quantity` is accuracy, loss or epochs.

    Raises UserError, naming file, line and column, if it does not have these columns and values.
    """
    return read_table(path, curve_columns(quantity))


def combine(curves: Sequence[pd.DataFrame]) -> pd.DataFrame:
    """Join figures' accuracy curves into one table with columns `CURVES`, by figure.

    Within a figure the rows keep their order. Raises UserError if a figure is given twice.
    """
    named: dict[str, pd.DataFrame] = {}
    for table in curves:
        for figure, rows in table.groupby("figure", sort=False):
            if str(figure) in named:
                raise UserError(f"curves: figure {figure!r} is given twice")
            named[str(figure)] = rows
    if not named:
        return pd.DataFrame(columns=list(CURVES))
    ordered = [named[figure] for figure in sorted(named)]
    return pd.concat(ordered, ignore_index=True)[list(CURVES)]
