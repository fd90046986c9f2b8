"""Scheduling is simulated rightly, and docs/scaling.md says what was worked out."""

import doctest
import json
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.scaling import page, published
from benchmarks.scaling.forecast import Forecast, core_speed, gpu_seconds, training_seconds
from benchmarks.scaling.scheduling import critical_path, first_come, longest_first, paths
from dropnet.config.check import load
from dropnet.config.plan import Plan
from dropnet.pruning.schedule import remaining_counts

REPOSITORY = Path(__file__).resolve().parents[2]

ORDERS = pytest.mark.parametrize("makespan", [longest_first, first_come])


@ORDERS
@pytest.mark.parametrize("cores", [1, 2, 5])
def test_a_chain_takes_the_sum_whatever_the_cores(makespan, cores):
    seconds, needs = {1: 3.0, 2: 4.0, 3: 5.0}, {1: [], 2: [1], 3: [2]}
    assert makespan(seconds, needs, cores) == 12
    assert critical_path(seconds, needs) == [1, 2, 3]


@ORDERS
@pytest.mark.parametrize(("cores", "expected"), [(1, 11), (2, 7), (3, 6), (4, 5), (99, 5)])
def test_fork_and_join(makespan, cores, expected):
    # 1 s, then four jobs of 3, 2, 2 and 2 s, then 1 s
    # in between, on two cores: 3 + 2 beside 2 + 2; on three: 2 + 2 beside 3 and 2
    seconds = {0: 1.0, 1: 3.0, 2: 2.0, 3: 2.0, 4: 2.0, 5: 1.0}
    needs = {0: [], 1: [0], 2: [0], 3: [0], 4: [0], 5: [1, 2, 3, 4]}
    assert makespan(seconds, needs, cores) == expected
    assert critical_path(seconds, needs) == [0, 1, 5]


def test_the_order_matters_where_the_long_job_waited_less():
    # two cores: the jobs of 1 s come first by their ids, and the long one last
    seconds, needs = {1: 1.0, 2: 1.0, 3: 2.0}, {1: [], 2: [], 3: []}
    assert first_come(seconds, needs, 2) == 3
    assert longest_first(seconds, needs, 2) == 2


def test_what_waited_longest_goes_first():
    # at 1 s a core is free: job 3 has waited since 0 s, job 4, of a long chain, was just released
    seconds, needs = {1: 2.0, 2: 1.0, 3: 1.0, 4: 5.0}, {1: [], 2: [], 3: [], 4: [2]}
    assert first_come(seconds, needs, 2) == 7  # 4 starts at 2 s
    assert longest_first(seconds, needs, 2) == 6  # 2 goes first, then 4


def test_jobs_that_end_together_release_before_the_next_one_starts():
    seconds = {1: 1.0, 2: 1.0, 3: 0.0, 4: 3.0, 5: 1.0, 6: 1.0}
    needs = {1: [], 2: [], 3: [1, 2], 4: [2], 5: [1], 6: [1]}
    assert longest_first(seconds, needs, 2) == 4  # 4 starts at 1 s, 3, 5 and 6 beside it
    assert paths(seconds, needs) == {1: 2, 2: 4, 3: 0, 4: 3, 5: 1, 6: 1}


@st.composite
def graphs(draw):
    count = draw(st.integers(1, 25))
    seconds = {job: float(draw(st.integers(0, 9))) for job in range(count)}
    needs = {
        job: draw(st.lists(st.integers(0, job - 1), max_size=3, unique=True)) if job else []
        for job in range(count)
    }
    return seconds, needs


@ORDERS
@given(graph=graphs(), cores=st.integers(1, 30))
def test_within_the_bounds_of_list_scheduling(makespan, graph, cores):
    seconds, needs = graph
    work = sum(seconds.values())
    path = sum(seconds[job] for job in critical_path(seconds, needs))
    assert path == max(paths(seconds, needs).values())
    took = makespan(seconds, needs, cores)
    assert took >= max(path, work / cores) - 1e-9
    # Graham: so no more than 2 - 1/cores times the best schedule
    assert took <= work / cores + (1 - 1 / cores) * path + 1e-9
    if cores == 1:
        assert took == work
    if cores >= len(seconds):
        assert took == path


# --- what a job costs --------------------------------------------------------------------------


def paper_plan():
    return Plan(load(REPOSITORY / "config.yaml")).at("paper")


def jobs_of(experiment):
    plan = paper_plan()
    return plan.settings(experiment), {job.name: job for job in plan.jobs(experiment)}


class Ten:
    """Every network trains 10 epochs."""

    def of(self, band, seeds):
        return 10, 10


