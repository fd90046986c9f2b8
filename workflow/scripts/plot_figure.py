"""Draw one figure from its curves, as PNG and SVG."""

import argparse

from dropnet.errors import exit_on_user_error
from dropnet.figures import curves, page
from dropnet.paper.curves import paper_curves
from dropnet.tables.aggregate import read_curve


def main() -> None:
    """Read, draw and write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--curve", required=True, help="the figure's curves, a CSV file")
    parser.add_argument("--face", required=True, help="JSON: the fields of figures.curves.Face")
    parser.add_argument("--paper", help="the paper's curves, a CSV file, to be drawn behind")
    parser.add_argument("--figure", help="which of them")
    parser.add_argument("--png", required=True)
    parser.add_argument("--svg", required=True)
    args = parser.parse_args()
    face = curves.Face.from_json(args.face)
    paper = paper_curves(args.paper) if args.paper else None
    theirs = None if paper is None else paper[paper["figure"] == args.figure]
    figure = curves.plot(read_curve(args.curve, face.quantity), face, theirs)
    page.save(figure, args.png, args.svg)


if __name__ == "__main__":
    with exit_on_user_error():
        main()
