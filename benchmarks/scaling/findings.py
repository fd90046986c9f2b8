"""What follows from the cost of every job: the second half of scaling.json."""

import copy
import math
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

import pandas as pd

from benchmarks.bench import SCALE
from benchmarks.scaling.forecast import (
    APOZ,
    GROUPS,
    ORACLE,
    OTHERS,
    PREPARE_SECONDS,
    Forecast,
    core_speed,
    training_seconds,
)
from benchmarks.scaling.measure import STACK, loading_name, network_name
from benchmarks.scaling.published import (
    BANDS,
    Always,
    Epochs,
    epochs_by_family,
    published_runs,
    published_scales,
    recorded_jobs,
)
from benchmarks.scaling.scheduling import (
    TRAINING,
    Graph,
    Seconds,
    critical_path,
    first_come,
    longest_first,
    read_graph,
)
from dropnet.config.plan import Plan

CORES = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1000)
GOOD_EFFICIENCY = 0.9
NO_FASTER = 1.02  # times the critical path: more cores bring nothing
MARGIN = 2  # of time limits, over the longest predicted job


def work_out(plan: Plan, measured: Mapping[str, Any]) -> dict[str, Any]:
    """All that the document says."""
    graph = read_graph(plan.at(SCALE))
    forecast = Forecast(plan, measured, graph)
    seconds, on_gpu = forecast.seconds(), forecast.on_gpu()
    chain = [n for n in critical_path(seconds, graph.needs) if seconds[n]]
    return {
        "jobs": dict(Counter(graph.rules.values())),
        "edges": sum(map(len, graph.needs.values())),
        "epochs": epochs_used(plan, forecast),
        "groups": groups(forecast, seconds, on_gpu),
        "longest": longest_jobs(forecast, seconds),
        "chain": [{"job": forecast.title(n), "hours": seconds[n] / 3600} for n in chain],
        "scaling": scaling(seconds, graph),
        "useful": useful_cores(seconds, graph),
        "packing": packing(forecast),
        "recorded": beside_recorded(forecast),
        "assumed": {"prepare_s": PREPARE_SECONDS, "margin": MARGIN},
    }


def epochs_used(plan: Plan, forecast: Forecast) -> dict[str, Any]:
    """Mean epochs by family and band; what the work would be with other ones than assumed."""
    paper = plan.at(SCALE)
    every = [paper.settings(name) for name in paper.experiments]
    families = {settings.model for settings in every}
    in_colour = float(forecast.epochs["ConvFC256"].runs.epochs.mean())
    limit = every[0].max_epochs
    return {
        "bands": BANDS,
        "measured": {
            family: {"networks": len(of.runs), "mean": [of.of(low, 1)[0] for low in BANDS]}
            for family, of in forecast.epochs.items()
        },
        "assumed": [forecast.others.of(low, 1)[0] for low in BANDS],
        "families_assumed": sorted(families - set(forecast.epochs)),
        # images in colour, like those of the families that are assumed
        "in_colour": {"mean": in_colour, "work": total_with(forecast, in_colour)},
        "limit": {"epochs": limit, "work": total_with(forecast, limit)},
    }


def total_with(forecast: Forecast, epochs: float) -> float:
    """Core-hours of everything if the families that nobody measured train for so many epochs."""
    other = copy.copy(forecast)
    other.others = Always(epochs)
    return sum(other.seconds().values()) / 3600


def groups(
    forecast: Forecast, seconds: Seconds, on_gpu: Mapping[int, float | None]
) -> list[dict[str, Any]]:
    """Core-hours and GPU-hours by group, in the order of GROUPS; the latter where measured."""
    rows = []
    for name in [*GROUPS, APOZ, ORACLE, OTHERS]:
        members = [number for number in seconds if forecast.group(number) == name]
        gpu = [on_gpu.get(number) for number in members]
        rows.append(
            {
                "group": name,
                "jobs": len(members),
                "core_hours": sum(seconds[n] for n in members) / 3600,
                "longest_hours": max(seconds[n] for n in members) / 3600,
                "gpu_hours": None if None in gpu else sum(filter(None, gpu)) / 3600,
            }
        )
    return rows


def longest_jobs(forecast: Forecast, seconds: Seconds) -> dict[str, Any]:
    """The longest job of each rule that trains, and the limit in minutes that follows from it."""
    found = {}
    for rule in TRAINING:
        of_rule = [n for n, r in forecast.graph.rules.items() if r == rule]
        if not of_rule:  # as of controls, which the paper does not have
            continue
        longest = max(of_rule, key=seconds.get)
        hours = seconds[longest] / 3600
        limit = 60 * math.ceil(MARGIN * hours)
        found[rule] = {"job": forecast.title(longest), "hours": hours, "limit_minutes": limit}
    return found


