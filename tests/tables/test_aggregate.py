"""Runs to curves: hand-worked numbers, refused input, and bytes that no order of inputs changes."""

import csv
import io
import math
import random

import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dropnet.errors import UserError
from dropnet.files.csv_tables import table_text, write_table
from dropnet.tables.aggregate import (
    combine,
    curve,
    mean_and_ci95,
    points,
    read_curve,
    read_runs,
)
from dropnet.tables.columns import CURVES
from dropnet.tables.runs import RUNS
from helpers.scripts import run_script


def run_row(method="minimum", seed=0, cycle=0, **changes):
    """One network of an experiment with 10 nodes, two of which go in a cycle."""
    kept = 10 - 2 * cycle
    row = {
        "experiment": "FC5-FC5",
        "dataset": "MNIST",
        "method": method,
        "seed": seed,
        "cycle": cycle,
        "fraction_remaining": kept / 10,
        "remaining": f"{kept - kept // 2}|{kept // 2}",
        "train_accuracy": 0.9,
        "train_loss": 0.3,
        "val_accuracy": 0.9,
        "val_loss": 0.3,
        "test_accuracy": 0.9,
        "test_loss": 0.3,
        "epochs": 7,
    }
    return row | changes


def write(path, rows, columns=tuple(RUNS)):
    with path.open("w", newline="") as file:
        table = csv.DictWriter(file, columns, lineterminator="\n", extrasaction="ignore")
        table.writeheader()
        table.writerows(rows)
    return path


def frame(rows):
    return pd.DataFrame(rows, columns=list(RUNS))


# ------------------------------------------------------------------------------- averages


def test_mean_and_interval_by_hand():
    # deviations -0.1, 0.1: population standard deviation 0.1, over the root of 2
    mean, ci95 = mean_and_ci95([0.1, 0.3])
    assert mean == pytest.approx(0.2, abs=1e-15)
    assert ci95 == pytest.approx(1.96 * 0.1 / math.sqrt(2), abs=1e-15)
    # deviations -2, 0, 0, 2: variance 2, over 4
    assert mean_and_ci95([1, 3, 3, 5]) == (3, 1.96 * math.sqrt(0.5))
    mean, ci95 = mean_and_ci95([0.7])
    assert mean == 0.7
    assert math.isnan(ci95)
    assert all(math.isnan(number) for number in mean_and_ci95([]))


@given(st.lists(st.floats(0, 1), min_size=1, max_size=15), st.randoms(use_true_random=False))
def test_mean_does_not_depend_on_the_order_of_the_seeds(values, shuffler):
    shuffled = list(values)
    shuffler.shuffle(shuffled)
    assert mean_and_ci95(shuffled) == mean_and_ci95(values)


def test_curve_by_hand():
    accuracies = {0: (0.96, 0.98), 1: (0.5, 0.7)}
    rows = [
        run_row(seed=seed, cycle=cycle, test_accuracy=accuracies[cycle][seed])
        for seed in (0, 1)
        for cycle in (0, 1)
    ]
    text = table_text(curve(frame(rows), "fig03", "test_accuracy", ["minimum"]))
    # 1.96 * 0.01 / sqrt(2) and 1.96 * 0.1 / sqrt(2), to six decimals
    assert text == (
        "figure,experiment,dataset,split,method,fraction_remaining,accuracy,ci95,runs,diverged\n"
        "fig03,FC5-FC5,MNIST,test,minimum,1.0,0.97,0.013859,2,0\n"
        "fig03,FC5-FC5,MNIST,test,minimum,0.8,0.6,0.138593,2,0\n"
    )


def test_methods_of_the_figure_in_its_order():
    rows = [run_row(method) for method in ("maximum", "minimum", "random")]
    drawn = curve(frame(rows), "f", "test_accuracy", ["random", "maximum"])
    assert list(drawn["method"]) == ["random", "maximum"]


