"""Average runs of one experiment to the curves of one figure."""

import argparse
import json

from dropnet.errors import exit_on_user_error
from dropnet.files.csv_tables import write_table
from dropnet.tables.aggregate import curve, read_runs
from dropnet.tables.columns import QUANTITIES


def main() -> None:
    """Read, aggregate and write."""
    parser = argparse.ArgumentParser(description=__doc__, fromfile_prefix_chars="@")
    parser.add_argument("--figure", required=True)
    parser.add_argument("--shows", required=True, help=f"one of {', '.join(QUANTITIES)}")
    parser.add_argument(
        "--methods", type=json.loads, required=True, help="JSON: the curves' names and the runs'"
    )
    parser.add_argument("--stop-fraction", type=float, default=0, help="where the curves end")
    parser.add_argument("--output", required=True)
    parser.add_argument("runs", nargs="+")
    args = parser.parse_args()
    runs = read_runs(args.runs)
    table = curve(runs, args.figure, args.shows, args.methods, args.stop_fraction)
    write_table(args.output, table)


if __name__ == "__main__":
    with exit_on_user_error():
        main()
