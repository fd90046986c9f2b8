"""Draw how much of each network can go, as PNG and SVG."""

import argparse

from dropnet.errors import exit_on_user_error
from dropnet.figures import page, removable
from dropnet.files.csv_tables import read_table
from dropnet.tables.columns import REMOVABLE
from dropnet.tables.margins import SHOWN


def main() -> None:
    """Read, draw and write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--removable", required=True, help="the table, a CSV file")
    parser.add_argument("--note", default="", help="what is said of the scale")
    parser.add_argument("--png", required=True)
    parser.add_argument("--svg", required=True)
    args = parser.parse_args()
    figure = removable.plot(read_table(args.removable, REMOVABLE), SHOWN, args.note)
    page.save(figure, args.png, args.svg)


if __name__ == "__main__":
    with exit_on_user_error():
        main()
