"""Publishing refuses what is incomplete, stale or unclean; README.md agrees with published/."""

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest
import yaml

from dropnet.config import plan as configuration
from dropnet.errors import UserError
from dropnet.files.csv_tables import write_table
from dropnet.publish.derived import check_derived, derive
from dropnet.publish.publishing import publish
from dropnet.publish.readme import BEGIN, END, check, section, update
from dropnet.tables.aggregate import combine, curve, read_runs
from dropnet.tables.columns import COLUMNS

ROOT = Path(__file__).parents[2]
METHODS = ["minimum", "minimum_layer"]
CONFIG = {
    "scale": "small",
    "data_dir": "data",
    "device": "auto",
    "overlay": True,
    "datasets": {
        "MNIST": {
            "classes": 10,
            "image": [1, 28, 28],
            "sha256": "0" * 64,
            "sources": [{"torchvision": "MNIST"}],
        }
    },
    "protocol": {
        "seeds": 15,
        "seeds_per_job": 1,
        "train_images": None,
        "batch_size": 32,
        "learning_rate": 0.1,
        "max_epochs": 100,
        "patience": 5,
        "selection": "exact",
        "precision": "float32",
        "augmentation": "none",
        "test_images": None,
    },
    "scales": {"small": {"seeds": 2, "note": "Not evidence"}},
    "experiments": {
        "FC5-FC5": {
            "dataset": "MNIST",
            "model": "FC",
            "widths": [5, 5],
            "prune_fraction": 0.4,
            "stop_fraction": 0.2,
            "methods": METHODS,
        }
    },
    "figures": {
        "fig03": {"experiment": "FC5-FC5", "shows": "test_accuracy", "title": "Figure 3"},
        "fig03_epochs": {"experiment": "FC5-FC5", "shows": "epochs", "title": "Figure 3"},
    },
}
# remaining of 10 nodes -> test accuracy of seeds 0 and 1; 0.2 is reached, 0.1 is not
ACCURACIES = {10: (0.96, 0.98), 6: (0.9, 0.94), 4: (0.8, 0.86), 2: (0.3, 0.5)}


def write_runs(path, method, seed):
    rows = [
        ["FC5-FC5", "MNIST", method, seed, cycle, left / 10, f"{left - left // 2}|{left // 2}"]
        + [0.9, 0.3, 0.9, 0.3, accuracies[seed], 0.3, 7 + cycle]
        for cycle, (left, accuracies) in enumerate(ACCURACIES.items())
    ]
    lines = [",".join(map(str, row)) for row in [COLUMNS, *rows]]
    path.write_text("\n".join(lines) + "\n")


def edit_json(path, **changes):
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


@pytest.fixture
def project(tmp_path, monkeypatch):
    """A finished run of CONFIG in the working directory, made by one clean commit."""
    monkeypatch.chdir(tmp_path)
    configuration.check(CONFIG)
    Path("config.yaml").write_text(yaml.safe_dump(CONFIG))
    Path("README.md").write_text(f"# Title\n\n{BEGIN}\nold\n{END}\n\nThe end.\n")
    results = Path("results", "small")
    settings = json.loads(configuration.settings(CONFIG, "small", "FC5-FC5").to_json())
    for method in ("baseline", *METHODS):
        folder = results / "FC5-FC5" / method
        folder.mkdir(parents=True)
        for seed in (0, 1):
            write_runs(folder / f"runs_seeds{seed}-{seed}.csv", method, seed)
            provenance = {
                "settings": settings,
                "inputs": {"results/data/MNIST.safetensors": "ab" * 32},
                "git": {"commit": "c0ffee" * 6 + "c0ff", "clean": True},
                "versions": {"python": "3.11.7"},
                "device": "cpu",
                "cpu": "A processor",
                "started": "2026-01-01T00:00:00+00:00",
                "wall_seconds": 600.0,
                "seeds": [seed],
            }
            (folder / f"provenance_seeds{seed}-{seed}.json").write_text(json.dumps(provenance))
    methods = {"FC5-FC5": METHODS}
    runs = read_runs(sorted(results.glob("*/minimum*/runs_*.csv")), methods)
    write_table(results / "runs.csv", runs)
    for name, figure in CONFIG["figures"].items():
        path = results / "curves" / f"{name}.csv"
        write_table(path, curve(runs, name, figure["shows"], METHODS))
    write_table(results / "curves.csv", combine([curve(runs, "fig03", "test_accuracy", METHODS)]))
    sizes = runs[["experiment", "method", "seed", "cycle"]]
    sizes = sizes.assign(parameters=1000 - 100 * runs["cycle"], multiply_adds=500)
    write_table(results / "FC5-FC5" / "sizes.csv", sizes)
    figures = Path("figures", "small")
    figures.mkdir(parents=True)
    for name in CONFIG["figures"]:
        (figures / f"{name}.png").write_bytes(b"a picture")
        (figures / f"{name}.svg").write_bytes(b"a drawing")
    return tmp_path


