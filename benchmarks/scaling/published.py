"""What published runs tell: how many epochs networks train, and how long jobs have taken."""

import copy
from collections.abc import Iterator, Sequence
from functools import cache

import pandas as pd

from benchmarks.processes import REPOSITORY
from dropnet.config.plan import Config, Job, Plan, ScalePlan
from dropnet.publish.record import RECORD as RECORD_NAME
from dropnet.publish.record import Record, folders
from dropnet.tables.runs import BASELINE

PUBLISHED = REPOSITORY / "published"
RECORD = PUBLISHED / "benchmarks/scaling.json"
BANDS = (0.5, 0.2, 0.0)  # of the fraction remaining, by lower end: small networks train for longer


class Epochs:
    """How many epochs a network trains in a cycle, by the fraction remaining."""

    def __init__(self, runs: pd.DataFrame) -> None:
        # cycle 0 is listed with every method that shares it
        columns = ["experiment", "method", "seed", "cycle"]
        shared = (runs.cycle == 0) & ~runs.method.str.endswith("(random_init)")
        runs = runs.assign(method=runs.method.mask(shared, BASELINE))
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


def published_runs(plan: ScalePlan) -> pd.DataFrame:
    """All published runs of a scale, with the family of their model."""
    runs = pd.read_csv(PUBLISHED / plan.scale / "runs.csv")
    return runs.assign(family=runs.experiment.map(lambda name: plan.settings(name).model))


def with_published(config: Config) -> Plan:
    """The plan of a configuration, and of the published scales that it no longer has."""
    config = copy.deepcopy(dict(config))
    for folder in folders(PUBLISHED):
        if folder.name in config["scales"]:
            continue
        settings = Record.read(folder / RECORD_NAME).settings
        config["scales"][folder.name] = {"experiments": list(settings), "seeds_per_job": 1}
        for name, made in settings.items():
            own = {key: made[key] for key in (*config["protocol"], "widths") if key in made}
            config["experiments"][name].setdefault("scales", {})[folder.name] = own
    return Plan(config)


def published_scales(plan: Plan) -> list[str]:
    scales = plan.config["scales"]
    return sorted(path.name for path in PUBLISHED.glob("*/") if path.name in scales)


def epochs_by_family(runs: pd.DataFrame) -> dict[str, Epochs]:
    return {family: Epochs(of_family) for family, of_family in runs.groupby("family")}


def recorded_jobs(plan: ScalePlan) -> Iterator[tuple[Job, float]]:
    """The published training jobs of a scale, with the seconds that their cycles took.

    Those on a GPU, and those of which only some seeds are published, are left out.
    """
    for row in Record.read(PUBLISHED / plan.scale / RECORD_NAME).jobs:
        if row["environment"]["device"] == "cpu" and "trained" not in row:
            methods = {method.name: method for method in plan.plan.experiments[row["experiment"]]}
            job = Job(row["experiment"], methods.get(row["method"]), row["seeds"])
            yield job, row["wall_seconds"]
