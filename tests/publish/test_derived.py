"""Verdicts, and how much can go, follow from what is published alone."""

import json
import re
import shutil
from pathlib import Path

import pandas as pd
import pytest

from dropnet.config.plan import Plan
from dropnet.errors import UserError
from dropnet.figures import curves, page
from dropnet.paper import protocol
from dropnet.publish.derived import check_derived, cut_off_in_words, derive, draw
from dropnet.publish.facts import Facts
from dropnet.publish.record import folders
from helpers.finished_run import CONFIG


@pytest.fixture
def of_paper(monkeypatch):
    """As if the paper's Figure 3 showed the experiment of these tests."""
    monkeypatch.setattr(protocol, "shows_figure", lambda *words: True)


@pytest.mark.slow
def test_figures_of_other_networks_judge_nothing(published):
    assert set(pd.read_csv("published/small/claims.csv")["verdict"]) == {"not run"}


@pytest.mark.slow
def test_verdicts_and_shares_follow_from_what_is_published(published, of_paper):
    derive("published", Plan(CONFIG))
    removable = pd.read_csv("published/small/removable.csv")
    # accuracies .97, .92, ... at 10, 6, ... of 10 nodes: two points are lost before the first step
    row = removable[(removable["method"] == "minimum") & (removable["margin"] == 0.02)].iloc[0]
    assert (row["removable"], row["parameters"]) == (0, 785 * 5 + 6 * 5 + 6 * 10)
    claims = pd.read_csv("published/small/claims.csv")
    assert set(claims[claims["figure"] == "fig03"]["verdict"]) == {"not run", "inconclusive"}
    check_derived("published", Plan(CONFIG))
    path = Path("published/small/claims.csv")
    path.write_text(path.read_text().replace("inconclusive", "holds", 1))
    with pytest.raises(UserError, match=r"claims.csv: does not follow from published/small"):
        check_derived("published", Plan(CONFIG))


@pytest.mark.slow
@pytest.mark.parametrize("name", ["criteria.csv", "figures/fig99.png"])
def test_what_no_longer_follows_is_noticed_and_removed(published, name):
    derive("published", Plan(CONFIG))
    before = {path for path in Path("published").rglob("*") if path.is_file()}
    left = Path("published/small", name)
    left.touch()
    with pytest.raises(UserError, match=f"{name}: does not follow from published/small"):
        check_derived("published", Plan(CONFIG))
    derive("published", Plan(CONFIG))
    assert {path for path in Path("published").rglob("*") if path.is_file()} == before


@pytest.mark.slow
def test_verdicts_go_by_the_settings_of_the_runs_not_by_the_present_ones(published, of_paper):
    origin = Path("published/small/provenance.json")
    record = json.loads(origin.read_text())
    assert protocol.reductions_of(record["settings"]["FC5-FC5"]) == ""
    record["settings"]["FC5-FC5"]["max_epochs"] = 10
    origin.write_text(json.dumps(record))
    derive("published", Plan(CONFIG))
    claims = pd.read_csv("published/small/claims.csv")
    reasons = claims[claims["verdict"] == "open at reduced scale"]["reason"]
    assert set(reasons) == {"too few seeds: a reduced protocol needs 8"}


@pytest.mark.slow
def test_prose_is_given_no_difference_of_runs_that_were_cut_off(published):
    """One seed that ends above the range would leave a mean over other seeds, or another range."""
    path = Path("published/small/runs.csv")
    lines = path.read_text().splitlines(keepends=True)
    of_last_cycle = re.compile(r"FC5-FC5,MNIST,minimum,1,3,")
    path.write_text("".join(line for line in lines if not of_last_cycle.match(line)))
    assert len(path.read_text().splitlines()) == len(lines) - 1
    facts = Facts(path.parent)
    assert facts.gap("FC5-FC5", "minimum", "minimum_layer", 0.4, 0.6)
    with pytest.raises(UserError, match=r"FC5-FC5: no two seeds of minimum and minimum_layer from"):
        facts.gap("FC5-FC5", "minimum", "minimum_layer", 0.2, 0.6)


@pytest.mark.slow
def test_what_a_killed_publication_left_is_not_published(published):
    left = Path("published/.small")
    left.mkdir()
    shutil.copy("published/small/runs.csv", left)
    assert folders("published") == [Path("published/small")]
    Path("published/small/provenance.json").unlink()
    with pytest.raises(UserError, match=r"published/small: has runs.csv, but no provenance.json"):
        folders("published")


@pytest.mark.slow
def test_a_curve_may_be_one_of_an_experiment_that_is_trained_alike(
    published, of_paper, monkeypatch
):
    """Where it was run is told by runs.csv; curves and verdicts are those of the figure."""
    folder = Path("published/small")
    tables = ("curves.csv", "claims.csv")
    derive("published", Plan(CONFIG))
    expected = [(folder / table).read_text() for table in tables]
    record = json.loads((folder / "provenance.json").read_text())
    record["settings"]["twin"] = record["settings"]["FC5-FC5"] | {"experiment": "twin"}
    for job in record["jobs"]:
        if job["method"] == "minimum":
            job["experiment"] = "twin"
    (folder / "provenance.json").write_text(json.dumps(record))
    runs = (folder / "runs.csv").read_text()
    moved = re.sub(r"(?m)^FC5-FC5,(\w+),minimum,", r"twin,\1,minimum,", runs)
    assert moved != runs
    (folder / "runs.csv").write_text(moved)
    derive("published", Plan(CONFIG))
    assert [(folder / table).read_text() for table in tables] == expected
    faces = []
    monkeypatch.setattr(curves, "plot", lambda table, face, behind: faces.append(face))
    monkeypatch.setattr(page, "save_png", lambda figure, path: None)
    draw("published", Plan(CONFIG))
    assert [face.lent for face in faces] == ["minimum of twin"] * 2


@pytest.mark.parametrize(
    ("ends", "expected"),
    [
        ({"minimum": [0.05, 0.04], "random": [0.05, 0.03]}, ""),
        (
            {"minimum": [0.05, 0.04], "random": [0.07, 0.07]},
            "random, trained down to 0.07 of the nodes",
        ),
        (
            {"minimum": [0.08, 0.06], "random": [0.07, 0.05]},
            "1 to 2 of 2 runs of minimum and random, trained down to 0.06 to 0.08 of the nodes",
        ),
        (
            {"minimum": [0.08, 0.05, 0.05], "random": [0.09, 0.04, 0.05]},
            "1 of 3 runs of minimum and random, trained down to 0.08 to 0.09 of the nodes",
        ),
    ],
)  # fmt: skip
def test_runs_that_were_cut_off_in_words(ends, expected):
    runs = pd.DataFrame(
        [
            {"method": method, "seed": seed, "fraction_remaining": fraction}
            for method, last in ends.items()
            for seed, end in enumerate(last)
            for fraction in (1.0, end)
        ]
    )
    assert cut_off_in_words(runs, 0.05, "nodes") == expected
