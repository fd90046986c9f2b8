"""Publishing refuses what is incomplete, stale or unclean, and keeps what was published before."""

import json
from pathlib import Path

import pytest

from dropnet.config.plan import Plan
from dropnet.errors import UserError
from dropnet.publish.snapshot import publish
from helpers.finished_run import CONFIG, METHODS, edit_json, made_elsewhere, provenance_of


def test_everything_is_copied_and_its_origin_written(project):
    files = publish(Plan(CONFIG), "small").files
    published = Path("published", "small")
    assert sorted(files) == sorted(path for path in published.rglob("*") if path.is_file())
    for name in ("runs.csv", "curves.csv"):
        assert (published / name).read_bytes() == Path("results/small", name).read_bytes()
    for figure in Path("figures/small").iterdir():
        assert (published / "figures" / figure.name).read_bytes() == figure.read_bytes()
    origin = json.loads((published / "provenance.json").read_text())
    assert origin["commits"] == ["c0ffee" * 6 + "c0ff"]
    assert origin["clean"] is True
    assert origin["wall_seconds"] == 3600
    assert origin["reductions"] == {"FC5-FC5": "2 of 15 seeds"}
    assert origin["note"] == "Not evidence"
    assert origin["inputs"] == {"results/data/MNIST.safetensors": "ab" * 32}
    assert origin["environments"] == [
        {"versions": {"python": "3.11.7"}, "device": "cpu", "cpu": "A processor"}
    ]
    jobs = [(job["method"], job["seeds"]) for job in origin["jobs"]]
    assert jobs == [(m, s) for m in ("baseline", *METHODS) for s in ("0-0", "1-1")]


def test_figures_that_are_no_longer_configured_are_removed(project):
    publish(Plan(CONFIG), "small")
    old = Path("published/small/figures/fig99.png")
    old.touch()
    publish(Plan(CONFIG), "small")
    assert not old.exists()


@pytest.mark.parametrize(
    "missing",
    [
        "results/small/curves/fig03.csv",
        "results/small/FC5-FC5/minimum_layer/runs_seeds1-1.csv",
        "results/small/FC5-FC5/baseline/provenance_seeds0-0.json",
        "figures/small/fig03_epochs.svg",
    ],
)
def test_incomplete_results_are_refused(project, missing):
    Path(missing).unlink()
    with pytest.raises(UserError, match=f"^{missing}: missing; make figures SCALE=small"):
        publish(Plan(CONFIG), "small", allow_dirty=True)
    assert not Path("published").exists()


def test_an_experiment_that_is_not_complete_is_left_out_but_never_lost(project):
    more = json.loads(json.dumps(CONFIG))
    more["experiments"]["FC9-FC9"] = more["experiments"]["FC5-FC5"] | {"widths": [9, 9]}
    more["figures"]["fig04"] = more["figures"]["fig03"] | {"experiment": "FC9-FC9"}
    assert publish(Plan(more), "small").left_out == ["FC9-FC9"]
    origin = Path("published/small/provenance.json")
    assert list(json.loads(origin.read_text())["settings"]) == ["FC5-FC5"]


def test_agreement_with_the_oracle_is_published_too(project):
    more = json.loads(json.dumps(CONFIG))
    more["experiments"]["FC5-FC5"]["methods"] = [*METHODS, "oracle"]
    for figure in more["figures"].values():
        figure["methods"] = METHODS
    for path in Path("results/small/FC5-FC5/minimum").glob("*"):
        target = Path("results/small/FC5-FC5/oracle", path.name)
        target.parent.mkdir(exist_ok=True)
        target.write_text(path.read_text().replace("minimum", "oracle"))
    with pytest.raises(UserError, match=r"FC5-FC5/agreement.csv: missing"):
        publish(Plan(more), "small")
    table = (
        "experiment,method,seed,fraction_remaining,agreement,chance\nFC5-FC5,minimum,0,1.0,1,1\n"
    )
    Path("results/small/FC5-FC5/agreement.csv").write_text(table)
    publish(Plan(more), "small")
    assert Path("published/small/agreement.csv").read_text() == table


def test_what_is_published_of_other_experiments_stays_as_it_is(project):
    publish(Plan(CONFIG), "small")
    tables = {
        name: Path("published/small", name).read_text() for name in ("runs.csv", "curves.csv")
    }
    pictures = {path.name for path in Path("published/small/figures").iterdir()}
    other = made_elsewhere("beef" * 10)
    assert publish(Plan(other), "small").left_out == ["FC5-FC5"]
    for name, text in tables.items():
        merged = Path("published/small", name).read_text().splitlines()
        old = text.splitlines()
        new = [line.replace("FC5", "FC7").replace("fig03", "fig04") for line in old[1:]]
        assert merged == [*old, *[line.replace("-FC5", "-FC7") for line in new]]
    assert {path.name for path in Path("published/small/figures").iterdir()} == pictures | {
        name.replace("fig03", "fig04") for name in pictures
    }
    origin = json.loads(Path("published/small/provenance.json").read_text())
    assert list(origin["settings"]) == list(origin["reductions"]) == ["FC5-FC5", "FC7-FC7"]
    assert origin["commits"] == ["beef" * 10, "c0ffee" * 6 + "c0ff"]
    assert origin["wall_seconds"] == 12 * 600
    assert len(origin["jobs"]) == 12
    assert len(origin["environments"]) == 1
    assert publish(Plan(other), "small").left_out == ["FC5-FC5"]  # again: nothing is doubled
    assert len(json.loads(Path("published/small/provenance.json").read_text())["jobs"]) == 12


