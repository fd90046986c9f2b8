"""Publishing puts finished jobs beside what is published, and refuses what does not belong."""

import itertools
import json
import shutil
from pathlib import Path

import pandas as pd
import pytest

from dropnet.config.plan import Plan
from dropnet.errors import UserError
from dropnet.networks.cycle_files import load_cycles, save_cycles
from dropnet.publish.record import Record
from dropnet.publish.snapshot import publish
from helpers.finished_run import (
    COMMIT,
    CONFIG,
    METHODS,
    edit_json,
    made_elsewhere,
    provenance_of,
    write_job,
)

pytestmark = pytest.mark.usefixtures("sketched")

PUBLISHED = Path("published/small")
RECORD = PUBLISHED / "provenance.json"


def contents():
    """What is published, byte by byte."""
    return {p: p.read_bytes() for p in Path("published").rglob("*") if p.is_file()}


def record():
    return json.loads(RECORD.read_text())


def changed(**changes):
    """CONFIG with other values of its scale."""
    config = json.loads(json.dumps(CONFIG))
    config["scales"]["small"] |= changes
    return config


def refused(message, config=CONFIG, **options):
    """Publishing ends in one line, and changes nothing."""
    before = contents()
    with pytest.raises(UserError, match=message) as error:
        publish(Plan(config), "small", **options)
    assert "\n" not in str(error.value)
    assert contents() == before
    assert not [*Path("published").glob(".*")]


# ------------------------------------------------------------------------------ what is published


def test_tables_follow_from_the_jobs_and_their_origin_is_written(project):
    files = publish(Plan(CONFIG), "small").files
    assert files[0] == PUBLISHED / "runs.csv"
    assert sorted(files) == sorted(path for path in PUBLISHED.rglob("*") if path.is_file())
    runs = pd.read_csv(PUBLISHED / "runs.csv")
    keys = runs[["method", "seed", "cycle"]].itertuples(index=False, name=None)
    assert [*keys] == [*itertools.product(METHODS, (0, 1), range(4))]
    sizes = pd.read_csv(PUBLISHED / "sizes.csv")
    # 784 to 3, 3 to 3 and 3 to 10 nodes, and a bias each
    assert sizes["parameters"][sizes["cycle"] == 1].tolist() == [785 * 3 + 4 * 3 + 4 * 10] * 4
    assert {path.stem for path in (PUBLISHED / "figures").iterdir()} == {
        "fig03",
        "fig03_epochs",
        "removable",
    }
    origin = record()
    assert origin["commits"] == [COMMIT]
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


def test_the_oracle_is_what_masks_are_compared_with(project):
    more = json.loads(json.dumps(CONFIG))
    more["experiments"]["FC5-FC5"]["methods"] = [*METHODS, "oracle"]
    write_job("oracle", [0])
    publish(Plan(more), "small")
    table = pd.read_csv(PUBLISHED / "agreement.csv")
    # seed 1 has no oracle; masks are the same, and the whole networks are left out
    assert set(table["seed"]) == {0}
    assert table["method"].tolist() == [m for m in METHODS for _ in range(3)]
    assert table["fraction_remaining"].tolist() == [0.6, 0.4, 0.2] * 2
    assert set(table["agreement"]) == {1.0}
    # another oracle: what was compared with the old one says nothing of it
    shutil.rmtree("results/small/FC5-FC5/minimum")
    shutil.rmtree("results/small/FC5-FC5/minimum_layer")
    publish(Plan(more), "small")
    assert not (PUBLISHED / "agreement.csv").exists()
    assert set(pd.read_csv(PUBLISHED / "runs.csv")["method"]) == {*METHODS, "oracle"}