def scaling(seconds: Seconds, graph: Graph) -> list[dict[str, float]]:
    """Hours on each number of cores, in both orders, and the bound that no order beats."""
    work, rows = sum(seconds.values()), []
    path = sum(seconds[n] for n in critical_path(seconds, graph.needs))
    for cores in CORES:
        hours = longest_first(seconds, graph.needs, cores) / 3600
        rows.append(
            {
                "cores": cores,
                "hours": hours,
                "first_come_hours": first_come(seconds, graph.needs, cores) / 3600,
                "bound_hours": max(path, work / cores) / 3600,
                "efficiency": work / 3600 / cores / hours,
            }
        )
    return rows


def useful_cores(seconds: Seconds, graph: Graph) -> dict[str, int]:
    """Up to how many cores (a multiple of 10) all are busy, and from how many on none helps."""
    work = sum(seconds.values())
    path = sum(seconds[n] for n in critical_path(seconds, graph.needs))
    took = {cores: longest_first(seconds, graph.needs, cores) for cores in range(10, 1001, 10)}
    busy = [c for c, s in took.items() if work / c / s >= GOOD_EFFICIENCY]
    enough = [c for c, s in took.items() if s <= NO_FASTER * path]
    return {"busy": max(busy), "enough": min(enough, default=max(took))}


def packing(forecast: Forecast) -> list[dict[str, float]]:
    """Fully connected networks with so many seeds a job: core-hours, and the longest chain."""
    rows = []
    of_model_a = [
        (forecast.graph.rules[n], job)
        for n, job in forecast.graph.training.items()
        if forecast.settings(job).model == "FC"
    ]
    for seeds in (15, 5, 1):
        each = [
            (job, forecast.fixed(rule, job) + forecast.training(job, seeds=seeds))
            for rule, job in of_model_a
        ]
        hours = sum(taken for _, taken in each) * STACK / seeds / 3600
        longest = max(
            taken + next(t for j, t in each if j.experiment == job.experiment and not j.method)
            for job, taken in each
            if job.method
        )
        jobs = len(each) * STACK // seeds
        rows.append({"seeds": seeds, "jobs": jobs, "core_hours": hours, "chain_minutes": longest})
    return [row | {"chain_minutes": row["chain_minutes"] / 60} for row in rows]


def beside_recorded(forecast: Forecast) -> dict[str, Any]:
    """Predicted beside recorded seconds of published jobs, by scale and model.

    Once with the mean epochs of the scale's own runs, once with those of the job itself.
    """
    jobs = pd.DataFrame(predicted_and_recorded(forecast))
    rows = []
    for (scale, model), of in jobs.groupby(["scale", "model"]):
        ratios = of.own / of.recorded
        rows.append(
            {
                "scale": scale,
                "model": model,
                "jobs": len(of),
                "predicted_hours": of.predicted.sum() / 3600,
                "recorded_hours": of.recorded.sum() / 3600,
                "ratio": of.predicted.sum() / of.recorded.sum(),
                "own": {"median": ratios.median(), "min": ratios.min(), "max": ratios.max()},
            }
        )
    alike = jobs.groupby(["scale", "experiment", "method", "seeds"]).recorded.agg(["min", "max"])
    (_, experiment, method, seeds), most = max(
        alike.iterrows(), key=lambda row: row[1]["max"] / row[1]["min"]
    )
    job = {"job": f"{experiment}, {method}", "seeds": int(seeds)}
    return {"rows": rows, "alike": job | most.to_dict()}


def predicted_and_recorded(forecast: Forecast) -> Iterator[dict[str, Any]]:
    """A row for each published training job of a network that was measured, in seconds."""
    for scale in published_scales(forecast.plan):
        runs = published_runs(forecast.plan.at(scale))
        means, every = epochs_by_family(runs), Epochs(runs).runs
        for job, recorded in recorded_jobs(forecast.plan.at(scale)):
            settings = forecast.settings(job, scale)
            if network_name(settings) not in forecast.measured["seconds_per_image"]:
                continue  # of a scale that is newer than the measurement
            own = every[(every.experiment == job.experiment) & (every.method == job.name)]
            own = Epochs(own[own.seed.isin(job.seed_numbers)])
            speed = core_speed(forecast.measured, settings)
            loading = forecast.measured["loading_s"][loading_name(settings)]
            yield {
                "scale": scale,
                "model": settings.model,
                "experiment": job.experiment,
                "method": job.name,
                "seeds": len(job.seed_numbers),
                "predicted": loading
                + training_seconds(settings, job, means[settings.model], speed),
                "own": loading + training_seconds(settings, job, own, speed),
                "recorded": recorded,
            }
