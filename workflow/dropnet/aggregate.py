"""Runs to curves: one row per network becomes one row per point of a figure.

The tables are made to be compared byte by byte: rows have one order whatever the order of the
inputs, sums are exact (`math.fsum`), a curve's numbers are rounded to `DIGITS` decimals and
written in their shortest form, and lines end in a line feed.
"""

import csv
import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from dropnet.artifacts import write_text
from dropnet.errors import UserError, nearest
from dropnet.tables import COLUMNS, QUANTITIES

DIGITS = 6  # decimals of a curve's numbers; 1e-6 is far below one test image in 10,000

RUN_KEY = ["experiment", "method", "seed", "cycle"]
LOSSES = ["train_loss", "val_loss", "test_loss"]

POINT_KEY = ["figure", "experiment", "dataset", "split", "method", "fraction_remaining"]
ACCURACY_COLUMNS = [*POINT_KEY, "accuracy", "ci95", "runs"]


def _text(cell: str) -> str:
    if not cell:
        raise ValueError
    return cell


def _count(cell: str) -> int:
    number = int(cell)
    if number < 0:
        raise ValueError
    return number


def _fraction(cell: str) -> float:
    number = float(cell)
    if not 0 <= number <= 1:  # also refuses nan
        raise ValueError
    return number


def _widths(cell: str) -> str:
    for width in cell.split("|"):
        _count(width)
    return cell


def _non_negative(cell: str) -> float:
    number = float(cell)
    if number < 0:
        raise ValueError
    return number


Reader = tuple[Callable[[str], Any], str]
TEXT: Reader = (_text, "a name")
COUNT: Reader = (_count, "a whole number of 0 or more")
FRACTION: Reader = (_fraction, "a number from 0 to 1")
LOSS: Reader = (float, "a number, nan or inf")

RUN_READERS: dict[str, Reader] = {
    "experiment": TEXT,
    "dataset": TEXT,
    "method": TEXT,
    "seed": COUNT,
    "cycle": COUNT,
    "fraction_remaining": FRACTION,
    "remaining": (_widths, "whole numbers joined by |"),
    "train_accuracy": FRACTION,
    "train_loss": LOSS,
    "val_accuracy": FRACTION,
    "val_loss": LOSS,
    "test_accuracy": FRACTION,
    "test_loss": LOSS,
    "epochs": COUNT,
}
POINT_READERS: dict[str, Reader] = {
    "figure": TEXT,
    "experiment": TEXT,
    "dataset": TEXT,
    "split": TEXT,
    "method": TEXT,
    "fraction_remaining": FRACTION,
    "ci95": (_non_negative, "a number of 0 or more, or nan"),
    "runs": COUNT,
}


def _read_table(path: str | Path, readers: Mapping[str, Reader]) -> pd.DataFrame:
    """Read a CSV file that has exactly the columns of `readers`, each cell by its reader.

    Cells are converted here, one by one: pandas' own guesses turn a layer list such as "40" into
    a number and a method named "NA" into a missing value, and its default parser is not exact.
    """
    try:
        with open(path, newline="", encoding="utf-8") as file:
            header, *rows = list(csv.reader(file)) or [[]]
    except FileNotFoundError:
        raise UserError(f"{path}: no such file") from None
    except (csv.Error, UnicodeDecodeError) as error:
        raise UserError(f"{path}: not a readable CSV file ({error})") from None
    missing = [column for column in readers if column not in header]
    if missing:
        has = ", ".join(header) or "none"
        raise UserError(f"{path}: column {missing[0]!r} is missing; its columns: {has}")
    unknown = [column for column in header if column not in readers]
    if unknown:
        hint = nearest(unknown[0], readers)
        raise UserError(
            f"{path}: unknown column {unknown[0]!r}{hint}; allowed: {', '.join(readers)}"
        )
    for line, row in enumerate(rows, start=2):  # line 1 is the header
        if len(row) != len(readers):
            raise UserError(f"{path}, line {line}: {len(row)} cells, {len(readers)} are needed")
    return pd.DataFrame(
        {
            column: _convert(path, column, [row[header.index(column)] for row in rows], reader)
            for column, reader in readers.items()
        }
    )


