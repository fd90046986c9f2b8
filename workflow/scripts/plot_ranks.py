"""Draw the mean ranks of the methods of an experiment, as PNG and SVG."""

import argparse

from dropnet.errors import exit_on_user_error
from dropnet.figures import page, ranks
from dropnet.files.csv_tables import read_table
from dropnet.tables.columns import RANKS


def main() -> None:
    """Read, draw and write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--ranks", required=True, help="the table, a CSV file")
    parser.add_argument("--experiment", required=True)
    parser.add_argument("--unit", required=True, help="what is dropped: nodes, filters")
    parser.add_argument("--note", default="", help="what is said of the scale")
    parser.add_argument("--png", required=True)
    parser.add_argument("--svg", required=True)
    args = parser.parse_args()
    table = read_table(args.ranks, RANKS)
    rows = table[table["experiment"] == args.experiment]
    page.save(ranks.plot(rows, args.unit, args.note), args.png, args.svg)


if __name__ == "__main__":
    with exit_on_user_error():
        main()
