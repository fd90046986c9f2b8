"""Our curves beside the paper's, point by point."""

from collections.abc import Mapping
from typing import Any

import pandas as pd

KEYS = ["split", "method", "place"]
COLUMNS = ["figure", "method", "ours", "paper", "points", "mean", "distance", "largest", "at"]


def beside_paper(
    curves: pd.DataFrame, paper: pd.DataFrame, settings: Mapping[str, Mapping[str, Any]]
) -> pd.DataFrame:
    """Compare each of our test curves with the paper's for the same network.

    Args:
        curves: ours, as in curves.csv.
        paper: the paper's, as in workflow/reference/paper_curves.csv.
        settings: of our experiments, by name; an experiment that the paper does not have under
            its name is compared with one of the same data set, model and widths.

    Returns:
        One row for each figure and method that the paper has: accuracy of the unpruned network,
        ours and the paper's; how many points both have, the mean difference over these, ours
        minus the paper's, and the mean of their sizes; the largest one by size, and the fraction
        remaining at which it is.
    """
    rows = []
    ours = curves[curves["split"] == "test"]
    for (figure, experiment), of_figure in ours.groupby(["figure", "experiment"], sort=False):
        theirs = _counterpart(str(figure), str(experiment), paper, settings)
        joined = _placed(of_figure).merge(_placed(theirs), on=KEYS, suffixes=("", "_paper"))
        for method, points in joined.groupby("method", sort=False):
            difference = points["accuracy"] - points["accuracy_paper"]
            farthest = difference.abs().argmax()
            first = points.iloc[points["fraction_remaining"].argmax()]
            rows.append(
                {
                    "figure": figure,
                    "method": method,
                    "ours": first["accuracy"],
                    "paper": first["accuracy_paper"],
                    "points": len(points),
                    "mean": difference.mean(),
                    "distance": difference.abs().mean(),
                    "largest": difference.iloc[farthest],
                    "at": points["fraction_remaining"].iloc[farthest],
                }
            )
    return pd.DataFrame(rows, columns=COLUMNS)


def differences(curve: pd.DataFrame, paper: pd.DataFrame) -> pd.DataFrame:
    """Subtract the paper's curves of a figure from ours, at the fractions that both have.

    Args:
        curve: ours, of one figure that shows an accuracy.
        paper: the paper's, of the same figure, as `paper.curves.paper_curves` reads them.

    Returns:
        One row a point: method, fraction_remaining, difference, and half its 95% interval. Both
        intervals are added in squares, and the error of reading the plot to that. A single run
        has no interval, and neither has its difference (nan).
    """
    joined = _placed(curve).merge(_placed(paper), on=["method", "place"], suffixes=("", "_paper"))
    both = joined["ci95"] ** 2 + joined["ci95_paper"] ** 2
    return pd.DataFrame(
        {
            "method": joined["method"],
            "fraction_remaining": joined["fraction_remaining"],
            "difference": joined["accuracy"] - joined["accuracy_paper"],
            "ci95": both**0.5 + joined["accuracy_error"],
        }
    )


def _placed(curves: pd.DataFrame) -> pd.DataFrame:
    """Fractions that agree to three digits are the same point; the paper's are read off plots."""
    return curves.assign(place=curves["fraction_remaining"].round(3))


def _counterpart(
    figure: str, experiment: str, paper: pd.DataFrame, settings: Mapping[str, Mapping[str, Any]]
) -> pd.DataFrame:
    """The paper's figure of that name, else its first figure of the same network; may be empty."""
    if figure in set(paper["figure"]):
        return paper[paper["figure"] == figure]
    same = [name for name in settings if _network(settings[name]) == _network(settings[experiment])]
    of_network = paper[paper["experiment"].isin(same) & (paper["split"] == "test")]
    return of_network[of_network["figure"] == of_network["figure"].min()]


def _network(settings: Mapping[str, Any]) -> tuple[Any, ...]:
    return settings["dataset"], settings["model"], tuple(settings["widths"])