@pytest.mark.parametrize("kind", ["runs", "networks", "provenance"])
@pytest.mark.parametrize("method", ["minimum", "baseline"])
def test_a_job_that_is_not_complete_is_left_out(project, kind, method):
    (path,) = Path("results/small/FC5-FC5", method).glob(f"{kind}_seeds1-1.*")
    path.unlink()
    assert publish(Plan(CONFIG), "small").left_out == ["FC5-FC5"]
    seeds = pd.read_csv(PUBLISHED / "runs.csv").groupby("method")["seed"].unique()
    assert seeds["minimum"].tolist() == [0]
    assert seeds.get("minimum_layer", [0]).tolist() == ([0, 1] if method == "minimum" else [0])
    words = "1 to 2 of 15 seeds" if method == "minimum" else "1 of 15 seeds"
    assert record()["reductions"] == {"FC5-FC5": words}


def test_nothing_complete_is_refused(project):
    shutil.rmtree("results/small/FC5-FC5/baseline")
    refused("^results/small: no job is complete; make figures SCALE=small trains them")
    with pytest.raises(UserError, match=r"'smal' is not configured \(did you mean 'small'\?\)"):
        publish(Plan(CONFIG), "smal")


def test_what_the_configuration_adds_is_not_complete_yet(project):
    assert publish(Plan(CONFIG), "small").left_out == []
    assert publish(Plan(changed(seeds=3)), "small").left_out == ["FC5-FC5"]
    more = changed(experiments=["FC5-FC5"])
    more["experiments"]["FC9-FC9"] = more["experiments"]["FC5-FC5"] | {"widths": [9, 9]}
    assert publish(Plan(more), "small").left_out == []


def test_seeds_that_are_in_two_blocks_are_those_of_the_larger_one(project):
    for method in ("baseline", *METHODS):
        write_job(method, [0, 1, 2], commit="beef" * 10)
    publish(Plan(CONFIG), "small")
    assert (
        pd.read_csv(PUBLISHED / "runs.csv").groupby("method")["seed"].nunique().tolist() == [3] * 2
    )
    assert {job["seeds"] for job in record()["jobs"]} == {"0-2"}


def test_of_two_blocks_the_smaller_one_may_not_be_the_later_one(project):
    for method in ("baseline", *METHODS):
        write_job(method, [0, 1, 2], commit="beef" * 10)
    table = Path("results/small/FC5-FC5/minimum/runs_seeds1-1.csv")
    edit_json(provenance_of("minimum", 1), started="2026-01-01T00:00:01+00:00")
    refused("runs_seeds1-1.csv: made later than runs_seeds0-2.csv, which has some of its seeds as")
    table.unlink()
    publish(Plan(CONFIG), "small")


def test_runs_that_take_the_place_of_others_are_counted(project):
    assert publish(Plan(CONFIG), "small").replaced == 0
    assert publish(Plan(CONFIG), "small").replaced == 0  # the same once more
    table = Path("results/small/FC5-FC5/minimum/runs_seeds1-1.csv")
    runs = pd.read_csv(table, dtype=str)
    runs.loc[0, "test_accuracy"] = "0.4321"
    runs.to_csv(table, index=False)
    assert publish(Plan(CONFIG), "small").replaced == 1


# ----------------------------------------------------------------------------------- merging

TABLES = ("runs.csv", "sizes.csv", "curves.csv", "removable.csv", "claims.csv")


def apart(folder, keep):
    """Publish what `keep` wants of results/, as if nothing else had been trained by then."""
    every = Path("all")
    if not every.exists():
        shutil.move("results", every)
    shutil.rmtree("results", ignore_errors=True)
    shutil.copytree(
        every, "results", ignore=lambda where, names: [n for n in names if not keep(where, n)]
    )
    publish(Plan(CONFIG), "small")


def by_seed(seed):
    return lambda where, name: "_seeds" not in name or f"_seeds{seed}-" in name


def by_method(method):
    return lambda where, name: name not in METHODS or name == method


