"""docs/criteria.md, followed to the letter: a criterion of one's own is beside others soon."""

import re

import pandas as pd
import pytest
import yaml

from dropnet.config.check import check, load
from dropnet.config.plan import Plan
from dropnet.criteria.names import pairs
from dropnet.metrics import METRICS
from helpers.project import ROOT, copy_project, planned, snakemake

PAGE = (ROOT / "docs" / "criteria.md").read_text()
#: Metrics that Model A's experiments do not compare: they are dear, or a variant of another.
ELSEWHERE = {"oracle", "apoz_notebook"}


def files_of_the_page():
    """The files that the page tells to write: each is named last before its code."""
    section = PAGE[PAGE.index("## Add one") : PAGE.index("## What is known")]
    code = re.compile(r"^```python\n(.*?)^```", re.MULTILINE | re.DOTALL)
    return {
        re.findall(r"`(\w+\.py)`", section[: block.start()])[-1]: block[1]
        for block in code.finditer(section)
    }


def compare(folder, *methods):
    """Let the project compare these methods, and nothing else."""
    config = yaml.safe_load((folder / "config.yaml").read_text())
    config["figures"] = {}
    config["experiments"] = {"Mine": experiment(*methods)}
    (folder / "config.yaml").write_text(yaml.safe_dump(config, sort_keys=False))


def experiment(*methods):
    return {
        "dataset": "digits",
        "model": "FC",
        "widths": [8, 6],
        "prune_fraction": 0.4,
        "stop_fraction": 0.1,
        "criteria": True,
        "methods": list(methods),
        "scales": {"tiny": {"seeds_per_job": 3}},  # all of them
    }


def test_every_metric_is_described_and_compared():
    names = {name.removesuffix("_layer") for name in METRICS} - ELSEWHERE
    assert {name for name in names if f"`{name}`" not in PAGE} == set()
    experiments = load(ROOT / "config.yaml")["experiments"]
    methods = experiments["FC40-FC40-criteria"]["methods"]
    assert {*names, *(f"{name}_layer" for name in names)} <= set(methods)


def test_the_experiment_of_the_page_is_one_that_compares():
    mine = yaml.safe_load(re.search(r"^```yaml\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)[1])
    (name,) = mine["experiments"]
    mine["experiments"][name]["methods"] = [
        method.replace("strength", "taylor") for method in mine["experiments"][name]["methods"]
    ]
    config = yaml.safe_load((ROOT / "config.yaml").read_text())
    for key, more in mine.items():
        config[key] |= more
    check(config)
    plan = Plan(config)
    assert plan.at("mine").criteria == [name]
    assert plan.at("mine").reductions(name) == ""
    assert name not in plan.at(config["scale"]).experiments
    assert len(pairs(mine["experiments"][name]["methods"])) == 3  # two by chance, one by widths


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_a_criterion_of_ones_own_by_the_page(tmp_path):
    folder = copy_project(tmp_path / "project")
    files = files_of_the_page()
    assert list(files) == ["strength.py", "moved.py"]
    compare(folder, "minimum", "random")
    done = snakemake(folder, "results/tiny/criteria.csv")
    assert done.returncode == 0, done.stdout
    for name, code in files.items():
        (folder / "workflow" / "dropnet" / "metrics" / name).write_text(code)
    mine = ("strength", "strength_layer", "strength (shuffled)", "moved")
    compare(folder, "minimum", "random", "random_layer", *mine)
    plan = planned(folder, "results/tiny/criteria.csv")
    # what minimum and random have pruned is there
    assert (plan["prune_network"], plan["prune_shuffled"]) == (4, 1)
    assert "train_baseline" not in plan
    done = snakemake(folder, "results/tiny/criteria.csv")
    assert done.returncode == 0, done.stdout
    table = pd.read_csv(folder / "results/tiny/criteria.csv")
    assert {"strength", "strength_layer", "moved"} <= set(table["criterion"])
    shuffled = table[table["reference"] == "strength (shuffled)"]
    assert len(shuffled) == 2, "over both ranges"
