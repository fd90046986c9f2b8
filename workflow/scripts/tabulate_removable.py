"""Tabulate how much of each network can go at a given loss of accuracy, by each method."""

import argparse
import json

import pandas as pd

from dropnet.errors import exit_on_user_error
from dropnet.files.csv_tables import read_table, write_table
from dropnet.tables.aggregate import read_runs
from dropnet.tables.columns import SIZES
from dropnet.tables.removable import tabulate


def main() -> None:
    """Read, tabulate and write."""
    parser = argparse.ArgumentParser(description=__doc__, fromfile_prefix_chars="@")
    parser.add_argument("--runs", required=True, help="all runs of the scale")
    parser.add_argument("--sizes", nargs="+", required=True, help="those of each experiment")
    parser.add_argument(
        "--methods", type=json.loads, required=True, help="JSON: each experiment's methods"
    )
    parser.add_argument(
        "--classes",
        type=json.loads,
        required=True,
        help="JSON: those of each experiment",
    )
    parser.add_argument("--output", required=True)
    args = parser.parse_args()
    runs = read_runs([args.runs], args.methods)
    sizes = pd.concat([read_table(path, SIZES) for path in args.sizes], ignore_index=True)
    tables = [
        tabulate(runs[runs["experiment"] == name], sizes, methods, args.classes[name])
        for name, methods in args.methods.items()
    ]
    write_table(args.output, pd.concat(tables, ignore_index=True))


if __name__ == "__main__":
    with exit_on_user_error():
        main()