def test_a_run_under_the_name_that_the_figure_gives_it_down_to_where_the_figure_ends():
    fractions = [1.0, 0.5, 0.2, 0.15, 0.1, 0.05]
    rows = [
        run_row("minimum", seed=seed, cycle=cycle, fraction_remaining=fraction)
        for seed in (0, 1)
        for cycle, fraction in enumerate(fractions)
    ]
    drawn = curve(frame(rows), "f", "test_accuracy", {"minimum (p=0.2)": "minimum"}, 0.15)
    assert set(drawn["method"]) == {"minimum (p=0.2)"}
    assert list(drawn["fraction_remaining"]) == [1.0, 0.5, 0.2, 0.15]
    longer = curve(frame(rows), "f", "test_accuracy", ["minimum"], 0.14)
    assert list(longer["fraction_remaining"]) == [1.0, 0.5, 0.2, 0.15, 0.1]
    whole = curve(frame(rows), "f", "test_accuracy", ["minimum"], 0.01)
    assert list(whole["fraction_remaining"]) == fractions


@pytest.mark.parametrize(
    ("shows", "split", "quantity"),
    [
        ("train_accuracy", "train", "accuracy"),
        ("val_accuracy", "val", "accuracy"),
        ("test_accuracy", "test", "accuracy"),
        ("val_loss", "val", "loss"),
        ("epochs", "train", "epochs"),
    ],
)
def test_column_is_named_by_the_quantity(shows, split, quantity):
    rows = [run_row(**{shows: 1}), run_row(seed=1, **{shows: 0})]
    drawn = curve(frame(rows), "f", shows, ["minimum"])
    assert drawn["split"].tolist() == [split]
    assert drawn[quantity].tolist() == [0.5]


def test_fractions_are_rounded_to_six_decimals():
    rows = [run_row(fraction_remaining=17 / 384)]
    assert (
        points(frame(rows), "test_accuracy", ["minimum"])["fraction_remaining"].item() == 0.044271
    )


@pytest.mark.parametrize("loss", [math.nan, math.inf])
def test_diverged_network_is_averaged_and_counted(loss):
    rows = [run_row(test_accuracy=0.9), run_row(seed=1, test_accuracy=0.1, train_loss=loss)]
    (point,) = points(frame(rows), "test_accuracy", ["minimum"]).itertuples()
    assert (point.value, point.runs, point.diverged) == (0.5, 2, 1)


def test_diverged_network_has_no_loss_to_average():
    rows = [run_row(test_loss=0.4), run_row(seed=1, test_loss=math.inf), run_row("random")]
    rows[2]["test_loss"] = math.nan
    first, second = points(frame(rows), "test_loss", ["minimum", "random"]).itertuples()
    assert (first.value, first.runs, first.diverged) == (0.4, 1, 1)
    assert math.isnan(second.value)
    assert (second.runs, second.diverged) == (0, 1)


def test_refused_requests():
    table = frame([run_row(), run_row(experiment="other")])
    with pytest.raises(
        UserError, match=r"'test_acuracy' is unknown \(did you mean 'test_accuracy'"
    ):
        curve(table, "f", "test_acuracy", ["minimum"])
    with pytest.raises(UserError, match=r"'minimun' has no runs \(did you mean 'minimum'\?\)"):
        curve(table, "f", "test_accuracy", ["minimun"])
    with pytest.raises(UserError, match="one experiment, got FC5-FC5, other"):
        curve(table, "f", "test_accuracy", ["minimum"])


def test_seeds_must_agree_about_the_fraction():
    table = frame([run_row(), run_row(seed=1, fraction_remaining=0.9)])
    with pytest.raises(UserError, match=r"cycle 0: seeds disagree .* \(0.9 and 1.0\)"):
        curve(table, "f", "test_accuracy", ["minimum"])


# ------------------------------------------------------------------------------- reading


def test_runs_are_read_exactly_and_written_back_the_same(tmp_path):
    path = write(
        tmp_path / "runs.csv",
        [
            run_row(test_accuracy=0.1 + 0.2, train_loss="nan", val_loss="inf"),
            run_row(cycle=1, test_loss=2.2250738585072014e-308, remaining="8"),
        ],
    )
    runs = read_runs([path])
    assert runs["test_accuracy"][0] == 0.1 + 0.2
    assert runs["remaining"].tolist() == ["5|5", "8"]
    assert runs["seed"].dtype.kind == runs["epochs"].dtype.kind == "i"
    assert table_text(runs).encode() == path.read_bytes()


