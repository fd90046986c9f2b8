"""Tables in CSV files, made to be compared byte by byte, and read without a guess.

Numbers that are averages are rounded to `DIGITS` decimals and all are written in their shortest
form; lines end in a line feed, so that a table that was cut off can be told.
"""

import csv
import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from dropnet.errors import UserError, nearest
from dropnet.files.artifacts import AGAIN, write_text
from dropnet.files.csv_rows import Reader

DIGITS = 6  # decimals of a curve's numbers; 1e-6 is far below one test image in 10,000


def read_table(path: str | Path, readers: Mapping[str, Reader]) -> pd.DataFrame:
    """Read a CSV file that has exactly the columns of `readers`, each cell by its reader.

    Cells are converted here, one by one: pandas' own guesses turn a layer list such as "40" into
    a number and a method named "NA" into a missing value, and its default parser is not exact.

    Raises UserError, naming file, line and column, if the file is missing, does not have these
    columns, has a cell out of range, or is cut off.
    """
    try:
        with open(path, newline="", encoding="utf-8") as file:
            text = file.read()
        header, *rows = list(csv.reader(io.StringIO(text, newline=""))) or [[]]
    except FileNotFoundError:
        raise UserError(f"{path}: no such file") from None
    except (csv.Error, UnicodeDecodeError) as error:
        raise UserError(f"{path}: not a readable CSV file ({error}); {AGAIN}") from None
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
            needed = f"{len(row)} cells, {len(readers)} are needed"
            raise UserError(f"{path}, line {line}: {needed}; {AGAIN}")
    if not text.endswith("\n"):
        raise UserError(f"{path}, line {len(rows) + 1}: cut off; {AGAIN}")
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
        except (ValueError, KeyError):
            where = f"{path}, line {line}, column {column!r}"
            raise UserError(f"{where}: {cell!r} is not {allowed}; {AGAIN}") from None
    return values


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
