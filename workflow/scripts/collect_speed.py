"""Join the speeds of all experiments of a scale into one table."""

import argparse

import pandas as pd

from dropnet.errors import exit_on_user_error
from dropnet.files.csv_tables import read_table, write_table
from dropnet.tables.columns import SPEED


def main() -> None:
    """Read, join and write."""
    parser = argparse.ArgumentParser(description=__doc__, fromfile_prefix_chars="@")
    parser.add_argument("--output", required=True)
    parser.add_argument("tables", nargs="+", help="in the order of the experiments")
    args = parser.parse_args()
    tables = [read_table(path, SPEED) for path in args.tables]
    write_table(args.output, pd.concat(tables, ignore_index=True))


if __name__ == "__main__":
    with exit_on_user_error():
        main()