def test_a_record_that_is_damaged_is_refused_in_one_line(project):
    publish(Plan(CONFIG), "small")
    path = Path("published/small/provenance.json")
    path.write_text("{")
    with pytest.raises(
        UserError, match=r"published/small/provenance.json: not a readable .*; git checkout"
    ):
        publish(Plan(CONFIG), "small")
    path.write_text('{"settings": {}}')
    with pytest.raises(UserError, match="the key 'reductions' is missing"):
        publish(Plan(CONFIG), "small")


def test_what_is_no_longer_configured_is_not_kept(project):
    publish(Plan(CONFIG), "small")
    other = made_elsewhere("beef" * 10)
    del other["figures"]["fig03"]
    publish(Plan(other), "small")
    assert "fig03," not in Path("published/small/curves.csv").read_text()
    assert "FC5-FC5" in Path("published/small/runs.csv").read_text()
    del other["experiments"]["FC5-FC5"], other["figures"]["fig03_epochs"]
    publish(Plan(other), "small")
    assert "FC5-FC5" not in Path("published/small/runs.csv").read_text()
    assert list(json.loads(Path("published/small/provenance.json").read_text())["settings"]) == [
        "FC7-FC7"
    ]


def test_results_of_other_data_are_not_published_beside_it(project):
    publish(Plan(CONFIG), "small")
    other = made_elsewhere("beef" * 10)
    for path in Path("results").rglob("provenance*.json"):
        edit_json(path, inputs={"results/data/MNIST.safetensors": "cd" * 32})
    before = {p: p.read_bytes() for p in Path("published").rglob("*") if p.is_file()}
    with pytest.raises(UserError, match=r"published/small: made from another results/data/MNIST"):
        publish(Plan(other), "small")
    assert before == {p: p.read_bytes() for p in Path("published").rglob("*") if p.is_file()}


def test_an_experiment_that_is_not_of_the_scale_is_not_missing(project):
    more = json.loads(json.dumps(CONFIG))
    more["experiments"]["FC9-FC9"] = more["experiments"]["FC5-FC5"] | {"widths": [9, 9]}
    more["scales"]["small"]["experiments"] = ["FC5-FC5"]
    assert publish(Plan(more), "small").left_out == []


def test_what_the_configuration_adds_is_missing(project):
    more = json.loads(json.dumps(CONFIG))
    more["scales"]["small"]["seeds"] = 3
    with pytest.raises(UserError, match=r"runs_seeds2-2.csv and 5 more: missing"):
        publish(Plan(more), "small")
    with pytest.raises(UserError, match=r"'smal' is not configured \(did you mean 'small'\?\)"):
        publish(Plan(CONFIG), "smal")


@pytest.mark.parametrize(
    ("method", "git", "message"),
    [
        (
            "minimum",
            {"commit": "beef" * 10, "clean": True},
            "by 2 commits, beefbeefbe, c0ffeec0ff;",
        ),
        (
            "baseline",
            {"commit": "c0ffee" * 6 + "c0ff", "clean": False},
            "by uncommitted changes to",
        ),
        ("minimum", {"commit": None, "clean": None}, "by 2 commits, c0ffeec0ff, unknown;"),
    ],
)
def test_unclean_results_are_refused_unless_allowed(project, method, git, message):
    edit_json(provenance_of(method), git=git)
    with pytest.raises(UserError, match=message):
        publish(Plan(CONFIG), "small")
    assert not Path("published").exists()
    publish(Plan(CONFIG), "small", allow_dirty=True)
    origin = json.loads(Path("published/small/provenance.json").read_text())
    assert origin["clean"] is (git["clean"] is True)
    assert git in [{key: job[key] for key in ("commit", "clean")} for job in origin["jobs"]]


def test_code_that_was_never_committed_is_refused(project):
    for method in ("baseline", *METHODS):
        for seed in (0, 1):
            edit_json(provenance_of(method, seed), git={"commit": None, "clean": None})
    with pytest.raises(UserError, match="by code of an unknown commit, as git did not tell it;"):
        publish(Plan(CONFIG), "small")


def test_results_of_other_settings_are_refused(project):
    path = provenance_of("minimum", 1)
    settings = json.loads(path.read_text())["settings"]
    edit_json(path, settings=settings | {"max_epochs": 3})
    with pytest.raises(UserError, match=f"{path}: made with other settings"):
        publish(Plan(CONFIG), "small", allow_dirty=True)


def test_results_of_different_data_are_refused(project):
    path = provenance_of("baseline", 1)
    edit_json(path, inputs={"results/data/MNIST.safetensors": "cd" * 32})
    with pytest.raises(UserError, match=r"read another results/data/MNIST.safetensors"):
        publish(Plan(CONFIG), "small", allow_dirty=True)


@pytest.mark.parametrize("figure", ["fig03", "fig03_epochs"])
def test_figures_that_do_not_follow_from_the_runs_are_refused(project, figure):
    path = Path("results/small/curves", f"{figure}.csv")
    path.write_text(path.read_text().replace("minimum,1.0,", "minimum,1.0,1", 1))
    with pytest.raises(UserError, match=f"{path}: does not follow from the present runs"):
        publish(Plan(CONFIG), "small", allow_dirty=True)