@pytest.mark.parametrize(
    "steps",
    [
        [by_seed(0), by_seed(1)],
        [by_seed(1), by_seed(0)],
        [by_method("minimum_layer"), by_method("minimum")],
        [by_seed(0), lambda where, name: True],
        [lambda where, name: True, by_method("minimum")],
    ],
)
def test_published_in_steps_is_published_at_once(project, steps):
    publish(Plan(CONFIG), "small")
    at_once = contents()
    shutil.rmtree("published")
    for keep in steps:
        apart(project, keep)
    in_steps = contents()
    assert at_once.keys() == in_steps.keys()
    assert {p for p in at_once if at_once[p] != in_steps[p]} <= {RECORD}
    assert {PUBLISHED / name for name in TABLES} <= at_once.keys()
    origin = record()
    assert origin["reductions"] == {"FC5-FC5": "2 of 15 seeds"}
    methods = [
        (job["method"], job["seeds"]) for job in origin["jobs"] if job["method"] != "baseline"
    ]
    assert methods == [(m, s) for m in METHODS for s in ("0-0", "1-1")]
    told = [json.dumps(job) for job in origin["jobs"]]
    assert len(told) == len(set(told))


@pytest.mark.parametrize(("published", "later"), ["AB", "BA"])
def test_experiments_stand_in_the_order_of_the_configuration_whenever_they_came(published, later):
    of = {name: {"dataset": "digits"} for name in "AB"}
    old, new = (Record("small", "", {name: of[name]}) for name in (published, later))
    assert list(new.merged(old, {"A": [], "B": []}).settings) == ["A", "B"]


def test_files_of_a_data_set_whose_name_begins_as_another_ones_does_are_not_its_own():
    inputs = {"results/data/CIFAR-10.safetensors": "a", "results/data/CIFAR-10_split_all.csv": "b"}
    more = {"results/data/CIFAR-100.safetensors": "c", "results/data/CIFAR-10x_split_all.csv": "d"}
    both = Record("small", "", {"A": {"dataset": "CIFAR-10"}}, inputs | more)
    assert both.only(["A"]).inputs == inputs


def test_each_job_keeps_its_commit_and_its_baseline(project):
    for method in ("baseline", "minimum_layer"):
        edit_json(provenance_of(method, 1), git={"commit": "beef" * 10, "clean": True})
    shutil.rmtree("results/small/FC5-FC5/minimum_layer")
    publish(Plan(CONFIG), "small")
    shutil.rmtree("results")
    for method in ("baseline", "minimum_layer"):
        write_job(method, [1], commit="dead" * 10)
    publish(Plan(CONFIG), "small")
    jobs = [(job["method"], job["seeds"], job["commit"][:4]) for job in record()["jobs"]]
    assert jobs == [
        ("baseline", "0-0", "c0ff"),
        ("baseline", "1-1", "beef"),  # of minimum
        ("baseline", "1-1", "dead"),  # of minimum_layer
        ("minimum", "0-0", "c0ff"),
        ("minimum", "1-1", "c0ff"),
        ("minimum_layer", "1-1", "dead"),
    ]


def test_runs_of_the_same_seed_and_method_are_replaced(project):
    for method in ("baseline", "minimum"):
        write_job(method, [0, 1, 2])
    publish(Plan(CONFIG), "small")
    shutil.rmtree("results")
    for method in ("baseline", "minimum"):
        write_job(method, [1], commit="beef" * 10)
    path = Path("results/small/FC5-FC5/minimum/runs_seeds1-1.csv")
    path.write_text(path.read_text().replace(",0.94,", ",0.95,"))
    publish(Plan(CONFIG), "small")
    runs = pd.read_csv(PUBLISHED / "runs.csv").query("method == 'minimum' and cycle == 1")
    assert runs["test_accuracy"].tolist() == [0.9, 0.95, 0.9]
    jobs = [job for job in record()["jobs"] if job["method"] == "minimum"]
    told = [(job["seeds"], job.get("trained"), job["commit"][:4]) for job in jobs]
    assert told == [("0-0,2-2", "0-2", "c0ff"), ("1-1", None, "beef")]
    publish(Plan(CONFIG), "small")  # what was split can be read, and nothing is doubled
    assert [job for job in record()["jobs"] if job["method"] == "minimum"] == jobs


