"""The paper's curves, read off its figures."""

from pathlib import Path
from typing import TYPE_CHECKING

from dropnet.errors import UserError
from dropnet.files.code_files import WORKFLOW, checksum

if TYPE_CHECKING:  # the workflow itself asks for the path alone, and does without pandas
    import pandas as pd

PAPER_CURVES = WORKFLOW / "reference" / "paper_curves.csv"
PAPER_SHA256 = "e8fece48c89b790818a06a2ce59c3588db8622c81eea2a8efbbced4ab59b3cdd"


def paper_curves(path: str | Path = PAPER_CURVES) -> "pd.DataFrame":
    """Read the paper's curves, of each method and figure from left to right.

    A bar (`ci95`) that hides behind its marker is as long as the shortest that shows in its figure,
    where markers are of one size; so it is that, or shorter.

    Raises:
        UserError: if the file is not the one that came with this project.
    """
    import pandas as pd

    check_paper_curves(path)
    curves = pd.read_csv(path)
    # one of 0 is at chance, of runs that are all alike
    showing = curves["ci95"].where(curves["ci95"] > 0).groupby(curves["figure"])
    return curves.assign(ci95=curves["ci95"].fillna(showing.transform("min")))


def check_paper_curves(path: str | Path = PAPER_CURVES) -> None:
    """Raise UserError if the file is not the one that came with this project."""
    try:
        if checksum(path) == PAPER_SHA256:
            return
    except FileNotFoundError:
        raise UserError(f"{path}: no such file; git checkout brings it back") from None
    raise UserError(
        f"{path}: damaged or changed; git checkout brings it back (whoever corrects it puts the new"
        " SHA-256 into paper/curves.py)"
    )
