"""Compare criteria with a random choice, rank them, and tell what they keep of each layer."""

import argparse
import json

from dropnet.criteria.comparison import comparison
from dropnet.errors import exit_on_user_error
from dropnet.files.csv_tables import write_table
from dropnet.tables.aggregate import read_runs


def main() -> None:
    """Read, compare and write."""
    parser = argparse.ArgumentParser(description=__doc__, fromfile_prefix_chars="@")
    parser.add_argument("--runs", nargs="+", required=True, help="those of each experiment")
    parser.add_argument("--scale", required=True)
    parser.add_argument(
        "--methods", type=json.loads, required=True, help="JSON: each experiment's methods"
    )
    parser.add_argument(
        "--classes", type=json.loads, required=True, help="JSON: those of each experiment"
    )
    parser.add_argument(
        "--reductions",
        type=json.loads,
        required=True,
        help="JSON: how each experiment differs from the paper's protocol, in words",
    )
    parser.add_argument("--criteria", required=True, help="the contrasts, a CSV file to write")
    parser.add_argument("--ranks", required=True, help="mean ranks, likewise")
    parser.add_argument("--layers", required=True, help="shares of layers, likewise")
    args = parser.parse_args()
    runs = read_runs(args.runs, args.methods)
    tables = comparison(runs, [*args.methods], args.classes, args.scale, args.reductions)
    for path, table in zip((args.criteria, args.ranks, args.layers), tables.values(), strict=True):
        write_table(path, table)


if __name__ == "__main__":
    with exit_on_user_error():
        main()
