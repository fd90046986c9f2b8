"""Join runs files into one table, in one order whatever the order of the files."""

import argparse
import json

from dropnet.errors import exit_on_user_error
from dropnet.files.csv_tables import write_table
from dropnet.tables.aggregate import read_runs


def main() -> None:
    """Read, check, join and write."""
    parser = argparse.ArgumentParser(description=__doc__, fromfile_prefix_chars="@")
    parser.add_argument("--methods", type=json.loads, help="JSON: each experiment's methods")
    parser.add_argument("--output", required=True)
    parser.add_argument("runs", nargs="+")
    args = parser.parse_args()
    write_table(args.output, read_runs(args.runs, args.methods))


if __name__ == "__main__":
    with exit_on_user_error():
        main()
