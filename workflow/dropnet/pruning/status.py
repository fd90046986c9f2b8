"""How far a run is, read from the files that it has left so far."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dropnet.config import plan as configuration
from dropnet.metrics import METRICS
from dropnet.networks.models import layers_of, masked_widths
from dropnet.pruning.schedule import remaining_counts
from dropnet.settings import Settings


@dataclass(frozen=True)
class Job:
    """One job that trains: a method (or the baseline) of an experiment for a block of seeds.

    Attributes:
        name: e.g. "FC40-FC40 minimum 0-14".
        finished: pruning cycles that are on disk.
        cycles: pruning cycles in all.
        complete: whether its table is written.
        last_line: of its log, or "".
    """

    name: str
    finished: int
    cycles: int
    complete: bool
    last_line: str


def jobs(config: dict[str, Any], scale: str, results: str | Path = "results") -> Iterator[Job]:
    """Yield the training jobs of a scale in the order of the configuration."""
    for job in configuration.all_jobs(config, scale):
        folder = Path(results) / scale / job.folder
        settings = configuration.settings(config, scale, job.experiment, job.method)
        cycles = len(fractions_trained(settings, job))
        complete = (folder / f"runs_seeds{job.seeds}.csv").exists()
        kept = len(list(folder.glob(f"cycles_seeds{job.seeds}/cycle*.safetensors")))
        log = folder / f"log_seeds{job.seeds}.txt"
        lines = log.read_text().splitlines() if log.exists() else []
        yield Job(
            name=f"{job.experiment} {job.name} {job.seeds}",
            finished=cycles if complete else min(kept, cycles),
            cycles=cycles,
            complete=complete,
            last_line=lines[-1] if lines else "",
        )


def fractions_trained(settings: Settings, job: configuration.Job) -> list[float]:
    """Return the fraction remaining in each cycle that a job trains.

    Only the baseline and new initialisations train the unpruned one.
    """
    if job.method is None:
        return [1.0]
    counts = remaining_counts(
        masked_widths(layers_of(settings)),
        settings.prune_fraction,
        settings.stop_fraction,
        METRICS[job.method.metric].per_layer,
    )
    fractions = [count / counts[0] for count in counts]
    return fractions if job.method.random_init else fractions[1:]
