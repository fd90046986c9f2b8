"""The comparison of criteria, from images to pictures and the report."""

import pandas as pd
import pytest
import yaml

from dropnet.files.csv_tables import read_table
from dropnet.tables.columns import CRITERIA, LAYERS, RANKS
from helpers.project import copy_project, snakemake, write_config

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("project")]
METHODS = ["oracle", "minimum", "random", "minimum_layer", "random_layer"]


@pytest.fixture(scope="module")
def compared(tmp_path_factory):
    """A project in which one experiment compares criteria and another does not, and its run."""
    folder = copy_project(tmp_path_factory.mktemp("criteria") / "project")
    one = {"model": "FC", "dataset": "digits", "prune_fraction": 0.4}
    experiments = {
        "FC8-FC6-criteria": {
            **one,
            **{"widths": [8, 6], "stop_fraction": 0.1, "methods": METHODS, "criteria": True},
        },
        "FC3-FC3": {**one, "widths": [3, 3], "stop_fraction": 0.5, "methods": ["minimum"]},
    }
    figure = {"experiment": "FC3-FC3", "shows": "test_accuracy", "title": "Mine"}
    config = yaml.safe_load((folder / "config.yaml").read_text())
    config |= {"experiments": experiments, "figures": {"mine": figure}}
    config["scales"]["tiny"]["seeds_per_job"] = 3
    (folder / "config.yaml").write_text(yaml.safe_dump(config, sort_keys=False))
    run = snakemake(folder, "figures", "results/tiny/report.html")
    assert run.returncode == 0, run.stdout
    return folder


def test_tables_are_those_of_the_runs(compared):
    results = compared / "results/tiny"
    table = read_table(results / "criteria.csv", CRITERIA)
    assert set(zip(table["criterion"], table["reference"], strict=True)) == {
        ("oracle", "random"),
        ("minimum", "random"),
        ("minimum_layer", "random_layer"),
    }
    assert set(table["seeds"]) == {3}
    assert set(table["reduced"]) == {
        "3 of 15 seeds, the first 500 training images, at most 8 of 100 epochs a cycle"
    }
    ranks = read_table(results / "ranks.csv", RANKS)
    assert set(ranks["method"]) == set(METHODS)
    assert ranks.groupby("fraction_remaining")["rank"].sum().round(3).eq(15).all()
    layers = read_table(results / "layers.csv", LAYERS)
    runs = pd.read_csv(results / "FC8-FC6-criteria/runs.csv")
    last = runs[(runs["method"] == "minimum") & (runs["cycle"] == 1)]["remaining"]
    first_layer = [int(nodes.split("|")[0]) / 8 for nodes in last]
    row = layers[(layers["method"] == "minimum") & (layers["cycle"] == 1) & (layers["layer"] == 1)]
    assert row["kept"].item() == pytest.approx(sum(first_layer) / 3, abs=1e-6)


def test_pictures_and_report_are_there(compared):
    names = {path.name for path in (compared / "figures/tiny").glob("criteria*.png")}
    kinds = ("families", "ranks", "layers", "agreement")
    assert names == {
        "criteria.png",
        *(f"criteria_{kind}_FC8-FC6-criteria.png" for kind in kinds),
    }
    html = (compared / "results/tiny/report.html").read_text()
    assert 'id="league"' in html
    assert 'alt="criteria ranks FC8-FC6-criteria"' in html


def test_a_picture_of_an_experiment_that_is_not_compared_names_those_that_are(compared):
    run = snakemake(compared, "-n", "figures/tiny/criteria_ranks_FC3-FC3.png")
    assert run.returncode != 0
    assert (
        "FC3-FC3 is not among the experiments whose criteria are compared at scale tiny;"
        " allowed: FC8-FC6-criteria"
    ) in run.stdout


def test_a_scale_that_compares_nothing_says_so(compared):
    write_config(compared)
    run = snakemake(compared, "-n", "results/tiny/criteria.csv")
    assert run.returncode != 0
    assert "no experiment of scale tiny compares criteria; allowed: list one that has" in run.stdout
