"""What every job of scale `paper` costs, by measured seconds and published epochs."""

import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from benchmarks.bench import SCALE, images_of
from benchmarks.scaling.measure import STACK, loading_name, network_name
from benchmarks.scaling.published import (
    PUBLISHED,
    AnyEpochs,
    Largest,
    band,
    epochs_by_family,
    published_runs,
)
from benchmarks.scaling.scheduling import Graph
from dropnet.config.plan import Job, Plan
from dropnet.files.artifacts import read_json
from dropnet.pruning.schedule import fractions_trained
from dropnet.publish.record import MEND
from dropnet.settings import Settings

PREPARE_SECONDS = 60.0  # assumed: how long fetching a data set takes depends on the network
GPU = PUBLISHED / "benchmarks/bench_gpu.json"  # what `make bench-gpu` wrote on a machine with one

GROUPS = {
    "Model A": lambda s: s.model == "FC",
    "Model B": lambda s: s.model == "Conv",
    "Model C": lambda s: s.model == "ConvFC256",
    "ResNet18": lambda s: s.model == "ResNet18",
    "VGG19": lambda s: s.model == "VGG19",
}
ORACLE, APOZ, OTHERS = (
    "One node or filter a cycle, with the oracle",
    "APoZ",
    "Data, tables, figures",
)


# --- what a job costs --------------------------------------------------------------------------

# Seconds per image of a pass of a stack: speed(kind, fraction remaining, networks in the stack)
Speed = Callable[[str, float, float], float]


def core_speed(measured: Mapping[str, Any], settings: Settings) -> Speed:
    """As measured, interpolated over the fraction (both as logarithms) and the stack's size."""
    seconds = measured["seconds_per_image"][network_name(settings)]
    places = np.log(measured["fractions"])

    def at(size: str, kind: str, fraction: float) -> float:
        place = np.log(max(fraction, measured["fractions"][0]))  # the last cycle may leave nothing
        return math.exp(np.interp(place, places, np.log(seconds[size][kind])))

    def speed(kind: str, fraction: float, networks: float) -> float:
        alone = at("alone", kind, fraction)
        if "stack" not in seconds:
            return networks * alone
        each = (at("stack", kind, fraction) - alone) / (STACK - 1)
        return alone + each * (networks - 1)

    return speed


def training_seconds(
    settings: Settings, job: Job, epochs: AnyEpochs, speed: Speed, seeds: int | None = None
) -> float:
    """Training, evaluation, scores and oracle of a job; `seeds` in place of its own number."""
    seeds = seeds or len(job.seed_numbers)
    train, validation, test = images_of(settings)
    seconds = 0.0
    for fraction in fractions_of(settings, job):
        mean, longest = epochs.of(band(fraction), seeds)
        stacked = seeds * mean / longest  # networks that are left in the stack, on average
        seconds += longest * train * speed("train", fraction, stacked)
        seconds += longest * validation * speed("evaluate", fraction, stacked)
        seconds += test * speed("evaluate", fraction, seeds)
        seconds += train * speed("score", fraction, seeds)
    return seconds + oracle_seconds(settings, job, seeds)


def gpu_seconds(
    measured: Mapping[str, Any] | None, settings: Settings, job: Job, epochs: AnyEpochs
) -> float | None:
    """Seconds of a job's training steps on a GPU, all its seeds side by side.

    None where nobody has measured that: `make bench-gpu` takes the networks of Model B.
    """
    if measured is None or settings.model != "Conv" or is_oracle(job):
        return None
    steps = measured["microseconds of a network and step"]
    widths = sorted(map(int, steps))
    seconds = 0.0
    for fraction in fractions_of(settings, job):
        mean, _ = epochs.of(band(fraction), len(job.seed_numbers))
        width = fraction * np.mean(settings.widths)
        each = np.interp(width, widths, [steps[str(w)]["ours"] for w in widths]) / 1e6
        batches = math.ceil(images_of(settings)[0] / settings.batch_size)
        seconds += len(job.seed_numbers) * mean * batches * each
    return seconds