def provenance_of(method, seed=0):
    return Path("results/small/FC5-FC5", method, f"provenance_seeds{seed}-{seed}.json")


# ------------------------------------------------------------------------------- publish


def test_everything_is_copied_and_its_origin_written(project):
    files = publish(CONFIG, "small").files
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
    publish(CONFIG, "small")
    old = Path("published/small/figures/fig99.png")
    old.touch()
    publish(CONFIG, "small")
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
        publish(CONFIG, "small", allow_dirty=True)
    assert not Path("published").exists()


def test_an_experiment_that_is_not_complete_is_left_out_but_never_lost(project):
    more = json.loads(json.dumps(CONFIG))
    more["experiments"]["FC9-FC9"] = more["experiments"]["FC5-FC5"] | {"widths": [9, 9]}
    more["figures"]["fig04"] = more["figures"]["fig03"] | {"experiment": "FC9-FC9"}
    assert publish(more, "small").left_out == ["FC9-FC9"]
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
        publish(more, "small")
    table = (
        "experiment,method,seed,fraction_remaining,agreement,chance\nFC5-FC5,minimum,0,1.0,1,1\n"
    )
    Path("results/small/FC5-FC5/agreement.csv").write_text(table)
    publish(more, "small")
    assert Path("published/small/agreement.csv").read_text() == table


def made_elsewhere(commit):
    """The same results as if another experiment had been run, by another commit."""
    for path in [*Path("results").rglob("*.csv"), *Path("results").rglob("*.json")]:
        text = path.read_text().replace("FC5-FC5", "FC7-FC7").replace("fig03", "fig04")
        path.write_text(text.replace("c0ffee" * 6 + "c0ff", commit))
    Path("results/small/FC5-FC5").rename("results/small/FC7-FC7")
    for path in [*Path("figures").rglob("fig03*"), *Path("results").rglob("fig03*")]:
        path.rename(path.with_name(path.name.replace("fig03", "fig04")))
    other = json.loads(json.dumps(CONFIG))
    other["experiments"]["FC7-FC7"] = other["experiments"]["FC5-FC5"]
    for name, figure in CONFIG["figures"].items():
        renamed = name.replace("fig03", "fig04")
        other["figures"][renamed] = figure | {"experiment": "FC7-FC7"}
    return other


def test_what_is_published_of_other_experiments_stays_as_it_is(project):
    publish(CONFIG, "small")
    tables = {
        name: Path("published/small", name).read_text() for name in ("runs.csv", "curves.csv")
    }
    pictures = {path.name for path in Path("published/small/figures").iterdir()}
    other = made_elsewhere("beef" * 10)
    assert publish(other, "small").left_out == ["FC5-FC5"]
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
    assert publish(other, "small").left_out == ["FC5-FC5"]  # again: nothing is doubled
    assert len(json.loads(Path("published/small/provenance.json").read_text())["jobs"]) == 12
    update("README.md", "published")
    assert "| FC5-FC5 | MNIST | 2 |" in Path("README.md").read_text()


