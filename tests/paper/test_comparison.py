"""Our curves beside the paper's: worked out by hand."""

import pandas as pd
import pytest

from dropnet.errors import UserError
from dropnet.paper.comparison import beside_paper
from dropnet.paper.curves import PAPER_CURVES, paper_curves

SETTINGS = {
    "FC5-FC5": {"dataset": "MNIST", "model": "FC", "widths": [5, 5]},
    "again": {"dataset": "MNIST", "model": "FC", "widths": [5, 5]},
    "other": {"dataset": "MNIST", "model": "FC", "widths": [5, 4]},
}


def curves(rows):
    columns = ["figure", "experiment", "split", "method", "fraction_remaining", "accuracy"]
    return pd.DataFrame(rows, columns=columns)


PAPER = curves(
    [
        ["fig03", "FC5-FC5", "test", "minimum", 1.0, 0.9],
        ["fig03", "FC5-FC5", "test", "minimum", 0.533333, 0.8],
        ["fig03", "FC5-FC5", "test", "minimum", 0.3, 0.5],
        ["fig03", "FC5-FC5", "test", "random", 1.0, 0.9],
    ]
)


@pytest.mark.parametrize(("figure", "experiment"), [("fig03", "FC5-FC5"), ("fig03_again", "again")])
def test_differences_are_ours_minus_the_papers(figure, experiment):
    ours = curves(
        [
            [figure, experiment, "test", "minimum", 0.3, 0.1],
            [figure, experiment, "test", "minimum", 8 / 15, 0.9],
            [figure, experiment, "test", "minimum", 1.0, 0.93],
            [figure, experiment, "train", "minimum", 1.0, 0.99],
            [figure, experiment, "test", "mine", 1.0, 0.99],
        ]
    )
    table = beside_paper(ours, PAPER, SETTINGS)
    assert list(table["method"]) == ["minimum"]
    row = table.iloc[0]
    assert (row["ours"], row["paper"]) == (0.93, 0.9)
    assert row["mean"] == pytest.approx((0.03 + 0.1 - 0.4) / 3)
    assert row["distance"] == pytest.approx((0.03 + 0.1 + 0.4) / 3)
    assert (row["largest"], row["at"]) == (pytest.approx(-0.4), 0.3)


def test_a_network_that_the_paper_does_not_have_is_compared_with_nothing():
    ours = curves([["mine", "other", "test", "minimum", 1.0, 0.9]])
    assert beside_paper(ours, PAPER, SETTINGS).empty


def test_the_papers_curves_are_those_that_came_with_the_project(tmp_path):
    assert paper_curves()["figure"].nunique() == 40
    copy = tmp_path / "paper_curves.csv"
    content = PAPER_CURVES.read_bytes()
    for broken in (content[: len(content) // 3], b"", content.replace(b"0.9679", b"0.9680", 1)):
        copy.write_bytes(broken)
        with pytest.raises(UserError, match="damaged or changed; git checkout brings it back"):
            paper_curves(copy)
    with pytest.raises(UserError, match="no such file"):
        paper_curves(tmp_path / "nowhere.csv")


def test_a_bar_that_hides_behind_its_marker_is_no_longer_than_one_that_shows():
    read, filled = pd.read_csv(PAPER_CURVES), paper_curves()
    hidden = read["ci95"].isna()
    assert hidden.any()
    assert filled["ci95"][~hidden].equals(read["ci95"][~hidden])
    for figure, own in filled[hidden].groupby("figure"):
        shown = read[(read["figure"] == figure) & (read["ci95"] > 0)]["ci95"]
        assert (own["ci95"] == shown.min()).all()
        assert own["ci95"].min() > 0
