"""Write the report of a scale: verdicts, figures and provenance, in one file."""

import argparse
import json

from dropnet.errors import exit_on_user_error
from dropnet.files.artifacts import write_text
from dropnet.files.csv_tables import read_table
from dropnet.paper import verdicts
from dropnet.report.html import Picture, render
from dropnet.tables.columns import CRITERIA, REMOVABLE, SPEED


def main() -> None:
    """Read, render and write."""
    parser = argparse.ArgumentParser(description=__doc__, fromfile_prefix_chars="@")
    parser.add_argument("--scale", required=True)
    parser.add_argument("--note", required=True, help="what is said of a reduced protocol")
    parser.add_argument("--claims", required=True, help="the verdicts, a CSV file")
    parser.add_argument("--removable", required=True, help="how much can go, a CSV file")
    parser.add_argument("--overview", required=True, help="its figure, a PNG file")
    parser.add_argument(
        "--pictures", type=json.loads, required=True, help="JSON: the fields of report.html.Picture"
    )
    parser.add_argument("--provenance", nargs="+", required=True, help="of the training jobs")
    parser.add_argument("--published", nargs="*", default=[], help="claims.csv of published scales")
    parser.add_argument(
        "--speed", nargs=2, help="how fast networks are, a CSV file, and its figure, a PNG file"
    )
    parser.add_argument(
        "--criteria", nargs="+", help="how criteria compare, a CSV file, and its figures, PNG files"
    )
    parser.add_argument("--output", required=True)
    args = parser.parse_args()
    html = render(
        args.scale,
        args.note,
        read_table(args.claims, verdicts.READERS),
        read_table(args.removable, REMOVABLE),
        [Picture(**fields) for fields in args.pictures],
        args.overview,
        args.provenance,
        [read_table(path, verdicts.READERS) for path in args.published],
        (read_table(args.speed[0], SPEED), args.speed[1]) if args.speed else None,
        (read_table(args.criteria[0], CRITERIA), args.criteria[1:]) if args.criteria else None,
    )
    write_text(args.output, html)


if __name__ == "__main__":
    with exit_on_user_error():
        main()
