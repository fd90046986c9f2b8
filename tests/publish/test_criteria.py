"""What is published of a comparison of criteria: tables, pictures, page, a line in README.md."""

import copy
import json
import shutil
from pathlib import Path

import pandas as pd
import pytest

from dropnet.config.check import check
from dropnet.config.plan import Plan
from dropnet.errors import UserError
from dropnet.files.artifacts import write_json
from dropnet.files.csv_tables import read_table, write_table
from dropnet.publish.derived import check_derived, derive
from dropnet.publish.facts import Facts
from dropnet.publish.pages import BEGIN, END, overview, texts, write
from dropnet.publish.record import RECORD, Record
from dropnet.publish.snapshot import publish
from dropnet.tables.columns import CRITERIA, CURVES, LAYERS, RANKS
from helpers import finished_run
from helpers.made_up_runs import flat, made_up

FOLDER = Path("published/criteria")
KINDS = ("families", "ranks", "layers")


def plan():
    """That of one experiment that compares criteria, at a scale that is the whole protocol."""
    config = copy.deepcopy(finished_run.CONFIG)
    config |= {"scale": "criteria", "scales": {"criteria": {}}, "figures": {}}
    chosen = config["experiments"].pop("FC5-FC5")
    methods = ["minimum", "maximum", "random", "maximum_layer", "random_layer"]
    chosen |= {"methods": methods, "criteria": True}
    config["experiments"] = {"FC40-FC40-criteria": chosen}
    check(config)
    return Plan(config)


@pytest.fixture
def published(tmp_path, monkeypatch):
    """Published runs of 15 seeds: minimum is better than random, maximum worse, no other is."""
    monkeypatch.chdir(tmp_path)
    wide = [0.001 * (7 * seed % 15) for seed in range(15)]
    means = {"minimum": 0.95, "maximum": 0.8, "random": 0.9}
    means |= {"maximum_layer": 0.9, "random_layer": 0.9}
    accuracies = {
        method: [
            flat(0.97, mean + (0.002 * (-1) ** seed if method == "maximum_layer" else x))
            for seed, x in enumerate(wide if mean != 0.9 else [0.0] * 15)
        ]
        for method, mean in means.items()
    }
    FOLDER.mkdir(parents=True)
    write_table(FOLDER / "runs.csv", made_up(accuracies, "FC40-FC40-criteria"))
    write_table(FOLDER / "curves.csv", pd.DataFrame(columns=list(CURVES)))
    name = "FC40-FC40-criteria"
    settings = json.loads(plan().at("criteria").settings(name).to_json())
    environment = {"versions": {"torch": "2"}, "device": "cpu", "cpu": "a processor"}
    job = {"experiment": name, "seeds": "0-14", "commit": "0" * 40, "clean": True}
    job |= {"wall_seconds": 60.0, "environment": environment}
    jobs = [{**job, "method": method} for method in ("baseline", *accuracies)]
    record = Record("criteria", "Not evidence", {name: settings}, jobs=jobs)
    write_json(FOLDER / RECORD, record.content())
    Path("README.md").write_text(f"{BEGIN}\n{END}\n")
    derive("published", plan())


@pytest.mark.slow
def test_tables_pictures_and_pages_follow_from_the_runs(published):
    table = read_table(FOLDER / "criteria.csv", CRITERIA)
    assert list(dict.fromkeys(table["criterion"])) == ["minimum", "maximum", "maximum_layer"]
    read_table(FOLDER / "ranks.csv", RANKS)
    read_table(FOLDER / "layers.csv", LAYERS)
    names = {path.stem for path in (FOLDER / "figures").glob("*.png")}
    assert names == {"criteria", *(f"criteria_{kind}_FC40-FC40-criteria" for kind in KINDS)}
    check_derived("published", plan())

    write(texts(Path("README.md"), Path("published"), ["criteria", "small"]))
    page = (FOLDER / "README.md").read_text()
    assert "Against a random choice of the same scope:" in page
    head = "| criterion | FC40-FC40-criteria, 50% to 20% | FC40-FC40-criteria, 20% to 5% |"
    assert head in page
    assert "| minimum | **+5.7 (+5.5 to +5.9)**" in page
    assert "\n| maximum_layer | +0.0 (" in page
    pictures = [line for line in page.splitlines() if "(figures/criteria" in line]
    assert pictures[0].endswith("(figures/criteria.png)")
    assert len(pictures) == 4

    readme = Path("README.md").read_text()
    place = "| [FC40-FC40-criteria](published/criteria/README.md)"
    assert (
        f"{place} (reduced protocol) | 50% to 20% | t test | `minimum`: better | - | `maximum` |"
        in readme
    )
    assert "(published/criteria/figures/criteria.png)" in readme

    # a reduced scale comes second, whatever its name, and is said to be one
    scales = {}
    for scale, words in (("a-reduced", "3 of 15 seeds"), ("criteria", "")):
        copied = shutil.copytree(FOLDER, Path("elsewhere") / scale)
        write_table(copied / "criteria.csv", table.assign(reduced=words))
        scales[scale] = Facts(copied)
    rows = [
        line
        for line in overview(Path("published"), scales).splitlines()
        if line.startswith("| [FC40-FC40-criteria]")
    ]
    assert "(published/criteria/README.md) |" in rows[0]
    assert "(published/a-reduced/README.md) (reduced protocol) |" in rows[-1]

    facts = Facts(FOLDER)
    name = "FC40-FC40-criteria"
    assert facts.contrast(name, "minimum", "random", 0.2) == "+5.7 (+5.5 to +5.9)"
    with pytest.raises(UserError, match=r"criteria.csv down to 0.2 has no row of .*, apoz, random"):
        facts.contrast(name, "apoz", "random", 0.2)

    table.loc[0, "effect"] = 0.5
    write_table(FOLDER / "criteria.csv", table)
    with pytest.raises(UserError, match=r"criteria.csv: does not follow"):
        check_derived("published", plan())


def test_readme_says_nothing_where_nothing_is_published(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("README.md").write_text(f"{BEGIN}\n{END}\n")
    write(texts(Path("README.md"), Path("published"), ["criteria", "small"]))
    assert "criteria" not in Path("README.md").read_text()


def test_a_scale_without_figures_is_published_too(project):
    config = {**finished_run.CONFIG, "figures": {}}
    publish(Plan(config), "small")
    curves = Path("published/small/curves.csv").read_text()
    assert curves == f"{','.join(CURVES)}\n"
    derive("published", Plan(config))
    write(texts(Path("README.md"), Path("published"), ["criteria", "small"]))
    assert "curves.csv" in Path("published/small/README.md").read_text()