def is_oracle(job: Job) -> bool:
    """Say whether a job takes the losses without each node."""
    return job.method is not None and job.method.metric == "oracle"


def fractions_of(settings: Settings, job: Job) -> list[float]:
    """The fraction remaining in each cycle that a job trains."""
    if job.method is None:
        return fractions_trained(settings, None, unpruned=True)
    return fractions_trained(settings, job.method.metric, job.method.trains_unpruned)


def oracle_seconds(settings: Settings, job: Job, seeds: int) -> float:
    """Losses without each node: as benchmarked at full size, falling as the fraction squared."""
    if not is_oracle(job):
        return 0.0
    oracle = read_json(PUBLISHED / "benchmarks/bench.json", ["oracle"], MEND)["oracle"]["measured"]
    full = oracle["models"]["A" if settings.model == "FC" else "B"]["our_s"]["median"]
    return seeds * full * sum(f**2 for f in [1.0, *fractions_of(settings, job)])


# --- all jobs ----------------------------------------------------------------------------------


class Forecast:
    """Seconds of every job of scale `paper`."""

    def __init__(self, plan: Plan, measured: Mapping[str, Any], graph: Graph) -> None:
        self.plan, self.measured, self.graph = plan, measured, graph
        self.epochs = epochs_by_family(published_runs(plan.at(SCALE)))
        self.others: AnyEpochs = Largest(list(self.epochs.values()))

    def settings(self, job: Job, scale: str = SCALE) -> Settings:
        return self.plan.at(scale).settings(job.experiment, job.method)

    def training(self, job: Job, speed: Speed | None = None, seeds: int | None = None) -> float:
        """Seconds of a training job, beside start-up and loading."""
        settings = self.settings(job)
        speed = speed or core_speed(self.measured, settings)
        epochs = self.epochs.get(settings.model, self.others)
        return training_seconds(settings, job, epochs, speed, seeds)

    def fixed(self, rule: str, job: Job) -> float:
        """Seconds until a training job begins to train."""
        loading = self.measured["loading_s"][loading_name(self.settings(job))]
        return self.measured["start_up_s"][rule] + loading

    def seconds(self) -> dict[int, float]:
        """Of all jobs, by their ids."""
        found = {}
        for number, rule in self.graph.rules.items():
            job = self.graph.training.get(number)
            if job is None:
                found[number] = self.other(rule)
            else:
                found[number] = self.fixed(rule, job) + self.training(job)
        return found

    def on_gpu(self) -> dict[int, float | None]:
        """The training of all jobs that train, by their ids; None where nobody measured it."""
        measured = read_json(GPU, mend=MEND) if GPU.exists() else None
        found = {}
        for number, job in self.graph.training.items():
            settings = self.settings(job)
            epochs = self.epochs.get(settings.model, self.others)
            found[number] = gpu_seconds(measured, settings, job, epochs)
        return found

    def other(self, rule: str) -> float:
        """Of a job that does not train."""
        if rule in ("figures", "prepare_dataset"):  # `figures` only names what to make
            return PREPARE_SECONDS if rule == "prepare_dataset" else 0.0
        script = {"collect_all_runs": "collect_runs"}.get(rule, rule)
        return self.measured["figure_s"].get(rule, self.measured["start_up_s"][script])

    def group(self, number: int) -> str:
        """Of a job, as the table of core-hours has them."""
        job = self.graph.training.get(number)
        if job is None:
            return OTHERS
        if job.experiment.endswith("-apoz"):
            return APOZ
        settings = self.plan.at(SCALE).settings(job.experiment)
        if settings.prune_fraction == 0:
            return ORACLE
        return next(name for name, has in GROUPS.items() if has(settings))

    def title(self, number: int) -> str:
        """A job in words."""
        job = self.graph.training.get(number)
        rule = self.graph.rules[number]
        return rule if job is None else f"{job.experiment}, {job.name}"
