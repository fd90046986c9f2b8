"""The runs of a method: Algorithm 1 with a metric, or what it left trained from other weights.

A run that is started again replays Algorithm 1 and finds cycles and epochs already trained, so that
it goes on where it was interrupted, with the same numbers.
"""

from collections.abc import Callable, Sequence

from dropnet.metrics import Metric
from dropnet.networks.cycle import Cycle, Weights
from dropnet.networks.weights import initial_weights
from dropnet.pruning.algorithm import prune_iteratively
from dropnet.pruning.progress import Progress
from dropnet.pruning.resume import FinishedCycles
from dropnet.pruning.schedule import fractions_remaining
from dropnet.pruning.trainer import Trainer
from dropnet.settings import Settings
from dropnet.training.task import BaseTask


def prune(
    settings: Settings,
    metric: Metric,
    task: Callable[[], BaseTask],
    initial: Sequence[Weights],
    unpruned: Cycle,
    finished: FinishedCycles,
    name: str,
) -> list[Cycle]:
    """Run Algorithm 1 with a metric and return all its cycles, the unpruned one first.

    Args:
        settings: of the experiment.
        metric: decides what is dropped.
        task: prepares the data; called only if something is left to train.
        initial: theta0 of each network, at full size.
        unpruned: cycle 0, trained by `train_unpruned`.
        finished: cycles trained by an interrupted session.
        name: of the run, for its log.
    """
    seeds = [network.seed for network in unpruned.networks]
    fractions = fractions_remaining(settings, metric.per_layer)[1:]
    with Progress(name, fractions, settings.max_epochs) as progress:
        trainer = Trainer(seeds, task, finished, progress)
        return list(
            prune_iteratively(
                trainer.unpruned(unpruned, metric),
                lambda number, masks: trainer.train(number, masks, lambda: initial, metric),
                metric,
                settings.prune_fraction,
                settings.stop_fraction,
                settings.selection,
            )
        )


def retrain(
    settings: Settings,
    task: Callable[[], BaseTask],
    pruned: Sequence[Cycle],
    finished: FinishedCycles,
    name: str,
) -> list[Cycle]:
    """Train the masks of every cycle of a run, from initial weights other than the run's own.

    A seed has one such initialisation, rewound to in each cycle (Section 6; the authors' notebook
    does the same with another seed). Nothing is scored and dropped: the masks are the run's.

    Args:
        settings: of the experiment.
        task: prepares the data; called only if something is left to train.
        pruned: all cycles of the run, the unpruned one first.
        finished: cycles trained by an interrupted session.
        name: of the run, for its log.
    """
    seeds = [network.seed for network in pruned[0].networks]
    fractions = [cycle.fraction_remaining for cycle in pruned]
    with Progress(name, fractions, settings.max_epochs) as progress:
        trainer = Trainer(seeds, task, finished, progress)

        def fresh() -> list[Weights]:
            return [initial_weights(trainer.task.steps(), seed, "random_init") for seed in seeds]

        return [
            trainer.train(cycle.number, [network.masks for network in cycle.networks], fresh)
            for cycle in pruned
        ]
