"""The real workflow, from IDX files in a folder to figures, as a user runs it.

The project is a copy that runs on a few hundred real images (helpers/project.py).
"""

import json
import os
import re
import shutil
import subprocess
import sys
from contextlib import ExitStack, contextmanager

import pandas as pd
import pytest
import yaml

from helpers.data_files import tiny_imagenet_files, write_files, zipped
from helpers.project import (
    ROOT,
    copy_project,
    environment,
    planned,
    snakemake,
    write_config,
)

pytestmark = pytest.mark.slow

in_the_project = pytest.mark.xdist_group("project")  # one after the other


@in_the_project
def test_every_artifact_is_there_and_whole(project):
    runs = runs_of_all = pd.read_csv(project / "results/tiny/runs.csv")
    filters = runs[runs["experiment"] == "Conv3-Conv2"]
    remaining = {
        method: [sum(map(int, r.split("|"))) for r in rows["remaining"]]
        for method, rows in filters.groupby("method")
    }
    variants = {"minimum (random_init)": [5, 3, 2], "minimum (p=0.9)": [5, 1]}
    assert remaining == {"minimum": [5, 3, 2], **variants}
    masks = filters.set_index(["method", "cycle"])["remaining"]
    assert (masks["minimum"] == masks["minimum (random_init)"]).all()
    losses = filters.set_index(["method", "cycle"])["test_loss"]
    assert (
        losses["minimum", 0] == losses["minimum (p=0.9)", 0] != losses["minimum (random_init)", 0]
    )
    one_by_one = runs[runs["experiment"] == "FC3-FC3"]
    assert one_by_one.groupby("method")["remaining"].count().to_dict() == {
        **{"oracle": 4, "minimum": 4, "random_layer": 3}
    }
    agreement = pd.read_csv(project / "results/tiny/FC3-FC3/agreement.csv")
    assert set(agreement["method"]) == {"minimum", "random_layer"}
    claims = pd.read_csv(project / "results/tiny/claims.csv")
    assert set(claims["verdict"]) == {"not run"}  # none of the paper's figures is configured
    assert len(claims) > 50
    removable = pd.read_csv(project / "results/tiny/removable.csv")
    pairs = runs_of_all[["experiment", "method"]].drop_duplicates()
    assert len(removable) == 3 * len(pairs)
    shares = removable["parameters_share"]
    assert (shares[removable["seeds"] > 1] <= 1).all()
    assert shares[removable["seeds"] == 1].isna().all()
    assert agreement["fraction_remaining"].between(0.4, 0.9).all()
    assert agreement["agreement"].between(0, 1).all()
    runs = runs[runs["experiment"] == "FC8-FC6"]
    # 14 nodes: 14, 9, 6, 4, 3, 2 in a global metric; 8|6, 5|4, 3|3, 2|2, 1|1 in each layer
    per_seed = {"minimum": 6, "maximum": 6, "random_layer": 5}
    assert runs.groupby("method").size().to_dict() == {m: 3 * n for m, n in per_seed.items()}
    assert runs["epochs"].between(1, 8).all()
    assert sorted(runs["fraction_remaining"].unique() * 14) == pytest.approx([2, 3, 4, 6, 9, 14])
    unpruned = runs[runs["cycle"] == 0].groupby("seed")["test_loss"]
    assert (unpruned.nunique() == 1).all()
    assert unpruned.first().nunique() == 3
    assert runs[runs["cycle"] == 0]["test_accuracy"].mean() > 0.3  # chance is 0.1
    curves = pd.read_csv(project / "results/tiny/curves.csv")
    columns = "figure experiment dataset split method fraction_remaining accuracy ci95 runs"
    assert list(curves.columns) == columns.split()
    assert set(curves[curves["figure"] == "mine"]["runs"]) == {3}
    drawn = curves[curves["figure"] == "filters"].groupby("method")["fraction_remaining"]
    assert drawn.apply(list).to_dict() == {
        "minimum (p=0.5)": [1.0, 0.6],
        "minimum (random_init)": [1.0, 0.6],
    }
    for figure in ("mine", "mine_epochs", "filters"):
        assert (project / f"figures/tiny/{figure}.png").read_bytes().startswith(b"\x89PNG")
        assert (project / f"figures/tiny/{figure}.svg").read_text().rstrip().endswith("</svg>")
    left = [p for p in project.rglob("*") if p.name.startswith(".") and p.suffix == ".tmp"]
    assert left == []
    assert not list(project.glob("results/*/*/*/cycles_*"))
    assert list(project.glob("results/tiny/FC8-FC6/minimum/provenance_seeds0-1.json"))


