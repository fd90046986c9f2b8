"""The unpruned networks of an experiment: trained once a seed, shared by all methods."""

from collections.abc import Sequence

from dropnet.finished import FinishedCycles
from dropnet.masks import Masks
from dropnet.models import masked_widths
from dropnet.networks import Cycle, Weights
from dropnet.progress import Progress
from dropnet.settings import Settings
from dropnet.training.task import BaseTask
from dropnet.training.train import train_cycle
from dropnet.weights import initial_weights


def train_unpruned(
    settings: Settings,
    seeds: Sequence[int],
    task: BaseTask,
    name: str,
    finished: FinishedCycles | None = None,
) -> tuple[list[Weights], Cycle]:
    """Train the unpruned networks of the seeds; return their initial weights and cycle 0.

    Args:
        settings: of the experiment.
        seeds: of the initial weights.
        task: the data, prepared.
        name: of the job, for its log.
        finished: keeps what an interrupted job has done; None keeps nothing.
    """
    initial = [initial_weights(task.steps(), seed) for seed in seeds]
    full = [Masks.full(masked_widths(task.layers)) for _ in seeds]
    with Progress(name, [1.0], settings.max_epochs) as progress:
        cycle = finished.get(0, full) if finished else None
        resumed = cycle is not None
        if cycle is None:
            checkpoint = finished.checkpoint(0, full) if finished else None
            cycle = train_cycle(
                task, 0, seeds, full, initial, settings.max_epochs, settings.patience,
                progress.epoch, checkpoint,
            )  # fmt: skip
            if finished:
                finished.put(cycle, checkpoint.seconds)
        progress.cycle(cycle, resumed)
    return initial, cycle
