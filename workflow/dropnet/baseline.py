"""The unpruned networks of an experiment: trained once a seed, shared by all methods."""

from collections.abc import Sequence

from dropnet.masks import Masks
from dropnet.models import masked_widths
from dropnet.networks import Cycle, Weights
from dropnet.progress import Progress
from dropnet.settings import Settings
from dropnet.training.task import BaseTask as Task
from dropnet.training.train import train_cycle
from dropnet.weights import initial_weights


def train_unpruned(
    settings: Settings, seeds: Sequence[int], task: Task, name: str
) -> tuple[list[Weights], Cycle]:
    """Train the unpruned networks of the seeds; return their initial weights and cycle 0."""
    initial = [initial_weights(task.steps(), seed) for seed in seeds]
    full = [Masks.full(masked_widths(task.layers)) for _ in seeds]
    with Progress(name, [1.0], settings.max_epochs) as progress:
        cycle = train_cycle(
            task, 0, seeds, full, initial, settings.max_epochs, settings.patience, progress.epoch
        )
        progress.cycle(cycle, resumed=False)
    return initial, cycle