def test_order_of_rows(tmp_path):
    rows = [
        run_row(method, seed, cycle, experiment=experiment)
        for experiment in ("A", "B")
        for method in ("random", "minimum")
        for seed in (2, 10)
        for cycle in (0, 1)
    ]
    methods = {"B": ["random", "minimum"], "A": ["random", "minimum"]}
    runs = read_runs([write(tmp_path / "runs.csv", rows[::-1])], methods)
    key = ["experiment", "method", "seed", "cycle"]
    assert runs[key].to_numpy().tolist() == [[row[name] for name in key] for row in rows]


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.randoms(use_true_random=False), st.integers(1, 4))
def test_order_of_inputs_does_not_change_a_byte(tmp_path, shuffler, files):
    numbers = random.Random(1)
    rows = [
        run_row(method, seed, cycle, test_accuracy=numbers.random())
        for method in ("minimum", "maximum", "minimum_layer")
        for seed in range(5)
        for cycle in range(4)
    ]

    def outputs(rows, files):
        paths = [write(tmp_path / f"runs{place}.csv", rows[place::files]) for place in range(files)]
        runs = read_runs(paths, {"FC5-FC5": ["minimum", "maximum", "minimum_layer"]})
        drawn = curve(runs, "f", "test_accuracy", ["minimum_layer", "minimum", "maximum"])
        return table_text(runs), table_text(drawn)

    shuffled = list(rows)
    shuffler.shuffle(shuffled)
    assert outputs(shuffled, files) == outputs(rows, 1)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"seed": "1.5"}, "line 3, column 'seed': '1.5' is not a whole number of 0 or more"),
        ({"cycle": "-1"}, "line 3, column 'cycle': '-1' is not a whole number"),
        ({"test_accuracy": "1.01"}, "column 'test_accuracy': '1.01' is not a number from 0 to 1"),
        ({"val_accuracy": "nan"}, "column 'val_accuracy': 'nan' is not a number from 0 to 1"),
        ({"test_loss": "high"}, "column 'test_loss': 'high' is not a number, nan or inf"),
        ({"method": ""}, "column 'method': '' is not a name"),
        ({"remaining": "4,4"}, "column 'remaining': '4,4' is not whole numbers joined by |"),
    ],
)
def test_bad_cells_are_refused_by_file_line_and_column(tmp_path, change, message):
    path = write(tmp_path / "runs.csv", [run_row(), run_row(seed=1) | change])
    with pytest.raises(UserError) as error:
        read_runs([path])
    assert message in str(error.value)
    assert str(path) in str(error.value)


def test_missing_and_unknown_columns_are_refused(tmp_path):
    path = write(tmp_path / "runs.csv", [run_row()], list(RUNS)[:-1])
    with pytest.raises(UserError, match=r"runs.csv: column 'epochs' is missing"):
        read_runs([path])
    path = write(tmp_path / "runs.csv", [run_row(epoch=1)], [*RUNS, "epoch"])
    with pytest.raises(UserError, match=r"unknown column 'epoch' \(did you mean 'epochs'\?\)"):
        read_runs([path])


def test_files_that_are_no_table_are_refused(tmp_path):
    with pytest.raises(UserError, match=r"absent.csv: no such file"):
        read_runs([tmp_path / "absent.csv"])
    empty = tmp_path / "empty.csv"
    empty.touch()
    with pytest.raises(UserError, match="column 'experiment' is missing; its columns: none"):
        read_runs([empty])
    with pytest.raises(UserError, match="no rows"):
        read_runs([write(empty, [])])
    torn = tmp_path / "torn.csv"
    torn.write_text(write(tmp_path / "whole.csv", [run_row()]).read_text()[:-6])
    with pytest.raises(UserError, match="line 2: 13 cells, 14 are needed"):
        read_runs([torn])


def test_networks_given_twice_are_refused(tmp_path):
    first = write(tmp_path / "first.csv", [run_row(), run_row(cycle=1)])
    second = write(tmp_path / "second.csv", [run_row(cycle=1)])
    message = (
        r"FC5-FC5, minimum, seed 0, cycle 1: given twice, in \S*first.csv and in \S*second.csv"
    )
    with pytest.raises(UserError, match=message):
        read_runs([first, second])


@pytest.mark.parametrize(("cycles", "missing"), [([0, 2], 1), ([1], 0)])
def test_gaps_are_refused(tmp_path, cycles, missing):
    path = write(tmp_path / "runs.csv", [run_row(cycle=cycle) for cycle in cycles])
    with pytest.raises(UserError, match=f"minimum, seed 0, cycle {missing}: missing"):
        read_runs([path])


