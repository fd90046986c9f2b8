"""Draw how far the masks of criteria are those of the oracle, as PNG and SVG."""

import argparse

from dropnet.errors import exit_on_user_error
from dropnet.figures import agreement, page
from dropnet.files.csv_tables import read_table
from dropnet.tables.columns import AGREEMENT


def main() -> None:
    """Read, draw and write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--agreement", required=True, help="the table, a CSV file")
    parser.add_argument("--unit", required=True, help="what is dropped: nodes, filters")
    parser.add_argument("--note", default="", help="what is said of the scale")
    parser.add_argument("--png", required=True)
    parser.add_argument("--svg", required=True)
    args = parser.parse_args()
    figure = agreement.plot(read_table(args.agreement, AGREEMENT), args.unit, args.note)
    page.save(figure, args.png, args.svg)


if __name__ == "__main__":
    with exit_on_user_error():
        main()
