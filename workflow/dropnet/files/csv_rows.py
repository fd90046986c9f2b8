"""Rows of CSV files: how each cell is read, and rows written as they come.

Without pandas, which takes a second to load and which jobs that train do not need.
"""

import csv
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from dropnet.files.artifacts import atomic_path


def write_rows(path: str | Path, columns: Iterable[str], rows: Iterable[Mapping[str, Any]]) -> None:
    """Write rows of exactly these columns; floats in their shortest exact form."""
    with atomic_path(path) as temporary, temporary.open("w", encoding="utf-8", newline="") as file:
        table = csv.DictWriter(file, list(columns), lineterminator="\n")
        table.writeheader()
        table.writerows(rows)


def _unless(refused: Callable[[Any], bool], convert: Callable[[str], Any]) -> Callable[[str], Any]:
    """Return a function that converts a cell, and raises ValueError for what is refused."""

    def read(cell: str) -> Any:
        value = convert(cell)
        if refused(value):
            raise ValueError
        return value

    return read


_text = _unless(lambda words: not words, str)
_count = _unless(lambda number: number < 0, int)
_fraction = _unless(lambda number: not 0 <= number <= 1, float)  # also refuses nan
_non_negative = _unless(lambda number: number < 0, float)


def _widths(cell: str) -> str:
    for width in cell.split("|"):
        _count(width)
    return cell


def _truth(cell: str) -> bool:
    return {"True": True, "False": False}[cell]


#: What converts a cell or raises ValueError or KeyError, and in words what it allows.
Reader = tuple[Callable[[str], Any], str]
TEXT: Reader = (_text, "a name")
COUNT: Reader = (_count, "a whole number of 0 or more")
FRACTION: Reader = (_fraction, "a number from 0 to 1")
LOSS: Reader = (float, "a number, nan or inf")
NUMBER: Reader = (float, "a number, or nan")
MARGIN: Reader = (_non_negative, "a number of 0 or more, or nan")
WIDTHS: Reader = (_widths, "whole numbers joined by |")
WORDS: Reader = (str, "words, or nothing")
TRUTH: Reader = (_truth, "True or False")
