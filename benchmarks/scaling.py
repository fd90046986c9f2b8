"""Work out what the whole paper protocol costs, and how its wall time falls with more cores.

Reads published/benchmarks/scaling.json, or measures it anew with --measure; asks Snakemake for the
jobs of scale `paper`; writes what follows to scaling.json, docs/scaling.md and docs/scaling.svg.
"""

import argparse
import copy
import json
import math
import os
import resource
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path
from statistics import median
from typing import Any

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "workflow"))  # the package is used in place

import jinja2  # noqa: E402
import numpy as np  # noqa: E402
import pandas as pd  # noqa: E402

from common import ONE_THREAD  # noqa: E402
from dropnet.config import plan as configuration  # noqa: E402
from dropnet.config.plan import Config, Job  # noqa: E402
from dropnet.errors import exit_on_user_error  # noqa: E402
from dropnet.files.artifacts import atomic_path, write_json, write_text  # noqa: E402
from dropnet.files.provenance import cpu_model, git_state, versions  # noqa: E402
from dropnet.networks.models import layers_of, masked_widths  # noqa: E402
from dropnet.pruning.status import fractions_trained  # noqa: E402
from dropnet.settings import Settings  # noqa: E402
from processes import REPOSITORY, run_script  # noqa: E402
from report import tell, three_digits  # noqa: E402
from scheduling import (  # noqa: E402
    TRAINING,
    Graph,
    Seconds,
    critical_path,
    first_come,
    longest_first,
    read_graph,
)

SCALE = "paper"
PUBLISHED = REPOSITORY / "published"
RECORD = PUBLISHED / "benchmarks/scaling.json"
DOCUMENT, FIGURE = REPOSITORY / "docs/scaling.md", REPOSITORY / "docs/scaling.svg"
TEMPLATE = "scaling.md.j2"

FRACTIONS = (0.05, 0.1, 0.25, 0.5, 1.0)  # at which networks are timed; cost between is interpolated
ROUNDS = 3  # of every measurement; the median counts
STACK = 15  # fully connected networks that a job trains side by side
# images of one timing: a few dozen batches, fewer where a batch takes a third of a second
IMAGES = {"FC": 6400, "ResNet18": 320, "VGG19": 320}
FEWER_IMAGES = 960  # of the other models
OFFICIAL = {"MNIST": (60_000, 10_000), "CIFAR-10": (50_000, 10_000)}  # training and test images
KINDS = ("train", "evaluate", "score")

BANDS = (0.5, 0.2, 0.0)  # of the fraction remaining, by lower end: small networks train for longer
PREPARE_SECONDS = 60.0  # assumed: how long fetching a data set takes depends on the network
# An assumed GPU: of the arithmetic it does this much, and a launch takes this long.
GPU_FLOPS, LAUNCH_SECONDS = 10e12, 10e-6
LAUNCHES = {"train": 20, "evaluate": 7, "score": 7}  # of a layer with weights, for a batch

CORES = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1000)
GOOD_EFFICIENCY = 0.9
NO_FASTER = 1.02  # times the critical path: more cores bring nothing
MARGIN = 2  # of time limits, over the longest predicted job

MODEL_C = "Conv64-Conv64-Conv128-Conv128"  # the one of its kind that scale `evidence` has
LARGE = ("ResNet18", "VGG19", "APoZ")  # what a workstation can do without

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


# --- measuring ---------------------------------------------------------------------------------


def measure(config: Config, data: Path) -> dict[str, Any]:
    """CPU seconds of all that jobs do, on one core."""
    import torch

    torch.set_num_threads(1)
    os.environ |= ONE_THREAD  # of the scripts started from here
    networks: dict[str, Any] = {}
    loading: dict[str, float] = {}
    for settings in settings_to_measure(config):
        if network_name(settings) not in networks:
            tell(f"scaling: {network_name(settings)}")
            networks[network_name(settings)] = time_network(settings, data)
        if loading_name(settings) not in loading:
            loading[loading_name(settings)] = time_loading(settings, data)
    rules = sorted(path.stem for path in (REPOSITORY / "workflow/scripts").glob("*.py"))
    tell("scaling: scripts")
    return {
        "made_with": {"git": git_state(), "processor": cpu_model(), "versions": versions()}
        | {"load_average": os.getloadavg()},
        "fractions": FRACTIONS,
        "seconds_per_image": networks,
        "loading_s": loading,
        "start_up_s": {rule: of_rounds(lambda r=rule: run_script(r, "--help")) for rule in rules},
        "figure_s": time_figure(config),
    }