def test_what_is_published_of_other_experiments_stays_as_it_is(project):
    publish(Plan(CONFIG), "small")
    before = contents()
    other = made_elsewhere("beef" * 10)
    assert publish(Plan(other), "small").left_out == ["FC5-FC5"]
    for name in ("runs.csv", "sizes.csv", "curves.csv"):
        old = before[PUBLISHED / name].decode().splitlines()
        new = [line.replace("FC5", "FC7").replace("fig03", "fig04") for line in old[1:]]
        assert (PUBLISHED / name).read_text().splitlines() == [*old, *new]
    for name in ("fig03.png", "fig03_epochs.png"):
        assert (PUBLISHED / "figures" / name).read_bytes() == before[PUBLISHED / "figures" / name]
        assert (PUBLISHED / "figures" / name.replace("fig03", "fig04")).exists()
    origin = record()
    assert list(origin["settings"]) == list(origin["reductions"]) == ["FC5-FC5", "FC7-FC7"]
    assert origin["commits"] == ["beef" * 10, COMMIT]
    assert origin["wall_seconds"] == 12 * 600
    assert len(origin["jobs"]) == 12
    assert len(origin["environments"]) == 1
    publish(Plan(other), "small")  # again: nothing is doubled
    assert len(record()["jobs"]) == 12


def test_what_is_no_longer_configured_is_not_kept(project):
    publish(Plan(CONFIG), "small")
    other = made_elsewhere("beef" * 10)
    del other["figures"]["fig03"]
    publish(Plan(other), "small")
    assert "fig03," not in (PUBLISHED / "curves.csv").read_text()
    assert not (PUBLISHED / "figures/fig03.png").exists()
    assert "FC5-FC5" in (PUBLISHED / "runs.csv").read_text()
    del other["experiments"]["FC5-FC5"], other["figures"]["fig03_epochs"]
    publish(Plan(other), "small")
    assert "FC5-FC5" not in (PUBLISHED / "runs.csv").read_text()
    assert list(record()["settings"]) == ["FC7-FC7"]


# ----------------------------------------------------------------------------------- refused


def with_settings(config):
    """The results of seed 1 as if they had been made with another configuration."""
    settings = json.loads(Plan(config).at("small").settings("FC5-FC5").to_json())
    for method in ("baseline", *METHODS):
        edit_json(provenance_of(method, 1), settings=settings)
        for path in Path("results/small/FC5-FC5", method).glob("*seeds0-0*"):
            path.unlink()


def test_other_settings_of_one_experiment_are_refused_or_replace_it(project):
    publish(Plan(CONFIG), "small")
    config = changed(max_epochs=3)
    with_settings(config)
    refused(
        "^published/small: FC5-FC5 is published with max_epochs 100, and these have 3;"
        " --replace FC5-FC5 puts these in its place$",
        config,
    )
    refused(r"^--replace: 'FC5-FC6' is not configured \(did you", config, replacing=["FC5-FC6"])
    done = publish(Plan(config), "small", replacing=["FC5-FC5"])
    assert (done.replaced, done.removed) == (0, 2)  # seed 0 of both methods
    assert record()["reductions"]["FC5-FC5"] == "1 of 15 seeds, at most 3 of 100 epochs a cycle"
    assert set(pd.read_csv(PUBLISHED / "runs.csv")["seed"]) == {1}


def test_settings_that_lack_a_key_of_today_are_the_same_if_it_has_the_papers_value(project):
    publish(Plan(CONFIG), "small")
    origin = record()
    for key in ("precision", "data", "test_images"):
        del origin["settings"]["FC5-FC5"][key]
    RECORD.write_text(json.dumps(origin))
    publish(Plan(CONFIG), "small")
    config = changed(test_images=1000)
    with_settings(config)
    refused("FC5-FC5 is published with test_images None, and these have 1000", config)


def test_results_of_other_data_are_not_put_beside_it(project):
    publish(Plan(CONFIG), "small")
    for path in Path("results").rglob("provenance_seeds1*.json"):
        edit_json(path, inputs={"results/data/MNIST.safetensors": "cd" * 32})
    for path in Path("results").rglob("*seeds0*"):
        path.unlink()
    refused("published/small: made from another results/data/MNIST")