def test_a_record_that_is_damaged_is_refused_in_one_line(project):
    publish(CONFIG, "small")
    path = Path("published/small/provenance.json")
    path.write_text("{")
    with pytest.raises(
        UserError, match=r"published/small/provenance.json: not a readable .*; git checkout"
    ):
        publish(CONFIG, "small")
    path.write_text('{"settings": {}}')
    with pytest.raises(UserError, match="the key 'reductions' is missing"):
        publish(CONFIG, "small")


def test_what_is_no_longer_configured_is_not_kept(project):
    publish(CONFIG, "small")
    other = made_elsewhere("beef" * 10)
    del other["figures"]["fig03"]
    publish(other, "small")
    assert "fig03," not in Path("published/small/curves.csv").read_text()
    assert "FC5-FC5" in Path("published/small/runs.csv").read_text()
    del other["experiments"]["FC5-FC5"], other["figures"]["fig03_epochs"]
    publish(other, "small")
    assert "FC5-FC5" not in Path("published/small/runs.csv").read_text()
    assert list(json.loads(Path("published/small/provenance.json").read_text())["settings"]) == [
        "FC7-FC7"
    ]


def test_results_of_other_data_are_not_published_beside_it(project):
    publish(CONFIG, "small")
    other = made_elsewhere("beef" * 10)
    for path in Path("results").rglob("provenance*.json"):
        edit_json(path, inputs={"results/data/MNIST.safetensors": "cd" * 32})
    before = {p: p.read_bytes() for p in Path("published").rglob("*") if p.is_file()}
    with pytest.raises(UserError, match=r"published/small: made from another results/data/MNIST"):
        publish(other, "small")
    assert before == {p: p.read_bytes() for p in Path("published").rglob("*") if p.is_file()}


def test_an_experiment_that_is_not_of_the_scale_is_not_missing(project):
    more = json.loads(json.dumps(CONFIG))
    more["experiments"]["FC9-FC9"] = more["experiments"]["FC5-FC5"] | {"widths": [9, 9]}
    more["scales"]["small"]["experiments"] = ["FC5-FC5"]
    assert publish(more, "small").left_out == []


def test_what_the_configuration_adds_is_missing(project):
    more = json.loads(json.dumps(CONFIG))
    more["scales"]["small"]["seeds"] = 3
    with pytest.raises(UserError, match=r"runs_seeds2-2.csv and 5 more: missing"):
        publish(more, "small")
    with pytest.raises(UserError, match=r"'smal' is not configured \(did you mean 'small'\?\)"):
        publish(CONFIG, "smal")


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
        publish(CONFIG, "small")
    assert not Path("published").exists()
    publish(CONFIG, "small", allow_dirty=True)
    origin = json.loads(Path("published/small/provenance.json").read_text())
    assert origin["clean"] is (git["clean"] is True)
    assert git in [{key: job[key] for key in ("commit", "clean")} for job in origin["jobs"]]


def test_code_that_was_never_committed_is_refused(project):
    for method in ("baseline", *METHODS):
        for seed in (0, 1):
            edit_json(provenance_of(method, seed), git={"commit": None, "clean": True})
    with pytest.raises(UserError, match="uncommitted changes to commit unknown"):
        publish(CONFIG, "small")


def test_results_of_other_settings_are_refused(project):
    path = provenance_of("minimum", 1)
    settings = json.loads(path.read_text())["settings"]
    edit_json(path, settings=settings | {"max_epochs": 3})
    with pytest.raises(UserError, match=f"{path}: made with other settings"):
        publish(CONFIG, "small", allow_dirty=True)


def test_results_of_different_data_are_refused(project):
    path = provenance_of("baseline", 1)
    edit_json(path, inputs={"results/data/MNIST.safetensors": "cd" * 32})
    with pytest.raises(UserError, match=r"read another results/data/MNIST.safetensors"):
        publish(CONFIG, "small", allow_dirty=True)


