"""Draw each criterion beside a random choice, as PNG and SVG."""

import argparse

from dropnet.errors import exit_on_user_error
from dropnet.figures import contrasts, page
from dropnet.files.csv_tables import read_table
from dropnet.tables.columns import CRITERIA


def main() -> None:
    """Read, draw and write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--criteria", required=True, help="the table, a CSV file")
    parser.add_argument("--note", default="", help="what is said of the scale")
    parser.add_argument("--png", required=True)
    parser.add_argument("--svg", required=True)
    args = parser.parse_args()
    figure = contrasts.plot(read_table(args.criteria, CRITERIA), args.note)
    page.save(figure, args.png, args.svg)


if __name__ == "__main__":
    with exit_on_user_error():
        main()