def cut_short(path):
    path.write_text(path.read_text()[:-20])


def without_a_row(path):
    path.write_text("".join(path.read_text().splitlines(keepends=True)[:-4]))


def without_a_column(path):
    path.write_text(path.read_text().replace("seed,", "sead,", 1))


def one_row_twice(path):
    path.write_text(path.read_text() + path.read_text().splitlines(keepends=True)[-1])


@pytest.mark.parametrize(
    ("damage", "name", "message"),
    [
        (cut_short, "runs.csv", r"runs.csv, line 17: .*; git checkout brings it back$"),
        (cut_short, "sizes.csv", r"sizes.csv, line 17: .*; git checkout brings it back$"),
        (Path.unlink, "runs.csv", "runs.csv: no such file; git checkout brings it back$"),
        (without_a_column, "runs.csv", "column 'seed' is missing.*; git checkout"),
        (without_a_column, "sizes.csv", "column 'seed' is missing.*; git checkout"),
        (one_row_twice, "runs.csv", "seed 1, cycle 3: given twice.*; git checkout"),
        (
            without_a_row,
            "runs.csv",
            "^published/small: FC5-FC5, minimum_layer, seed 1 is in provenance.json alone; git",
        ),
    ],
)
def test_published_tables_that_are_damaged_are_refused(project, damage, name, message):
    publish(Plan(CONFIG), "small")
    damage(PUBLISHED / name)
    refused(message)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", r"published/small/provenance.json: not a readable .*; git checkout"),
        ('{"settings": {}}', "not a readable artifact .*is a required property.*; git checkout"),
    ],
)
def test_a_record_that_is_damaged_is_refused(project, text, message):
    publish(Plan(CONFIG), "small")
    RECORD.write_text(text)
    refused(message)


def test_runs_whose_record_is_lost_are_not_taken_for_nothing(project):
    publish(Plan(CONFIG), "small")
    RECORD.unlink()
    refused("published/small: has runs.csv, but no provenance.json; restore it, or remove them")


@pytest.mark.parametrize("key", ["wall_seconds", "commit", "clean", "environment"])
def test_a_record_with_a_job_that_lacks_something_says_what(project, key):
    publish(Plan(CONFIG), "small")
    content = record()
    del content["jobs"][1][key]
    RECORD.write_text(json.dumps(content))
    refused(rf"provenance.json: not a readable .*jobs\[1\]: '{key}' is a required property.*; git")


def test_a_record_in_a_folder_of_another_name_is_refused(project):
    publish(Plan(CONFIG), "small")
    PUBLISHED.rename("published/large")
    with pytest.raises(UserError, match="large/provenance.json: is of scale 'small'; allowed: a"):
        Record.read(Path("published/large/provenance.json"))


def test_a_record_whose_seeds_cannot_be_read_is_refused(project):
    publish(Plan(CONFIG), "small")
    RECORD.write_text(RECORD.read_text().replace('"0-0"', '"0 to 0"', 3))
    refused(r"provenance.json: .*; git checkout")


@pytest.mark.parametrize(
    ("method", "git", "message"),
    [
        (
            "baseline",
            {"commit": COMMIT, "clean": False},
            "baseline, seeds 0-0, was made by uncommitted changes to commit c0ffeec0ff;",
        ),
        (
            "minimum",
            {"commit": None, "clean": None},
            "minimum, seeds 0-0, was made by code of an unknown commit, as git did not tell it;",
        ),
    ],
)
def test_unclean_results_are_refused_unless_allowed(project, method, git, message):
    edit_json(provenance_of(method), git=git)
    refused(message)
    publish(Plan(CONFIG), "small", allow_dirty=True)
    assert record()["clean"] is False
    assert Record.read(RECORD).unclean == {"FC5-FC5": {method: "0-0"}}
    assert git in [{key: job[key] for key in ("commit", "clean")} for job in record()["jobs"]]