def test_seconds_of_a_job_by_hand():
    settings, jobs = jobs_of("Conv64-Conv64")

    def speed(kind, fraction, networks):  # a millisecond an image to train, a third to look
        assert networks == 1
        return {"train": 3e-3, "evaluate": 1e-3, "score": 1e-3}[kind] * fraction

    one = 10 * (54_000 * 3e-3 + 6_000 * 1e-3) + 10_000 * 1e-3 + 54_000 * 1e-3
    assert training_seconds(settings, jobs["baseline"], Ten(), speed) == pytest.approx(one)
    # the unpruned network is the baseline's; the last cycle leaves no filter
    counts = remaining_counts((64, 64), 0.2, 0.01, True)
    assert counts[-1] == 0
    seconds = training_seconds(settings, jobs["minimum_layer"], Ten(), speed)
    assert seconds == pytest.approx(one * sum(counts[1:]) / 128)
    again = training_seconds(settings, jobs["minimum (random_init)"], Ten(), speed)
    whole = remaining_counts((64, 64), 0.2, 0.01, False)
    assert again == pytest.approx(one * sum(whole) / 128)


def test_a_core_costs_what_was_measured_and_a_stack_less_for_each():
    settings, _ = jobs_of("FC40-FC40")
    seconds = {"alone": {"train": [1.0, 4.0]}, "stack": {"train": [15.0, 18.0]}}
    measured = {
        "fractions": [0.25, 1.0],
        "seconds_per_image": {"FC 40-40 MNIST": seconds},
    }
    speed = core_speed(measured, settings)
    assert speed("train", 1.0, 1) == pytest.approx(4)
    assert speed("train", 0.5, 1) == pytest.approx(2)  # halfway between the logarithms
    assert speed("train", 0.1, 1) == pytest.approx(1)  # smaller ones are not cheaper
    assert speed("train", 1.0, 15) == pytest.approx(18)
    assert speed("train", 1.0, 8) == pytest.approx(11)


def test_hours_on_a_gpu_are_those_that_were_measured():
    settings, jobs = jobs_of("Conv64-Conv64")
    assert gpu_seconds(None, settings, jobs["minimum"], Ten()) is None
    measured = {"microseconds of a network and step": {"64": {"ours": 64.0}, "1": {"ours": 1.0}}}
    # 1,687 whole batches and one of 16 images an epoch; of so many microseconds as it has filters
    assert gpu_seconds(measured, settings, jobs["baseline"], Ten()) == pytest.approx(
        10 * 1688 * 64e-6
    )
    halving = jobs["minimum (p=0.5)"]
    at_half = paper_plan().settings("Conv64-Conv64", halving.method)
    half = gpu_seconds(measured, at_half, halving, Ten())
    counts = remaining_counts((64, 64), 0.5, 0.01, False)[1:]
    assert half == pytest.approx(10 * 1688e-6 * sum(max(1, count / 2) for count in counts))
    for experiment in ("VGG19", "FC40-FC40"):
        settings, jobs = jobs_of(experiment)
        assert gpu_seconds(measured, settings, jobs["minimum"], Ten()) is None
    settings, jobs = jobs_of("Conv20-Conv20")
    assert gpu_seconds(measured, settings, jobs["oracle"], Ten()) is None


# --- the document ------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def record():
    return json.loads(published.RECORD.read_text(encoding="utf-8"))


def test_the_document_says_what_was_worked_out(record):
    assert page.document(record) == page.DOCUMENT.read_text(encoding="utf-8"), "run: make scaling"


def test_epochs_are_those_of_what_is_published_today():
    plan = Plan(load(REPOSITORY / "config.yaml"))
    epochs = Forecast(plan, {}, None).epochs
    assert {"FC", "Conv"} <= epochs.keys()
    assert all(1 <= of.of(0.5, 15)[0] <= 100 for of in epochs.values())


def test_the_record_is_of_the_configured_experiments(record):
    count = len(list(paper_plan().jobs()))
    jobs = record["results"]["jobs"]
    training = ("train_baseline", "prune_network", "train_random_init")
    assert sum(jobs[rule] for rule in training) == count
    assert sum(row["jobs"] for row in record["results"]["groups"]) == sum(jobs.values())


def test_hours_are_within_the_bounds_and_add_up(record):
    results = record["results"]
    path = sum(link["hours"] for link in results["chain"])
    work = sum(row["core_hours"] for row in results["groups"])
    for row in results["scaling"]:
        bound = max(path, work / row["cores"])
        for hours in (row["hours"], row["first_come_hours"]):
            assert bound - 1e-6 <= hours <= work / row["cores"] + path
    assert results["scaling"][0]["hours"] == pytest.approx(work)


def test_what_the_prose_says_of_model_a(record):
    model_a = record["results"]["groups"][0]
    assert model_a["group"] == "Model A"
    hours = [row["core_hours"] for row in record["results"]["packing"]]
    assert hours == sorted(hours)  # "15 cost least"


def test_the_profile_has_the_limits_that_follow(record):
    profile = yaml.safe_load((REPOSITORY / "profiles/slurm/config.yaml").read_text())
    for rule, longest in record["results"]["longest"].items():
        assert profile["set-resources"][rule]["runtime"] == f"{longest['limit_minutes']} * attempt"
    assert profile["jobs"] <= record["results"]["useful"]["busy"]  # "kept below that"


@pytest.mark.parametrize("module", [page, published])
def test_examples_in_docstrings(module):
    results = doctest.testmod(module)
    assert results.attempted
    assert not results.failed