@pytest.mark.parametrize("figure", ["fig03", "fig03_epochs"])
def test_figures_that_do_not_follow_from_the_runs_are_refused(project, figure):
    path = Path("results/small/curves", f"{figure}.csv")
    path.write_text(path.read_text().replace("minimum,1.0,", "minimum,1.0,1", 1))
    with pytest.raises(UserError, match=f"{path}: does not follow from the present runs"):
        publish(CONFIG, "small", allow_dirty=True)


# ------------------------------------------------------------------------------- README


def test_readme_has_the_numbers_worked_by_hand(project):
    publish(CONFIG, "small")
    update("README.md", "published")
    text = Path("README.md").read_text()
    assert text.startswith(f"# Title\n\n{BEGIN}\n### Scale `small`\n")
    assert text.endswith(f"{END}\n\nThe end.\n")
    assert "2 of 15 seeds: **Not evidence**." in text
    assert "Made by `c0ffeec0ff` in 1.0 job hours on A processor." in text
    # two seeds that differ by d: half the interval is 1.96 * (d / 2) / sqrt(2)
    assert (
        "| FC5-FC5 | MNIST | 2 | 0.970 ± 0.014 | minimum_layer"
        " | 0.830 ± 0.042 (at 0.4) | 0.400 ± 0.139 (at 0.2) | - |" in text
    )
    assert "![fig03: FC5-FC5, test accuracy](published/small/figures/fig03.png)" in text
    shown, folded = text.split("<details><summary>1 more figure ")
    assert "figures/fig03.png" in shown
    assert "figures/fig03_epochs.png" in folded


def test_a_figure_that_is_printed_twice_is_shown_once(project):
    publish(CONFIG, "small")
    folder = Path("published/small")
    curves = pd.read_csv(folder / "curves.csv")
    again = curves[curves["figure"] == "fig03"].assign(figure="figS99")
    pd.concat([curves, again]).to_csv(folder / "curves.csv", index=False)
    shutil.copy(folder / "figures/fig03.png", folder / "figures/figS99.png")
    update("README.md", "published")
    text = Path("README.md").read_text()
    assert "figures/fig03.png" in text
    assert "figS99" not in text
    again["method"] = "random"
    pd.concat([curves, again]).to_csv(folder / "curves.csv", index=False)
    update("README.md", "published")
    assert "figures/figS99.png" in Path("README.md").read_text()


def test_update_is_stable_and_check_agrees(project):
    publish(CONFIG, "small")
    update("README.md", "published")
    text = Path("README.md").read_text()
    check("README.md", "published")
    update("README.md", "published")
    assert Path("README.md").read_text() == text


def test_check_finds_a_changed_number(project):
    publish(CONFIG, "small")
    update("README.md", "published")
    path = Path("README.md")
    changed, count = re.subn(r"0\.830 ±", "0.930 ±", path.read_text(), count=1)
    assert count == 1
    path.write_text(changed)
    with pytest.raises(UserError, match=r"README.md: the results differ from published/"):
        check(path, "published")
    assert path.read_text() == changed  # a check changes nothing


def test_check_finds_a_changed_table(project):
    publish(CONFIG, "small")
    update("README.md", "published")
    runs = Path("published/small/runs.csv")
    runs.write_text(runs.read_text().replace("0.98", "0.58"))
    with pytest.raises(UserError, match="the results differ"):
        check("README.md", "published")


def test_nothing_published_is_said(project):
    assert section(Path("published")) == "No results are published yet.\n"


@pytest.mark.parametrize("text", ["no markers", f"{END}\n{BEGIN}\n", f"{BEGIN}{END}{BEGIN}"])
def test_markers_are_needed(project, text):
    Path("README.md").write_text(text)
    with pytest.raises(UserError, match=r"README.md: needs the lines <!-- results:begin -->"):
        update("README.md", "published")
    assert Path("README.md").read_text() == text


@pytest.fixture
def of_paper(monkeypatch):
    """As if the paper's Figure 3 showed the experiment of these tests."""
    monkeypatch.setattr(configuration, "is_of_paper", lambda config, figure: True)


def test_figures_of_other_networks_judge_nothing(project):
    publish(CONFIG, "small")
    derive("published", CONFIG)
    assert set(pd.read_csv("published/small/claims.csv")["verdict"]) == {"not run"}