@in_the_project
def test_the_report_is_made_of_the_run(project, tmp_path):
    # from a shell that has no python, or another one, on its PATH
    elsewhere = tmp_path / "python"
    elsewhere.write_text("#!/bin/sh\nexit 1\n")
    elsewhere.chmod(0o755)
    again = ("report", "--forcerun", "make_report")
    run = snakemake(project, *again, under=("env", f"PATH={tmp_path}:/usr/bin:/bin"))
    assert run.returncode == 0, run.stdout
    # that a clone without git cannot be published is said when it starts
    assert "warning: results will not tell which commit made them" in run.stdout
    page = (project / "results/tiny/report.html").read_text()
    for figure in ("mine", "mine_epochs", "filters"):
        assert f'id="{figure}"' in page
    assert page.count("data:image/png;base64,") == 4  # and how much can go
    assert "minimum (random_init)" in page


@in_the_project
def test_nothing_is_left_to_do_even_after_touching_a_script(project):
    for file in [*project.glob("workflow/**/*.py"), project / "config.yaml"]:
        os.utime(file)
    assert planned(project, "figures", "report") == {}


@in_the_project
def test_a_rerun_does_what_an_edit_made_stale(project):
    """Promise 3, stage by stage; what is edited is put back after each look."""
    pruning = {"prune_network": 11, "train_random_init": 1, "compare_masks": 1}
    training = {"train_baseline": 4, **pruning}
    after_runs = {
        "collect_runs": 3,
        "measure_sizes": 3,
        "collect_all_runs": 1,
        "judge_claims": 1,
        "tabulate_removable": 1,
        "plot_removable": 1,
        "aggregate_curve": 3,
    }
    after_curves = {"combine_curves": 1, "plot_figure": 3}
    after_one_experiment = {
        "collect_runs": 1,
        "measure_sizes": 1,
        "collect_all_runs": 1,
        "judge_claims": 1,
        "tabulate_removable": 1,
        "plot_removable": 1,
    }
    convolutional = {
        **{"train_baseline": 1, "prune_network": 2, "train_random_init": 1},
        **after_one_experiment,
        **{"aggregate_curve": 1, "combine_curves": 1, "plot_figure": 1},
    }
    expectations = {
        "workflow/scripts/plot_figure.py": {"plot_figure": 3},
        "workflow/dropnet/figures/page.py": {"plot_figure": 3, "plot_removable": 1},
        "workflow/dropnet/pruning/algorithm.py": {**pruning, **after_runs, **after_curves},
        "workflow/dropnet/training/train.py": {**training, **after_runs, **after_curves},
        # an engine concerns its own models, a metric its own runs
        "workflow/dropnet/training/fully_connected.py": {
            **{
                "train_baseline": 3,
                "prune_network": 9,
                "collect_runs": 2,
                "measure_sizes": 2,
                "collect_all_runs": 1,
                "judge_claims": 1,
                "tabulate_removable": 1,
                "plot_removable": 1,
            },
            **{"aggregate_curve": 2, "combine_curves": 1, "plot_figure": 2, "compare_masks": 1},
        },
        "workflow/dropnet/training/convolutional.py": convolutional,
        "workflow/dropnet/networks/families/Conv.py": convolutional,
        "workflow/dropnet/training/removal.py": {
            "prune_network": 1,
            **after_one_experiment,
            "compare_masks": 1,
        },
        "workflow/dropnet/metrics/maximum.py": {
            "prune_network": 2,
            **after_one_experiment,
            **{"aggregate_curve": 2, "combine_curves": 1, "plot_figure": 2},
        },
    }
    for name, stale in expectations.items():
        with edited(project / name):
            assert planned(project) == stale, name
    nothing = (
        *("metrics/newest.py", "networks/families/Newest.py", "networks/families/ResNet18.py"),
        *("pruning/progress.py", "pruning/status.py", "files/provenance.py", "errors.py"),
        # data with a pinned sum are what they are, whatever decodes them
        *("data/idx.py", "data/tiny_imagenet.py", "data/sources.py", "data/prepare.py"),
        "../scripts/prepare_dataset.py",
    )
    with ExitStack() as edits:
        for name in nothing:
            edits.enter_context(edited(project / "workflow/dropnet" / name))
        assert planned(project) == {}
    # other versions of packages are other code
    package = project / "workflow/torch-99.dist-info"
    package.mkdir()
    (package / "METADATA").write_text("Name: torch\nVersion: 99\n")
    assert planned(project) == {**training, **after_runs, **after_curves}
    shutil.rmtree(package)
    assert planned(project) == {}


