"""Draw the accuracies of many criteria, a panel for each family of them, as PNG and SVG."""

import argparse
import json

from dropnet.errors import exit_on_user_error
from dropnet.figures import families, page
from dropnet.tables.aggregate import read_runs


def main() -> None:
    """Read, draw and write."""
    parser = argparse.ArgumentParser(description=__doc__, fromfile_prefix_chars="@")
    parser.add_argument("--runs", required=True, help="those of an experiment")
    parser.add_argument(
        "--methods", type=json.loads, required=True, help="JSON: each experiment's methods"
    )
    parser.add_argument("--unit", required=True, help="what is dropped: nodes, filters")
    parser.add_argument("--note", default="", help="what is said of the scale")
    parser.add_argument("--png", required=True)
    parser.add_argument("--svg", required=True)
    args = parser.parse_args()
    figure = families.accuracies(read_runs([args.runs], args.methods), args.unit, args.note)
    page.save(figure, args.png, args.svg)


if __name__ == "__main__":
    with exit_on_user_error():
        main()