def test_verdicts_and_shares_follow_from_what_is_published(project, of_paper):
    publish(CONFIG, "small")
    derive("published", CONFIG)
    removable = pd.read_csv("published/small/removable.csv")
    # accuracies .97, .92, .83, .4 at 10, 6, 4, 2 of 10 nodes: a loss of .02 at 0.6 ** (2 / 5)
    row = removable[(removable["method"] == "minimum") & (removable["margin"] == 0.02)].iloc[0]
    assert row["removable"] == pytest.approx(1 - 0.6**0.4, abs=1e-6)
    assert (row["removed"], row["parameters"]) == (0, 1000)
    claims = pd.read_csv("published/small/claims.csv")
    assert set(claims[claims["figure"] == "fig03"]["verdict"]) == {"not run", "inconclusive"}
    check_derived("published", CONFIG)
    path = Path("published/small/claims.csv")
    path.write_text(path.read_text().replace("inconclusive", "replicated", 1))
    with pytest.raises(UserError, match=r"claims.csv: does not follow from published/small"):
        check_derived("published", CONFIG)


def test_verdicts_go_by_the_settings_of_the_runs_not_by_the_present_ones(project, of_paper):
    publish(CONFIG, "small")
    origin = Path("published/small/provenance.json")
    record = json.loads(origin.read_text())
    assert configuration.reductions_of(record["settings"]["FC5-FC5"]) == ""
    record["settings"]["FC5-FC5"]["max_epochs"] = 10
    origin.write_text(json.dumps(record))
    derive("published", CONFIG)
    claims = pd.read_csv("published/small/claims.csv")
    reasons = claims[claims["verdict"] == "inconclusive"]["reason"]
    assert set(reasons) == {"a reduced protocol: at most 10 of 100 epochs a cycle"}


@pytest.mark.skipif(not (ROOT / "published").exists(), reason="nothing is published")
def test_readme_of_the_project_agrees_with_what_is_published():
    check(ROOT / "README.md", ROOT / "published")
    check_derived(ROOT / "published", configuration.load(ROOT / "config.yaml"))


def test_the_published_runs_of_model_a_decide_their_claims():
    """They are by the protocol, 15 seeds: each has a verdict, and none is missing."""
    claims = pd.read_csv(ROOT / "published/paper/claims.csv")
    of_model_a = claims[
        claims["figure"].isin(["fig03", "fig04", "fig05", "fig13", "fig15", "fig18"])
    ]
    assert set(of_model_a["claim"]) == {"C1", "C2", "C6", "C7", "C8"}
    assert (of_model_a["seeds"] == 15).all()
    assert not of_model_a["verdict"].eq("not run").any()
    assert len(of_model_a) == 6 + 13 + 5 + 2 + 7


# ------------------------------------------------------------------------------- scripts


def run_script(name, *arguments):
    command = [sys.executable, str(ROOT / "workflow" / "scripts" / f"{name}.py"), *arguments]
    environment = {"PYTHONPATH": str(ROOT / "workflow")}
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)


def test_scripts_publish_and_check(project):
    answer = run_script("publish_results", "--scale", "small")
    assert answer.returncode == 0
    assert answer.stdout.startswith("8 files in published/small")
    answer = run_script("update_readme", "--check")
    assert answer.returncode == 1
    assert answer.stderr.startswith("error: published/small/claims.csv: does not follow from")
    assert answer.stderr.count("\n") == 1
    assert run_script("update_readme").returncode == 0
    assert run_script("update_readme", "--check").returncode == 0


def test_script_refuses_in_one_line(project):
    edit_json(provenance_of("minimum"), git={"commit": "c0ffee" * 6 + "c0ff", "clean": False})
    answer = run_script("publish_results", "--scale", "small")
    assert answer.returncode == 1
    assert answer.stderr.startswith("error: results/small/FC5-FC5: made by uncommitted changes")
    assert answer.stderr.count("\n") == 1
    assert run_script("publish_results", "--scale", "small", "--allow-dirty").returncode == 0