@contextmanager
def edited(file):
    """A file with a comment at its end, or a new one like its neighbour; within, and not behind."""
    original = file.read_text() if file.exists() else None
    text = original or min(file.parent.glob("[!_]*.py")).read_text()
    file.write_text(text + "\n# edited\n")
    yield
    if original is None:
        file.unlink()
    else:
        file.write_text(original)


def test_one_figure_needs_its_own_methods_only(project, tmp_path):
    folder = copy_project(tmp_path / "one")
    plan = planned(folder, "figures/tiny/filters.png")
    assert (plan["train_baseline"], plan["prune_network"], plan["train_random_init"]) == (1, 1, 1)
    plan = planned(folder, "figures/tiny/mine_epochs.png")
    assert plan["plot_figure"] == plan["aggregate_curve"] == 1
    assert "combine_curves" not in plan


@in_the_project
def test_verdicts_on_what_has_run_need_nothing_else(project, tmp_path):
    folder = tmp_path / "part"
    shutil.copytree(project, folder)
    table = folder / "results/tiny/claims_so_far.csv"
    for file in folder.glob("results/tiny/FC8-FC6/random_layer/runs_seeds0-1.csv"):
        file.unlink()
    (folder / "results/tiny/claims.csv").unlink()
    (folder / "results/tiny/runs.csv").unlink()
    (folder / "results/tiny/FC8-FC6/runs.csv").unlink()
    assert planned(folder, "results/tiny/claims.csv")["prune_network"] == 1
    run = snakemake(folder, str(table.relative_to(folder)))
    assert run.returncode == 0, run.stdout
    runs = pd.read_csv(table.with_name("runs_so_far.csv"))
    whole = pd.read_csv(project / "results/tiny/runs.csv")
    left_out = (whole["experiment"] == "FC8-FC6") & (whole["method"] == "random_layer")
    pd.testing.assert_frame_equal(runs, whole[~left_out].reset_index(drop=True))
    assert len(pd.read_csv(table)) > 50
    shutil.rmtree(folder / "results/tiny")
    refused = snakemake(folder, "-n", str(table.relative_to(folder))).stdout
    assert "no method has run with all its seeds at scale tiny" in refused