def test_results_of_other_settings_than_the_configured_ones_are_refused(project):
    path = provenance_of("minimum", 1)
    settings = json.loads(path.read_text())["settings"]
    edit_json(path, settings=settings | {"max_epochs": 3})
    refused(f"{path}: made with other settings", allow_dirty=True)


TABLE = Path("results/small/FC5-FC5/minimum/runs_seeds1-1.csv")
NETWORKS = TABLE.with_name("networks_seeds1-1.safetensors")


def lose_the_last_row():
    TABLE.write_text("".join(TABLE.read_text().splitlines(keepends=True)[:-1]))


def lose_all_rows():
    TABLE.write_text(TABLE.read_text().splitlines(keepends=True)[0])


def mistake_a_network():
    TABLE.write_text(TABLE.read_text().replace(",1|1,", ",2|0,"))


def take_the_networks_of_another_seed():
    shutil.copy(NETWORKS.with_name("networks_seeds0-0.safetensors"), NETWORKS)


def have_networks_twice():
    cycles, _ = load_cycles(NETWORKS)
    save_cycles(NETWORKS, [*cycles, *cycles])


def take_the_table_of_another_method():
    shutil.copy(TABLE.parents[1] / "minimum_layer" / TABLE.name, TABLE)


def take_the_provenance_of_another_method():
    shutil.copy(provenance_of("minimum_layer", 1), provenance_of("minimum", 1))


def take_the_provenance_of_another_seed():
    shutil.copy(provenance_of("minimum", 0), provenance_of("minimum", 1))


@pytest.mark.parametrize(
    ("mix_up", "file", "message"),
    [
        (lose_the_last_row, TABLE, "seed 1, cycle 3 is in networks_seeds1-1.safetensors alone"),
        (lose_all_rows, TABLE, "no rows"),
        (mistake_a_network, TABLE, r"seed 1, cycle 3 has 2\|0 remaining, and in .* 1\|1"),
        (take_the_networks_of_another_seed, NETWORKS, "is not of the seeds 1-1"),
        (have_networks_twice, NETWORKS, "has a network twice"),
        (take_the_table_of_another_method, TABLE, "is of FC5-FC5, minimum_layer, and not of its"),
        (
            take_the_provenance_of_another_method,
            provenance_of("minimum", 1),
            "is of minimum_layer, seeds 1; by its name of minimum, seeds 1-1",
        ),
        (
            take_the_provenance_of_another_seed,
            provenance_of("minimum", 1),
            "is of minimum, seeds 0; by its name of minimum, seeds 1-1",
        ),
    ],
)
def test_files_of_a_job_that_do_not_belong_together_are_refused(project, mix_up, file, message):
    mix_up()
    refused(f"^{file}: {message}.*; delete it and run again$")


@pytest.mark.parametrize(
    "damage",
    [
        {"git": None},
        {"git": {}},
        {"git": {"commit": -1, "clean": True}},
        {"wall_seconds": None},
        {"inputs": None},
        {"versions": []},
        {"cpu": None},
    ],
    ids=str,
)
def test_provenance_of_a_job_that_is_damaged_is_refused(project, damage):
    edit_json(provenance_of("minimum", 1), **damage)
    (key,) = damage
    refused(
        rf"^{provenance_of('minimum', 1)}: not a readable artifact \({key}.*; delete it and run"
    )


def test_results_of_different_data_are_refused(project):
    path = provenance_of("baseline", 1)
    edit_json(path, inputs={"results/data/MNIST.safetensors": "cd" * 32})
    refused(r"read another results/data/MNIST.safetensors", allow_dirty=True)


def test_an_error_while_figures_are_drawn_changes_nothing(project, monkeypatch):
    publish(Plan(CONFIG), "small")
    write_job("minimum", [2])
    write_job("baseline", [2])

    def fail(*words):
        raise UserError("no space left")

    monkeypatch.setattr("dropnet.publish.derived.page.save_png", fail)
    refused("^no space left$")