def settings_to_measure(config: Config) -> Iterator[Settings]:
    """Of scale paper, and of the published jobs, which may be reduced."""
    for experiment in configuration.experiments(config, SCALE):
        yield configuration.settings(config, SCALE, experiment)
    for scale in published_scales(config):
        for experiment in sorted({job.experiment for job, _ in recorded_jobs(config, scale)}):
            yield configuration.settings(config, scale, experiment)


def network_name(settings: Settings) -> str:
    """Networks of the same name cost the same."""
    return f"{settings.model} {'-'.join(map(str, settings.widths))} {settings.dataset}"


def loading_name(settings: Settings) -> str:
    """Jobs of the same name prepare the same data."""
    return f"{'FC' if settings.model == 'FC' else 'Conv'} {settings.dataset}"


def of_rounds(work: Callable[[], Any]) -> float:
    """Median CPU seconds, those of finished subprocesses included."""

    def used() -> float:
        children = resource.getrusage(resource.RUSAGE_CHILDREN)
        return time.process_time() + children.ru_utime + children.ru_stime

    seconds = []
    for _ in range(ROUNDS):
        began = used()
        work()
        seconds.append(used() - began)
    return median(seconds)


def time_network(settings: Settings, data: Path) -> dict[str, dict[str, list[float]]]:
    """CPU seconds per image and pass, of one network alone and of a stack, by fraction."""
    from dropnet.data.dataset import Dataset
    from dropnet.files.artifacts import load_tensors
    from dropnet.training.engines import make_task

    images = Dataset.load(data / f"{settings.dataset}.safetensors")
    indices, _ = load_tensors(data / f"{settings.dataset}_split_all.safetensors")
    chosen = indices["train"][: IMAGES.get(settings.model, FEWER_IMAGES)]
    split = images.train_images[chosen], images.train_labels[chosen]
    task = make_task(
        split, split, split, layers_of(settings), settings.batch_size, settings.learning_rate
    )
    sizes = {"alone": 1} | ({"stack": STACK} if settings.model == "FC" else {})
    seconds: dict[str, dict[str, list[float]]] = {}
    for size, count in sizes.items():
        seconds[size] = {kind: [] for kind in KINDS}
        for fraction in FRACTIONS:
            for kind, taken in time_passes(task, fraction, count).items():
                seconds[size][kind].append(taken / len(chosen))
    return seconds


def time_passes(task: Any, fraction: float, count: int) -> dict[str, float]:
    """CPU seconds of an epoch, of an evaluation and of the scores, for some networks together."""
    from dropnet.networks.weights import compact, initial_weights

    masks = [random_masks(masked_widths(task.layers), fraction, seed) for seed in range(count)]
    weights = [
        compact(initial_weights(task.steps(), seed), task.steps(mask))
        for seed, mask in enumerate(masks)
    ]
    stack = task.stack(weights, masks)
    stack.train_epoch(1)  # warm
    return {
        "train": of_rounds(lambda: stack.train_epoch(1)),
        "evaluate": of_rounds(lambda: stack.evaluate(task.validation)),
        "score": of_rounds(lambda: stack.statistics(task.train)),
    }


def random_masks(widths: Sequence[int], fraction: float, seed: int) -> Any:
    """The same share of each layer, picked at random: residual paths keep different channels."""
    import torch

    from dropnet.networks.masks import Masks

    generator = torch.Generator().manual_seed(seed)
    kept = (max(1, round(fraction * width)) for width in widths)
    order = (torch.randperm(width, generator=generator) for width in widths)
    return Masks(tuple(places < count for places, count in zip(order, kept, strict=True)))


def time_loading(settings: Settings, data: Path) -> float:
    """CPU seconds until a job can begin to train: the data, and what is known of them before."""
    import torch

    from dropnet.training.data import load_task

    files = [data / f"{settings.dataset}{end}.safetensors" for end in ("", "_split_all")]

    def work() -> None:
        task = load_task(settings, *files, torch.device("cpu"))
        getattr(task, "blocks", None)

    return of_rounds(work)


