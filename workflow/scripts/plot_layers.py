"""Draw what share of each layer the criteria of an experiment keep, as PNG and SVG."""

import argparse

from dropnet.errors import exit_on_user_error
from dropnet.figures import layers, page
from dropnet.files.csv_tables import read_table
from dropnet.tables.columns import LAYERS


def main() -> None:
    """Read, draw and write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--layers", required=True, help="the table, a CSV file")
    parser.add_argument("--experiment", required=True)
    parser.add_argument("--note", default="", help="what is said of the scale")
    parser.add_argument("--png", required=True)
    parser.add_argument("--svg", required=True)
    args = parser.parse_args()
    table = read_table(args.layers, LAYERS)
    rows = table[table["experiment"] == args.experiment]
    page.save(layers.plot(rows, args.note), args.png, args.svg)


if __name__ == "__main__":
    with exit_on_user_error():
        main()