@pytest.mark.parametrize(
    ("keep", "lost"),
    [
        ([(2, 0), (3, 0), (2, 1)], "seed 3 lacks cycle 1"),  # the last row of the table
        ([(3, 0), (3, 1)], "seed 2 lacks cycle 0"),
        ([(2, 0), (2, 1)], "seed 3 lacks cycle 0"),
    ],
)
def test_the_table_of_a_job_that_has_lost_rows_is_refused(tmp_path, keep, lost):
    rows = [run_row(seed=seed, cycle=cycle) for seed, cycle in keep]
    path = write(tmp_path / "runs_seeds2-3.csv", rows)
    with pytest.raises(UserError, match=rf"runs_seeds2-3.csv: {lost}; delete it and run again$"):
        read_runs([path])
    read_runs([path.rename(tmp_path / "several_jobs.csv")])  # which may have been cut off


def test_a_table_without_rows_is_refused_beside_others(tmp_path):
    empty = write(tmp_path / "a.csv", [])
    with pytest.raises(UserError, match=rf"^{empty}: no rows"):
        read_runs([write(tmp_path / "b.csv", [run_row()]), empty])


def test_methods_and_experiments_that_are_not_configured_are_refused(tmp_path):
    path = write(tmp_path / "runs.csv", [run_row()])
    with pytest.raises(UserError, match=r"'minimum', .*not configured \(did you mean 'minimum_l"):
        read_runs([path], {"FC5-FC5": ["minimum_layer"]})
    with pytest.raises(UserError, match="experiment 'FC5-FC5', which is not configured"):
        read_runs([path], {"VGG19": ["minimum"]})


# ------------------------------------------------------------------------------- joining


def test_combined_curves_are_sorted_by_figure_and_have_the_papers_columns():
    table = frame([run_row(cycle=cycle) for cycle in (0, 1)])
    made = [curve(table, name, "test_accuracy", ["minimum"]) for name in ("fig10", "fig03")]
    both = combine(made)
    assert list(both.columns) == list(CURVES)
    assert both["figure"].tolist() == ["fig03", "fig03", "fig10", "fig10"]
    assert both["fraction_remaining"].tolist() == [1, 0.8, 1, 0.8]
    assert table_text(combine(made[::-1])) == table_text(both)
    with pytest.raises(UserError, match="'fig03' is given twice"):
        combine([made[1], made[1]])
    assert table_text(combine([])) == ",".join(CURVES) + "\n"


def test_curves_are_read_back_as_written(tmp_path):
    rows = [run_row(test_loss=math.nan), run_row("random")]
    drawn = curve(frame(rows), "f", "test_loss", ["minimum", "random"])
    write_table(tmp_path / "curve.csv", drawn)
    assert table_text(read_curve(tmp_path / "curve.csv", "loss")) == table_text(drawn)
    with pytest.raises(UserError, match="column 'accuracy' is missing"):
        read_curve(tmp_path / "curve.csv", "accuracy")


@pytest.mark.slow
def test_scripts_from_runs_to_curves(tmp_path):
    methods = ["random", "minimum"]
    files = [write(tmp_path / f"{name}.csv", [run_row(name)]) for name in methods]
    runs, drawn, all_curves = (tmp_path / name for name in ("runs.csv", "f.csv", "curves.csv"))
    steps = [
        ["collect_runs", "--methods", '{"FC5-FC5": ["random", "minimum"]}', "--output", runs]
        + files[::-1],
        ["aggregate_curve", "--figure", "f", "--shows", "test_accuracy"]
        + ["--methods", '{"minimum (p=0.2)": "minimum"}', "--output", drawn, files[1]],
        ["combine_curves", "--output", all_curves, drawn],
    ]
    for step in steps:
        assert run_script(*step).stderr == ""
    assert [row["method"] for row in csv.DictReader(io.StringIO(runs.read_text()))] == methods
    row = "f,FC5-FC5,MNIST,test,minimum (p=0.2),1.0,0.9,nan,1"
    assert all_curves.read_text().splitlines() == [",".join(CURVES), row]


def test_scripts_refuse_in_one_line_and_leave_nothing(tmp_path):
    path = write(tmp_path / "runs.csv", [run_row(), run_row()])
    answer = run_script("collect_runs", "--output", tmp_path / "all.csv", path)
    assert answer.returncode == 1
    assert answer.stderr.startswith("error: FC5-FC5, minimum, seed 0, cycle 0: given twice")
    assert answer.stderr.count("\n") == 1
    assert sorted(tmp_path.iterdir()) == [path]