def time_figure(config: Config) -> dict[str, float]:
    """CPU seconds of a figure's table and drawing, from the published runs of Figure 3."""
    with tempfile.TemporaryDirectory() as folder:
        curve, png, svg = (str(Path(folder, name)) for name in ("curve.csv", "fig.png", "fig.svg"))
        methods = json.dumps(configuration.figure_runs(config, "fig03"))
        runs = pd.read_csv(PUBLISHED / "paper/runs.csv")
        runs[runs.experiment == "FC40-FC40"].to_csv(Path(folder, "runs.csv"), index=False)
        table = ["--figure", "fig03", "--shows", "test_accuracy", "--methods", methods]
        table += ["--stop-fraction", "0", "--output", curve, str(Path(folder, "runs.csv"))]
        face = {"title": "Figure 3", "scale": SCALE, "reductions": "", "note": ""}
        face |= {"shows": "test_accuracy", "unit": "nodes"}
        drawing = ["--curve", curve, "--face", json.dumps(face), "--png", png, "--svg", svg]
        return {
            "aggregate_curve": of_rounds(lambda: run_script("aggregate_curve", *table)),
            "plot_figure": of_rounds(lambda: run_script("plot_figure", *drawing)),
        }


# --- epochs, from the published runs -----------------------------------------------------------


