"""Prune the networks of an experiment with one method, and survive interruptions.

A finished cycle is kept on disk at once, and so are the epochs of a long one. A run that is
started again replays Algorithm 1 and finds those cycles and epochs already trained, so that it goes
on where it was interrupted, with the same numbers.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace

from dropnet.finished import FinishedCycles
from dropnet.masks import Masks
from dropnet.metrics import Metric
from dropnet.models import layers_of, masked_widths
from dropnet.networks import Cycle, Weights
from dropnet.progress import Progress
from dropnet.pruning import prune_iteratively
from dropnet.schedule import remaining_counts
from dropnet.settings import Settings
from dropnet.training.task import BaseTask
from dropnet.training.train import train_cycle
from dropnet.weights import compact, initial_weights


class _Trainer:
    """Trains cycles of networks from their initial weights, unless they are finished already."""

    def __init__(
        self,
        settings: Settings,
        seeds: Sequence[int],
        prepare: Callable[[], BaseTask],
        finished: FinishedCycles,
        progress: Progress,
    ) -> None:
        self.settings, self.seeds = settings, seeds
        self.finished, self.progress = finished, progress
        self._prepare, self._prepared = prepare, []

    @property
    def task(self) -> BaseTask:
        """The data, prepared when they are first asked for."""
        self._prepared = self._prepared or [self._prepare()]
        return self._prepared[0]

    def train(
        self,
        number: int,
        masks: Sequence[Masks],
        initial: Callable[[], Sequence[Weights]],
        metric: Metric | None = None,
    ) -> Cycle:
        """Return a cycle, with the statistics of the metric.

        Args:
            number: of the cycle.
            masks: of the networks.
            initial: gives the initial weights of each network, at full size.
            metric: whose statistics are needed; None for those that every cycle has.
        """
        cycle = self.finished.get(number, masks)
        resumed = cycle is not None
        if cycle is None:
            checkpoint = self.finished.checkpoint(number, masks)
            steps = [self.task.steps(m) for m in masks]
            rewound = [compact(w, s) for w, s in zip(initial(), steps, strict=True)]
            cycle = train_cycle(
                self.task, number, self.seeds, masks, rewound,
                self.settings.max_epochs, self.settings.patience, self.progress.epoch,
                checkpoint,
            )  # fmt: skip
            cycle = self.measured(cycle, metric)
            self.finished.put(cycle, checkpoint.seconds)
        self.progress.cycle(cycle, resumed)
        return cycle

    def unpruned(self, cycle: Cycle, metric: Metric) -> Cycle:
        """Return cycle 0, with the statistics of the metric; measured once, as it is kept too."""
        if metric.measure is None:
            return cycle
        masks = [network.masks for network in cycle.networks]
        kept = self.finished.get(cycle.number, masks)
        if kept is None:
            kept = self.measured(cycle, metric)
            self.finished.put(kept, self.finished.checkpoint(cycle.number, masks).seconds)
        return kept

    def measured(self, cycle: Cycle, metric: Metric | None) -> Cycle:
        """Return the cycle with what the metric measures beyond the statistics it has."""
        measure = metric.measure if metric else None
        if measure is None:
            return cycle
        networks = [
            replace(n, statistics={**n.statistics, **measure(self.task, n.weights, n.masks)})
            for n in cycle.networks
        ]
        return replace(cycle, networks=networks)


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
    counts = remaining_counts(
        masked_widths(layers_of(settings)),
        settings.prune_fraction,
        settings.stop_fraction,
        metric.per_layer,
    )
    fractions = [count / counts[0] for count in counts[1:]]
    with Progress(name, fractions, settings.max_epochs) as progress:
        trainer = _Trainer(settings, seeds, task, finished, progress)
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
        trainer = _Trainer(settings, seeds, task, finished, progress)

        def fresh() -> list[Weights]:
            return [initial_weights(trainer.task.steps(), seed, "random_init") for seed in seeds]

        return [
            trainer.train(cycle.number, [network.masks for network in cycle.networks], fresh)
            for cycle in pruned
        ]
