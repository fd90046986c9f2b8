"""Judge the paper's claims by the runs of a scale, and by the paper's own curves."""

import argparse
import json

from dropnet.errors import exit_on_user_error
from dropnet.files.csv_tables import write_table
from dropnet.paper.claims import load
from dropnet.paper.curves import paper_curves
from dropnet.paper.drawn import Drawn
from dropnet.paper.judging import judge
from dropnet.tables.aggregate import read_runs


def main() -> None:
    """Read, judge and write."""
    parser = argparse.ArgumentParser(description=__doc__, fromfile_prefix_chars="@")
    parser.add_argument("--runs", required=True, help="all runs of the scale")
    parser.add_argument("--claims", required=True, help="the statements, a YAML file")
    parser.add_argument("--paper", required=True, help="the paper's curves, a CSV file")
    parser.add_argument(
        "--figures", type=json.loads, required=True, help="JSON: the fields of paper.drawn.Drawn"
    )
    parser.add_argument("--output", required=True)
    args = parser.parse_args()
    drawn = {figure: Drawn(**fields) for figure, fields in args.figures.items()}
    paper = paper_curves(args.paper)
    write_table(args.output, judge(load(args.claims), read_runs([args.runs]), drawn, paper))


if __name__ == "__main__":
    with exit_on_user_error():
        main()