class Epochs:
    """How many epochs a network trains in a cycle, by the fraction remaining."""

    def __init__(self, runs: pd.DataFrame) -> None:
        # cycle 0 is listed with every method that shares it
        columns = ["experiment", "method", "seed", "cycle"]
        shared = (runs.cycle == 0) & ~runs.method.str.endswith("(random_init)")
        runs = runs.assign(method=runs.method.mask(shared, configuration.BASELINE))
        self.runs = runs.drop_duplicates(columns).assign(band=runs.fraction_remaining.map(band))

    @cache  # noqa: B019 - lives as long as the program
    def of(self, of_band: float, seeds: int) -> tuple[float, float]:
        """Mean epochs, and those of the longest of so many seeds that are stacked."""
        runs = self.runs[self.runs.band == of_band]
        stacks = runs.groupby(["experiment", "method", "cycle", runs.seed // seeds]).epochs
        return runs.epochs.mean(), stacks.max().mean()


class Largest:
    """For a model without measured epochs: the most that any other has."""

    def __init__(self, others: Sequence[Epochs]) -> None:
        self.others = others

    def of(self, of_band: float, seeds: int) -> tuple[float, float]:
        """As `Epochs.of`."""
        return max(other.of(of_band, seeds) for other in self.others)


class Always:
    """Every network trains for as long."""

    def __init__(self, epochs: float) -> None:
        self.epochs = epochs

    def of(self, of_band: float, seeds: int) -> tuple[float, float]:
        """As `Epochs.of`."""
        return self.epochs, self.epochs


AnyEpochs = Epochs | Largest | Always


def band(fraction: float) -> float:
    """The lower end of its band.

    >>> band(1.0), band(0.5), band(0)
    (0.5, 0.2, 0.0)
    """
    return next((low for low in BANDS if fraction > low), BANDS[-1])


def published_runs(config: Config, scale: str) -> pd.DataFrame:
    """All published runs of a scale, with the family of their model."""
    folder = PUBLISHED / scale
    files = [*folder.glob("runs.csv"), *sorted(folder.glob("unfinished/*/*/runs_*.csv"))]
    runs = pd.concat(map(pd.read_csv, files), ignore_index=True)
    return runs.assign(family=runs.experiment.map(lambda e: config["experiments"][e]["model"]))


def published_scales(config: Config) -> list[str]:
    return sorted(path.name for path in PUBLISHED.glob("*/") if path.name in config["scales"])


def epochs_by_family(runs: pd.DataFrame) -> dict[str, Epochs]:
    return {family: Epochs(of_family) for family, of_family in runs.groupby("family")}


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


def gpu_speed(settings: Settings, image: Sequence[int]) -> Speed:
    """Of a GPU that nobody measured: its arithmetic or its launches, whichever takes longer."""
    from dropnet.networks.sizes import size_of
    from dropnet.networks.steps import steps_of, weighted_steps

    layers = layers_of(settings)

    @cache
    def size(fraction: float) -> tuple[float, int]:
        steps = steps_of(layers, tuple(image), random_masks(masked_widths(layers), fraction, 0))
        count = len(list(weighted_steps(steps)))
        return 2 * size_of(steps, *image[1:]).multiply_adds, count

    def speed(kind: str, fraction: float, networks: float) -> float:
        flops, count = size(fraction)
        passes = 3 if kind == "train" else 1  # forward, and two products backward
        arithmetic = networks * passes * flops / GPU_FLOPS
        return max(arithmetic, LAUNCHES[kind] * count * LAUNCH_SECONDS / settings.batch_size)

    return speed


def images_of(settings: Settings) -> tuple[int, int, int]:
    """Images of the training split, the validation split (a tenth), the test set."""
    train, test = OFFICIAL[settings.dataset]
    train, test = settings.train_images or train, settings.test_images or test
    return train - train // 10, train // 10, test


def training_seconds(
    settings: Settings, job: Job, epochs: AnyEpochs, speed: Speed, seeds: int | None = None
) -> float:
    """Training, evaluation, scores and oracle of a job; `seeds` in place of its own number."""
    seeds = seeds or len(job.seed_numbers)
    train, validation, test = images_of(settings)
    seconds = 0.0
    for fraction in fractions_trained(settings, job):
        mean, longest = epochs.of(band(fraction), seeds)
        stacked = seeds * mean / longest  # networks that are left in the stack, on average
        seconds += longest * train * speed("train", fraction, stacked)
        seconds += longest * validation * speed("evaluate", fraction, stacked)
        seconds += test * speed("evaluate", fraction, seeds)
        seconds += train * speed("score", fraction, seeds)
    return seconds + oracle_seconds(settings, job, seeds)


def oracle_seconds(settings: Settings, job: Job, seeds: int) -> float:
    """Losses without each node: as benchmarked at full size, falling as the fraction squared."""
    if job.method is None or job.method.metric != "oracle":
        return 0.0
    models = json.loads((PUBLISHED / "benchmarks/bench.json").read_text())["oracle"]["models"]
    full = models["A" if settings.model == "FC" else "B"]["our_s"]["median"]
    return seeds * full * sum(f**2 for f in [1.0, *fractions_trained(settings, job)])


# --- all jobs ----------------------------------------------------------------------------------


class Forecast:
    """Seconds of every job of scale `paper`."""

    def __init__(self, config: Config, measured: Mapping[str, Any], graph: Graph) -> None:
        self.config, self.measured, self.graph = config, measured, graph
        by_protocol = pd.concat([published_runs(config, s) for s in self.unreduced()])
        self.epochs = epochs_by_family(by_protocol)
        self.others: AnyEpochs = Largest(list(self.epochs.values()))

    def unreduced(self) -> Iterator[str]:
        """The published scales whose networks are trained as the paper's are."""

        def of(scale: str, name: str) -> Settings:
            return replace(configuration.settings(self.config, scale, name), scale=SCALE)

        for scale in published_scales(self.config):
            names = configuration.experiments(self.config, scale)
            if all(of(scale, name) == of(SCALE, name) for name in names):
                yield scale

    def settings(self, job: Job, scale: str = SCALE) -> Settings:
        return configuration.settings(self.config, scale, job.experiment, job.method)

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

    def seconds(self, gpu: bool = False) -> dict[int, float]:
        """Of all jobs, by their ids."""
        found = {}
        for number, rule in self.graph.rules.items():
            job = self.graph.training.get(number)
            if job is None:
                found[number] = self.other(rule)
            else:
                speed = self.gpu_speed(job) if gpu else None
                found[number] = self.fixed(rule, job) + self.training(job, speed)
        return found

    def gpu_speed(self, job: Job) -> Speed:
        """On the assumed GPU."""
        settings = self.settings(job)
        return gpu_speed(settings, self.config["datasets"][settings.dataset]["image"])

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
        settings = configuration.settings(self.config, SCALE, job.experiment)
        if settings.prune_fraction == 0:
            return ORACLE
        return next(name for name, has in GROUPS.items() if has(settings))

    def title(self, number: int) -> str:
        """A job in words."""
        job = self.graph.training.get(number)
        rule = self.graph.rules[number]
        return rule if job is None else f"{job.experiment}, {job.name}"


# --- what follows ------------------------------------------------------------------------------


def work_out(config: Config, measured: Mapping[str, Any]) -> dict[str, Any]:
    """All that the document says."""
    graph = read_graph(config, SCALE)
    forecast = Forecast(config, measured, graph)
    seconds, on_gpu = forecast.seconds(), forecast.seconds(gpu=True)
    chain = [n for n in critical_path(seconds, graph.needs) if seconds[n]]
    return {
        "jobs": dict(Counter(graph.rules.values())),
        "edges": sum(map(len, graph.needs.values())),
        "epochs": epochs_used(config, forecast),
        "groups": groups(forecast, seconds, on_gpu),
        "longest": longest_jobs(forecast, seconds),
        "chain": [{"job": forecast.title(n), "hours": seconds[n] / 3600} for n in chain],
        "scaling": scaling(seconds, graph),
        "useful": useful_cores(seconds, graph),
        "packing": packing(forecast),
        "recorded": beside_recorded(forecast),
        "assumed": {"gpu_flops": GPU_FLOPS, "launch_s": LAUNCH_SECONDS, "launches": LAUNCHES}
        | {"prepare_s": PREPARE_SECONDS, "margin": MARGIN},
    }


def epochs_used(config: Config, forecast: Forecast) -> dict[str, Any]:
    """Mean epochs by family and band; what the work would be with other ones than assumed."""
    names = configuration.experiments(config, SCALE)
    families = {config["experiments"][name]["model"] for name in names}
    reduced = published_runs(config, "evidence")
    cut_short = Epochs(reduced[reduced.family == "ConvFC256"]).runs.epochs
    limit = configuration.settings(config, SCALE, names[0]).max_epochs
    return {
        "bands": BANDS,
        "measured": {
            family: {"networks": len(of.runs), "mean": [of.of(low, 1)[0] for low in BANDS]}
            for family, of in forecast.epochs.items()
        },
        "assumed": [forecast.others.of(low, 1)[0] for low in BANDS],
        "families_assumed": sorted(families - set(forecast.epochs)),
        # all that is published of Model C: too low, as training was stopped at a limit
        "cut_short": {
            "limit": configuration.settings(config, "evidence", MODEL_C).max_epochs,
            "mean": cut_short.mean(),
            "work": total_with(forecast, cut_short.mean()),
        },
        "limit": {"epochs": limit, "work": total_with(forecast, limit)},
    }


def total_with(forecast: Forecast, epochs: float) -> float:
    """Core-hours of everything if the families that nobody measured train for so many epochs."""
    other = copy.copy(forecast)
    other.others = Always(epochs)
    return sum(other.seconds().values()) / 3600


def groups(forecast: Forecast, seconds: Seconds, on_gpu: Seconds) -> list[dict[str, Any]]:
    """Core-hours and GPU-hours by group, in the order of GROUPS."""
    rows = []
    for name in [*GROUPS, APOZ, ORACLE, OTHERS]:
        members = [number for number in seconds if forecast.group(number) == name]
        trains = name != OTHERS
        rows.append(
            {
                "group": name,
                "jobs": len(members),
                "core_hours": sum(seconds[n] for n in members) / 3600,
                "longest_hours": max(seconds[n] for n in members) / 3600,
                "gpu_hours": sum(on_gpu[n] for n in members) / 3600 if trains else None,
            }
        )
    return rows


def longest_jobs(forecast: Forecast, seconds: Seconds) -> dict[str, Any]:
    """The longest job of each rule that trains, and the limit in minutes that follows from it."""
    found = {}
    for rule in TRAINING:
        of_rule = [n for n, r in forecast.graph.rules.items() if r == rule]
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
    alike = jobs.groupby(["scale", "experiment", "method"]).recorded.agg(["min", "max"])
    (_, experiment, method), most = max(
        alike.iterrows(), key=lambda row: row[1]["max"] / row[1]["min"]
    )
    return {"rows": rows, "alike": {"job": f"{experiment}, {method}"} | most.to_dict()}


def predicted_and_recorded(forecast: Forecast) -> Iterator[dict[str, Any]]:
    """A row for each published training job, in seconds."""
    for scale in published_scales(forecast.config):
        runs = published_runs(forecast.config, scale)
        means, every = epochs_by_family(runs), Epochs(runs).runs
        for job, recorded in recorded_jobs(forecast.config, scale):
            settings = forecast.settings(job, scale)
            own = every[(every.experiment == job.experiment) & (every.method == job.name)]
            own = Epochs(own[own.seed.isin(job.seed_numbers)])
            speed = core_speed(forecast.measured, settings)
            loading = forecast.measured["loading_s"][loading_name(settings)]
            yield {
                "scale": scale,
                "model": settings.model,
                "experiment": job.experiment,
                "method": job.name,
                "predicted": loading
                + training_seconds(settings, job, means[settings.model], speed),
                "own": loading + training_seconds(settings, job, own, speed),
                "recorded": recorded,
            }


def recorded_jobs(config: Config, scale: str) -> Iterator[tuple[Job, float]]:
    """The published training jobs of a scale, with the seconds that their cycles took."""
    known = {
        (job.experiment, job.name, job.seeds): job for job in configuration.all_jobs(config, scale)
    }
    for file in (PUBLISHED / scale).glob("provenance.json"):
        for row in json.loads(file.read_text(encoding="utf-8"))["jobs"]:
            job = known[row["experiment"], row["method"], row["seeds"]]
            yield job, row["wall_seconds"]
    for file in sorted((PUBLISHED / scale).glob("unfinished/*/*/provenance_*.json")):
        row = json.loads(file.read_text(encoding="utf-8"))
        seeds = f"{row['seeds'][0]}-{row['seeds'][-1]}"
        method = row.get("method", configuration.BASELINE)
        yield known[row["settings"]["experiment"], method, seeds], row["wall_seconds"]


# --- the document ------------------------------------------------------------------------------


def document(record: Mapping[str, Any]) -> str:
    """docs/scaling.md, from scaling.json alone."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(HERE),
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters |= {"digits": three_digits, "hours": in_hours}
    results = record["results"]
    by_cores = {row["cores"]: row for row in results["scaling"]}
    small = [row["core_hours"] for row in results["groups"] if row["group"] not in LARGE]
    return environment.get_template(TEMPLATE).render(
        **results,
        processor=record["made_with"]["processor"],
        fractions=record["fractions"],
        by_cores=by_cores,
        path=sum(link["hours"] for link in results["chain"]),
        large=LARGE,
        without_large=sum(small),
        good_efficiency=GOOD_EFFICIENCY,
    )


def in_hours(hours: float) -> str:
    """A time that is read at a glance.

    >>> in_hours(0.0123), in_hours(7.25), in_hours(123.4), in_hours(24 * 365.0)
    ('44 s', '7.2 h', '5.14 days', '365 days')
    """
    if hours < 1:
        return f"{3600 * hours:.0f} s" if hours < 1 / 30 else f"{60 * hours:.0f} min"
    return f"{hours:.1f} h" if hours < 48 else f"{three_digits(hours / 24)} days"


def draw(results: Mapping[str, Any], target: Path) -> None:
    """Wall time against cores."""
    import matplotlib as mpl
    from matplotlib.figure import Figure

    cores = [row["cores"] for row in results["scaling"]]
    path = sum(link["hours"] for link in results["chain"])
    with mpl.rc_context({"svg.hashsalt": "dropnet", "font.size": 10}):
        figure = Figure(figsize=(6.4, 4), layout="constrained")
        axes = figure.subplots()
        work = results["scaling"][0]["hours"]
        axes.plot(cores, [work / c for c in cores], "--", color="0.5", label="ideal: work / cores")
        axes.axhline(path, color="#c44e52", ls=":", label=f"critical path: {in_hours(path)}")
        for key, style, label in (
            ("first_come_hours", "s-", "first come, first served"),
            ("hours", "o-", "longest path first"),
        ):
            hours = [row[key] for row in results["scaling"]]
            axes.plot(cores, hours, style, ms=4, lw=1.2, label=label)
        axes.set(xscale="log", yscale="log", xlabel="cores", ylabel="wall time, hours (predicted)")
        axes.set_xticks(cores, [str(c) for c in cores], rotation=30)
        axes.yaxis.set_major_formatter("{x:,.0f}")
        axes.minorticks_off()
        axes.grid(alpha=0.3)
        axes.legend(frameon=False)
        with atomic_path(target) as temporary:
            figure.savefig(temporary, format="svg", metadata={"Date": None})


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--measure", action="store_true", help="time all networks and scripts anew")
    parser.add_argument("--data", type=Path, default=REPOSITORY / "results/data")
    options = parser.parse_args()
    with exit_on_user_error():
        config = configuration.load(REPOSITORY / "config.yaml")
        if options.measure:
            measured = measure(config, options.data)
        else:
            measured = json.loads(RECORD.read_text(encoding="utf-8"))
        record = {**measured, "results": work_out(config, measured)}
        write_json(RECORD, record)
        record = json.loads(RECORD.read_text(encoding="utf-8"))  # as the tests read it
        write_text(DOCUMENT, document(record))
        draw(record["results"], FIGURE)


if __name__ == "__main__":
    main()