def test_no_command_grows_with_the_number_of_seeds(tmp_path):
    """It is one argument of bash, and Linux limits that to 128 KiB."""

    def longest(seeds):
        folder = copy_project(tmp_path / f"{seeds}")
        config = yaml.safe_load((folder / "config.yaml").read_text())
        for experiment in config["experiments"].values():
            experiment["scales"] = {"tiny": {"seeds": seeds, "seeds_per_job": 1}}
        (folder / "config.yaml").write_text(yaml.safe_dump(config, sort_keys=False))
        found = {}
        for line in snakemake(folder, "-n", "-p", "report").stdout.splitlines():
            if command := re.search(r"python workflow/scripts/(\w+)\.py.*", line):
                found[command[1]] = max(found.get(command[1], 0), len(command[0]))
        return found

    few, many = longest(2), longest(9)
    assert few.keys() == many.keys()
    assert len(few) == 15
    assert few == many


def test_a_bad_configuration_is_refused_in_one_line_before_the_first_job(tmp_path):
    folder = copy_project(tmp_path / "bad")
    write_config(folder, worse={"experiment": "FC8-FC7", "shows": "epochs", "title": "x"})
    run = snakemake(folder)
    assert run.returncode != 0
    errors = [line for line in run.stdout.splitlines() if "FC8-FC7" in line]
    assert errors == [
        "error: config: figures.worse.experiment: 'FC8-FC7' is not an experiment"
        " (did you mean 'FC8-FC6'?); allowed: FC8-FC6, Conv3-Conv2, FC3-FC3"
    ]
    assert "Traceback" not in run.stdout
    assert not (folder / "results").exists()


def test_tiny_imagenet_is_drawn_when_it_is_asked_for_and_there(tmp_path):
    """A miniature of the .zip that a user puts into data/: no default target asks for it."""
    folder = copy_project(tmp_path / "tiny")
    config = yaml.safe_load((folder / "config.yaml").read_text())
    config["datasets"]["Tiny-ImageNet"]["classes"] = 3
    shipped = yaml.safe_load((ROOT / "config.yaml").read_text())["experiments"]
    own = {"widths": [2, 2, 3, 3, 3], "seeds": 1, "max_epochs": 2, "batch_size": 8}
    config["experiments"]["ResNet18-Tiny-ImageNet"] = shipped["ResNet18-Tiny-ImageNet"] | {
        "methods": ["minimum"],
        "scales": {"tiny": own | {"train_images": None}},
    }
    config["figures"]["figS17"] = {
        "experiment": "ResNet18-Tiny-ImageNet",
        "shows": "test_accuracy",
        "title": "Figure S17. ResNet18",
    }
    (folder / "config.yaml").write_text(yaml.safe_dump(config, sort_keys=False))
    plan = planned(folder)
    assert (plan["prepare_dataset"], plan["plot_figure"]) == (1, 3)

    figure = "figures/tiny/figS17.png"
    run = snakemake(folder, figure)
    assert run.returncode != 0
    (line,) = {line for line in run.stdout.splitlines() if line.startswith("error: ")}
    assert "put tiny-imagenet-200.zip, or the folder tiny-imagenet-200 that it holds, into" in line
    assert line.endswith("it is not fetched by itself")

    content = zipped(tiny_imagenet_files(train=12, test=6))
    write_files(folder / "data", {"tiny-imagenet-200.zip": content})
    run = snakemake(folder, figure)
    assert run.returncode == 0, run.stdout
    assert (folder / figure).read_bytes().startswith(b"\x89PNG")
    runs = pd.read_csv(folder / "results/tiny/ResNet18-Tiny-ImageNet/minimum/runs_seeds0-0.csv")
    assert [sum(map(int, r.split("|"))) for r in runs["remaining"]] == [55, 28, 14, 7, 4]
    assert set(runs["dataset"]) == {"Tiny-ImageNet"}
    data = json.loads((folder / "results/data/Tiny-ImageNet.provenance.json").read_text())["data"]
    assert data["pinned"] is False
    assert set(data["files"]) == {"tiny-imagenet-200.zip"}
    file = next(folder.glob("results/tiny/ResNet18-Tiny-ImageNet/minimum/provenance_seeds0-0.json"))
    assert json.loads(file.read_text())["settings"]["augmentation"] == "affine"

    # whose sum is not pinned, are made anew when their files or their decoder are others
    archive = folder / "data/tiny-imagenet-200.zip"
    os.utime(archive)
    with edited(folder / "workflow/dropnet/data/idx.py"):
        assert planned(folder, figure) == {}
    with edited(folder / "workflow/dropnet/data/tiny_imagenet.py"):
        assert (
            planned(folder, figure).items() >= {"prepare_dataset": 1, "train_baseline": 1}.items()
        )
    date = archive.stat().st_mtime
    write_files(folder / "data", {archive.name: zipped(tiny_imagenet_files(train=12, test=7))})
    os.utime(archive, (date, date - 9999))  # and older ones, too
    assert planned(folder, figure).items() >= {"prepare_dataset": 1, "train_baseline": 1}.items()


