"""Snakemake's own job graph, and how long it takes on a number of cores.

Every job of this workflow uses one core, so that list scheduling is all that there is to simulate:
a free core takes one of the jobs that wait for nothing.
"""

import heapq
import json
import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from graphlib import TopologicalSorter

from benchmarks.processes import REPOSITORY, snakemake
from dropnet.config.plan import Job, ScalePlan
from dropnet.errors import UserError
from dropnet.tables.runs import BASELINE

Seconds = Mapping[int, float]  # of each job
Needs = Mapping[int, Sequence[int]]  # the jobs that each job waits for; every job is a key

# what the messages of workflow/rules/train.smk say
TRAINING = {
    "train_baseline": r"Train the unpruned (?P<experiment>\S+) \(.*seeds (?P<seeds>\S+)\)",
    "prune_network": r"Prune (?P<experiment>\S+) by (?P<method>\S+) \(.*seeds (?P<seeds>\S+)\)",
    "train_random_init": r"Train what (?P<metric>\S+) left of (?P<experiment>\S+) from"
    r" a fresh initialisation \(.*seeds (?P<seeds>\S+)\)",
    "prune_shuffled": r"Prune (?P<experiment>\S+) to the widths of (?P<widths_of>\S+),"
    r" nodes at random \(.*seeds (?P<seeds>\S+)\)",
}


@dataclass(frozen=True)
class Graph:
    """The jobs of a scale by their ids: rules, edges, and what the training jobs train."""

    rules: Mapping[int, str]
    needs: Needs
    training: Mapping[int, Job]


def read_graph(plan: ScalePlan) -> Graph:
    """Ask Snakemake, whatever is done already."""
    listed = _snakemake(plan.scale, "--dry-run")
    drawn = json.loads(_snakemake(plan.scale, "--d3dag"))
    rules = {node["value"]["jobid"]: node["value"]["rule"] for node in drawn["nodes"]}
    needs: dict[int, list[int]] = {job: [] for job in rules}
    for edge in drawn["edges"]:
        needs[edge["v"]].append(edge["u"])
    graph = Graph(rules, needs, _training(plan, rules, listed))
    _check(plan, graph, listed)
    return graph


def _snakemake(scale: str, what: str) -> str:
    words = ["--config", f"scale={scale}", "--forceall", what]
    done = snakemake(REPOSITORY, *words, capture_output=True)
    if done.returncode != 0:
        raise UserError(f"snakemake {what} failed: {done.stderr[-500:]}")
    return done.stdout


def _training(plan: ScalePlan, rules: Mapping[int, str], listed: str) -> dict[int, Job]:
    """Each training job, by what the dry run says of its id."""
    known = {(job.experiment, job.folder.name, job.seeds): job for job in plan.jobs()}
    found = {}
    for number, message in re.findall(r"^Job (\d+): (.*)$", listed, re.MULTILINE):
        pattern = TRAINING.get(rules[int(number)])
        if pattern is not None:
            words = re.fullmatch(pattern, message).groupdict()
            name = words.get("method", BASELINE)
            if "metric" in words:
                name = f"{words['metric']}_random_init"
            if "widths_of" in words:
                name = f"{words['widths_of']}_shuffled"
            found[int(number)] = known[words["experiment"], name, words["seeds"]]
    return found


def _check(plan: ScalePlan, graph: Graph, listed: str) -> None:
    """Both answers are about the same jobs: ids, rules, and seeds along every edge agree."""
    counted = dict(re.findall(r"^(\w+) +(\d+)$", listed, re.MULTILINE))
    assert int(counted.pop("total")) == len(graph.rules)
    assert {rule: int(count) for rule, count in counted.items()} == Counter(graph.rules.values())
    assert Counter(graph.training.values()) == Counter(plan.jobs())
    for number, job in graph.training.items():
        for other in set(graph.needs[number]) & set(graph.training):
            before = graph.training[other]
            assert (before.experiment, before.seeds) == (job.experiment, job.seeds)


# --- scheduling --------------------------------------------------------------------------------


def paths(seconds: Seconds, needs: Needs) -> dict[int, float]:
    """Of each job, the seconds from its start to the end of the longest chain behind it."""
    order = list(TopologicalSorter(needs).static_order())
    longest = dict.fromkeys(order, 0.0)  # behind the job
    for job in reversed(order):
        for before in needs[job]:
            longest[before] = max(longest[before], longest[job] + seconds[job])
    return {job: seconds[job] + behind for job, behind in longest.items()}


def critical_path(seconds: Seconds, needs: Needs) -> list[int]:
    """The chain of jobs that takes longest, in order: no number of cores is faster."""
    to_end, followers = paths(seconds, needs), _followers(needs)
    chain = [max(to_end, key=to_end.get)]
    while followers[chain[-1]]:
        chain.append(max(followers[chain[-1]], key=to_end.get))
    return chain


def longest_first(seconds: Seconds, needs: Needs, cores: int) -> float:
    """The makespan if a free core takes the job with the longest chain behind it."""
    to_end = paths(seconds, needs)
    return _makespan(seconds, needs, cores, lambda job, now: -to_end[job])


def first_come(seconds: Seconds, needs: Needs, cores: int) -> float:
    """The makespan if a free core takes the job that has waited longest."""
    return _makespan(seconds, needs, cores, lambda job, now: now)


def _makespan(
    seconds: Seconds, needs: Needs, cores: int, key: Callable[[int, float], float]
) -> float:
    """Seconds until the last job ends; the smallest key(job, time of release) goes first."""
    followers = _followers(needs)
    waits_for = {job: len(set(before)) for job, before in needs.items()}
    ready = [(key(job, 0.0), job) for job, count in waits_for.items() if count == 0]
    heapq.heapify(ready)
    running: list[tuple[float, int]] = []
    now = 0.0
    while ready or running:
        while ready and len(running) < cores:
            _, job = heapq.heappop(ready)
            heapq.heappush(running, (now + seconds[job], job))
        now = running[0][0]
        while running and running[0][0] == now:  # all that end now, before the next one starts
            _, job = heapq.heappop(running)
            for follower in followers[job]:
                waits_for[follower] -= 1
                if waits_for[follower] == 0:
                    heapq.heappush(ready, (key(follower, now), follower))
    return now


def _followers(needs: Needs) -> dict[int, list[int]]:
    found: dict[int, list[int]] = {job: [] for job in needs}
    for job, before in needs.items():
        for other in set(before):
            found[other].append(job)
    return found