def _convert(path: str | Path, column: str, cells: Sequence[str], reader: Reader) -> list[Any]:
    convert, allowed = reader
    values = []
    for line, cell in enumerate(cells, start=2):
        try:
            values.append(convert(cell))
        except ValueError:
            where = f"{path}, line {line}, column {column!r}"
            raise UserError(f"{where}: {cell!r} is not {allowed}") from None
    return values


def read_runs(
    paths: Sequence[str | Path], methods: Mapping[str, Sequence[str]] | None = None
) -> pd.DataFrame:
    """Read runs files into one table: one row per network, with columns `COLUMNS`.

    `methods` gives each experiment's methods in the order of the configuration. Rows are sorted by
    experiment (by name), method (in that order; by name without it), seed and cycle, whatever the
    order of the files and of their rows.

    Raises UserError, naming file, line and column, if a file is missing or does not have these
    columns, if a cell is out of range, if a network is given twice, if a seed's cycles have gaps,
    or if a method is not in `methods`.
    """
    if not paths:
        raise UserError("runs: no files given")
    tables = [_read_table(path, RUN_READERS) for path in paths]
    runs = pd.concat(tables, ignore_index=True)
    file = [str(path) for path, table in zip(paths, tables, strict=True) for _ in range(len(table))]
    if runs.empty:
        raise UserError(f"{paths[0]}: no rows")
    _refuse_duplicates(runs, file)
    _refuse_gaps(runs)
    order = _method_order(runs, methods)
    rank = [order[pair] for pair in zip(runs["experiment"], runs["method"], strict=True)]
    runs = runs.assign(rank=rank).sort_values(["experiment", "rank", "seed", "cycle"])
    return runs[list(COLUMNS)].reset_index(drop=True)


def _named(experiment: str, method: str, seed: int, cycle: int) -> str:
    return f"{experiment}, {method}, seed {seed}, cycle {cycle}"


def _refuse_duplicates(runs: pd.DataFrame, file: Sequence[str]) -> None:
    first: dict[tuple, str] = {}
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
                f"{_named(experiment, method, seed, min(missing))}: missing from the runs"
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

    Columns: figure, experiment, dataset, split, method, fraction_remaining, then the mean under
    the name of the quantity shown (`accuracy`, `loss` or `epochs`), ci95, runs, diverged. Rows are
    in the order of `methods`, each from the unpruned network down. See `points` for the numbers.

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
    return table[[*POINT_KEY, quantity, "ci95", "runs", "diverged"]]


def read_curve(path: str | Path, quantity: str) -> pd.DataFrame:
    """Read the table that `curve` makes for one figure; `quantity` is accuracy, loss or epochs.

    Raises UserError, naming file, line and column, if it does not have these columns and values.
    """
    readers = {**POINT_READERS, quantity: LOSS, "diverged": COUNT}
    return _read_table(path, readers)[[*POINT_KEY, quantity, "ci95", "runs", "diverged"]]


def combine(curves: Sequence[pd.DataFrame]) -> pd.DataFrame:
    """Join figures' accuracy curves into one table with columns `ACCURACY_COLUMNS`, by figure.

    Within a figure the rows keep their order. Raises UserError if a figure is given twice.
    """
    named: dict[str, pd.DataFrame] = {}
    for table in curves:
        for figure, rows in table.groupby("figure", sort=False):
            if figure in named:
                raise UserError(f"curves: figure {figure!r} is given twice")
            named[figure] = rows
    if not named:
        return pd.DataFrame(columns=ACCURACY_COLUMNS)
    ordered = [named[figure] for figure in sorted(named)]
    return pd.concat(ordered, ignore_index=True)[ACCURACY_COLUMNS]


def rounded(table: pd.DataFrame) -> pd.DataFrame:
    """The table with its numbers rounded to `DIGITS` decimals."""
    numbers = table.select_dtypes("number").columns
    return table.assign(**{column: table[column].round(DIGITS) for column in numbers})


def table_text(table: pd.DataFrame) -> str:
    """The table as CSV: floats in their shortest exact form, nan and inf by name, line feeds."""
    return table.to_csv(index=False, lineterminator="\n", na_rep="nan")


def write_table(path: str | Path, table: pd.DataFrame) -> None:
    """Write `table` to `path` as CSV, atomically."""
    write_text(path, table_text(table))
