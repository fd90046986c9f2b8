"""CPU seconds of all that jobs do, on one core: the first half of scaling.json."""

import json
import os
import resource
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from statistics import median
from typing import Any

import pandas as pd
import torch

from benchmarks.bench import SCALE, files_of
from benchmarks.processes import ONE_THREAD, REPOSITORY, run_script
from benchmarks.report import tell
from benchmarks.scaling.published import PUBLISHED, published_scales, recorded_jobs
from benchmarks.sides.ours import random_masks
from dropnet.config.plan import Plan
from dropnet.data.dataset import Dataset
from dropnet.files.artifacts import load_tensors
from dropnet.files.provenance import cpu_model, git_state, versions
from dropnet.networks.models import masked_widths
from dropnet.networks.weights import compact, initial_weights
from dropnet.settings import Settings
from dropnet.training.data import load_task
from dropnet.training.engines import make_task
from dropnet.training.task import BaseTask

FRACTIONS = (0.05, 0.1, 0.25, 0.5, 1.0)  # at which networks are timed; cost between is interpolated
ROUNDS = 3  # of every measurement; the median counts
STACK = 15  # fully connected networks that a job trains side by side
# images of one timing: a few dozen batches, fewer where a batch takes a third of a second
IMAGES = {"FC": 6400, "ResNet18": 320, "VGG19": 320}
FEWER_IMAGES = 960  # of the other models
KINDS = ("train", "evaluate", "score")


def measure(plan: Plan, data: Path) -> dict[str, Any]:
    """CPU seconds of all that jobs do, on one core."""
    torch.set_num_threads(1)
    os.environ |= ONE_THREAD  # of the scripts started from here
    networks: dict[str, Any] = {}
    loading: dict[str, float] = {}
    for settings in settings_to_measure(plan):
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
        "figure_s": time_figure(plan),
    }


def settings_to_measure(plan: Plan) -> Iterator[Settings]:
    """Of scale paper, and of the published jobs, which may be reduced."""
    experiments = [(SCALE, experiment) for experiment in plan.at(SCALE).experiments]
    for scale in published_scales(plan):
        recorded = {job.experiment for job, _ in recorded_jobs(plan.at(scale))}
        experiments += [(scale, experiment) for experiment in sorted(recorded)]
    return (plan.at(scale).settings(experiment) for scale, experiment in experiments)


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
    dataset, split_file = files_of(data, settings.dataset)
    images = Dataset.load(dataset)
    indices, _ = load_tensors(split_file)
    chosen = indices["train"][: IMAGES.get(settings.model, FEWER_IMAGES)]
    split = images.train_images[chosen], images.train_labels[chosen]
    task = make_task(split, split, split, settings)
    sizes = {"alone": 1} | ({"stack": STACK} if settings.model == "FC" else {})
    seconds: dict[str, dict[str, list[float]]] = {}
    for size, count in sizes.items():
        seconds[size] = {kind: [] for kind in KINDS}
        for fraction in FRACTIONS:
            for kind, taken in time_passes(task, fraction, count).items():
                seconds[size][kind].append(taken / len(chosen))
    return seconds


def time_passes(task: BaseTask, fraction: float, count: int) -> dict[str, float]:
    """CPU seconds of an epoch, of an evaluation and of the scores, for some networks together."""
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


def time_loading(settings: Settings, data: Path) -> float:
    """CPU seconds until a job can begin to train: the data, and what is known of them before."""

    def work() -> None:
        task = load_task(settings, *files_of(data, settings.dataset), torch.device("cpu"))
        getattr(task, "blocks", None)

    return of_rounds(work)


def time_figure(plan: Plan) -> dict[str, float]:
    """CPU seconds of a figure's table and drawing, from the published runs of Figure 3."""
    with tempfile.TemporaryDirectory() as folder:
        curve, png, svg = (str(Path(folder, name)) for name in ("curve.csv", "fig.png", "fig.svg"))
        methods = json.dumps(plan.figures["fig03"].runs)
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