@in_the_project
def test_status_tells_how_far_a_run_is(project):
    def status(*arguments):
        command = [sys.executable, "workflow/scripts/show_status.py", *arguments]
        env = {**environment(), "PYTHONPATH": "workflow"}
        return subprocess.run(
            command, cwd=project, env=env, capture_output=True, text=True, check=False
        )

    assert "16 of 16 training jobs, 46 of 46 cycles done" in status().stdout
    wrong = status("--scale", "tny")
    assert wrong.returncode == 1
    told = "error: --scale: 'tny' is not a scale (did you mean 'tiny'?); allowed: tiny\n"
    assert wrong.stderr == told
    for seeds in ("some", "["):
        told = f"error: config: seeds: {seeds!r} is not allowed; allowed: a whole number or null\n"
        assert status("--seeds", seeds).stderr == told


@in_the_project
def test_a_target_that_no_rule_makes_ends_in_a_line_with_the_nearest(project):
    run = snakemake(project, "figures/tiny/fig3.png")
    assert run.returncode == 1
    last = run.stdout.splitlines()[-1]
    assert last.startswith("error: target 'figures/tiny/fig3.png': no rule makes it (did you mean ")


@in_the_project
def test_networks_are_exported_and_measured_if_somebody_asks(project, tmp_path):
    project = shutil.copytree(project, tmp_path / "project")
    folder = "results/tiny/FC3-FC3"
    assert not (project / folder / "export").exists()
    assert snakemake(project, f"{folder}/speed.csv").returncode == 0
    speed = pd.read_csv(project / folder / "speed.csv")
    assert speed["method"].tolist() == ["baseline", *["minimum"] * 3] * 2
    assert speed["rounding"].tolist() == [1, 1, 8, 16] * 2
    cards = [json.loads(p.read_text()) for p in (project / folder / "export").glob("*.json")]
    assert len(cards) == 6
    assert {card["accuracy"] - card["recorded_accuracy"] for card in cards} == {0}
    record = json.loads((project / folder / "speed_provenance.json").read_text())
    assert len(record["inputs"]) == 4


@in_the_project
def test_exports_of_what_is_not_configured_are_refused_with_what_is(project):
    for name, words in (
        ("minimum_seed9", "FC8-FC6 has no seed 9 at scale tiny; allowed: 0 to 2"),
        ("oracle_seed0", "FC8-FC6 has no run oracle; allowed: baseline, minimum, maximum, random"),
        ("taylor_seed0", "FC8-FC6 has no run taylor; allowed: baseline, minimum, maximum, random"),
        (
            "minimum_seed0_cycle9",
            "FC8-FC6, minimum: there is no cycle9 at scale tiny; allowed: cycle0 to cycle",
        ),
        ("baseline_seed0_cycle1", "FC8-FC6, baseline: there is no cycle1 at scale tiny; allowed: "),
    ):
        run = snakemake(project, "-n", f"results/tiny/FC8-FC6/export/{name}.onnx")
        assert run.returncode != 0
        assert run.stdout.splitlines()[-1].startswith(f"error: {words}")
