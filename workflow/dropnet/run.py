"""Prune the networks of an experiment with one method, and survive interruptions.

A finished cycle is kept on disk at once, and so are the epochs of a long one. A run that is
started again replays Algorithm 1 and finds those cycles and epochs already trained, so that it goes
on where it was interrupted, with the same numbers.
"""

from collections.abc import Callable, Sequence

from dropnet.finished import FinishedCycles
from dropnet.masks import Masks
from dropnet.metrics import METRICS
from dropnet.models import layers_of, masked_widths
from dropnet.networks import Cycle, Weights
from dropnet.progress import Progress
from dropnet.pruning import prune_iteratively
from dropnet.schedule import remaining_counts
from dropnet.settings import Settings
from dropnet.training.task import BaseTask
from dropnet.training.train import train_cycle
from dropnet.weights import compact


def prune(
    settings: Settings,
    method: str,
    task: Callable[[], BaseTask],
    initial: Sequence[Weights],
    unpruned: Cycle,
    finished: FinishedCycles,
    name: str,
) -> list[Cycle]:
    """Run Algorithm 1 with a method and return all its cycles, the unpruned one first.

    Args:
        settings: of the experiment.
        method: a key of METRICS.
        task: prepares the data; called only if something is left to train.
        initial: theta0 of each network, at full size.
        unpruned: cycle 0, trained by `train_unpruned`.
        finished: cycles trained by an interrupted session.
        name: of the run, for its log.
    """
    seeds = [network.seed for network in unpruned.networks]
    metric = METRICS[method]
    layers = layers_of(settings)
    counts = remaining_counts(
        masked_widths(layers), settings.prune_fraction, settings.stop_fraction, metric.per_layer
    )
    prepared: list[BaseTask] = []

    fractions = [count / counts[0] for count in counts[1:]]
    with Progress(name, fractions, settings.max_epochs) as progress:

        def train(number: int, masks: list[Masks]) -> Cycle:
            cycle = finished.get(number, masks)
            resumed = cycle is not None
            if cycle is None:
                prepared[:] = prepared or [task()]
                checkpoint = finished.checkpoint(number, masks)
                steps = [prepared[0].steps(m) for m in masks]
                rewound = [compact(w, s) for w, s in zip(initial, steps, strict=True)]
                cycle = train_cycle(
                    prepared[0], number, seeds, masks, rewound,
                    settings.max_epochs, settings.patience, progress.epoch,
                    checkpoint,
                )  # fmt: skip
                finished.put(cycle, checkpoint.seconds)
            progress.cycle(cycle, resumed)
            return cycle

        return list(
            prune_iteratively(
                unpruned,
                train,
                metric,
                settings.prune_fraction,
                settings.stop_fraction,
                settings.selection,
            )
        )
