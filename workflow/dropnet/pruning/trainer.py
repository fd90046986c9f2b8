"""Train cycles of networks from their initial weights, and survive interruptions.

A finished cycle is kept on disk at once, and so are the epochs of a long one.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import cached_property

from dropnet.metrics import Metric
from dropnet.networks.cycle import Cycle, Network, Weights
from dropnet.networks.masks import Masks
from dropnet.networks.models import masked_widths
from dropnet.networks.weights import compact, initial_weights
from dropnet.pruning.progress import Progress
from dropnet.pruning.resume import FinishedCycles
from dropnet.settings import Settings
from dropnet.training.gathering import Gathered, Gatherer, Trained
from dropnet.training.task import BaseTask
from dropnet.training.train import train_cycle


class Trainer:
    """Trains cycles of networks from their initial weights, unless they are finished already."""

    def __init__(
        self,
        seeds: Sequence[int],
        prepare: Callable[[], BaseTask],
        finished: FinishedCycles,
        progress: Progress,
    ) -> None:
        self.seeds = seeds
        self.finished, self.progress = finished, progress
        self._prepare = prepare

    @cached_property
    def task(self) -> BaseTask:
        """The data, prepared when they are first asked for."""
        return self._prepare()

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
            gatherers = metric.gatherers(len(masks)) if metric else []
            cycle = train_cycle(
                self.task,
                number,
                self.seeds,
                masks,
                rewound,
                self.progress.epoch,
                checkpoint,
                gatherers,
            )
            cycle = self._measured(cycle, metric, rewound, gatherers)
            self.finished.put(cycle, checkpoint.seconds)
        self.progress.cycle(cycle, self.finished.seconds[number], resumed)
        return cycle

    def unpruned(self, cycle: Cycle, initial: Sequence[Weights], metric: Metric) -> Cycle:
        """Return cycle 0, with the statistics of the metric; measured once, as it is kept too.

        Args:
            cycle: the trained networks with all their nodes.
            initial: weights that they were trained from.
            metric: whose statistics are needed.
        """
        if not metric.measures:
            return cycle
        masks = [network.masks for network in cycle.networks]
        kept = self.finished.get(cycle.number, masks)
        if kept is None:
            checkpoint = self.finished.checkpoint(cycle.number, masks)
            gatherers = metric.gatherers(len(masks))
            if gatherers:
                stack = self.task.stack([network.weights for network in cycle.networks], masks)
                stack.statistics(self.task.train, gatherers)
            kept = self._measured(cycle, metric, initial, gatherers)
            self.finished.put(kept, checkpoint.seconds)
        return kept

    def _measured(
        self,
        cycle: Cycle,
        metric: Metric | None,
        initial: Sequence[Weights],
        gatherers: Sequence[Gatherer],
    ) -> Cycle:
        """Return the cycle with what the metric measures beyond the statistics it has."""
        if metric is None or not metric.measures:
            return cycle
        samples = len(self.task.train.labels)
        gathered: list[Gathered] = [gatherer.means(samples) for gatherer in gatherers]
        networks = [
            replace(n, statistics=metric.measured(self._trained(n, own, means)))
            for n, own, means in zip(
                cycle.networks, initial, gathered or [{}] * len(cycle.networks), strict=True
            )
        ]
        return replace(cycle, networks=networks)

    def _trained(self, network: Network, initial: Weights, gathered: Gathered) -> Trained:
        return Trained(
            task=self.task,
            weights=network.weights,
            initial=initial,
            masks=network.masks,
            statistics=network.statistics,
            gathered=gathered,
        )


def train_unpruned(
    settings: Settings,
    seeds: Sequence[int],
    task: Callable[[], BaseTask],
    finished: FinishedCycles,
    name: str,
) -> tuple[list[Weights], Cycle]:
    """Train the unpruned networks of an experiment, once a seed, which all its methods share.

    Args:
        settings: of the experiment.
        seeds: of the initial weights.
        task: prepares the data.
        finished: keeps what an interrupted job has done.
        name: of the job, for its log.

    Returns:
        The initial weights of each network, and cycle 0.
    """
    with Progress(name, [1.0], settings.max_epochs) as progress:
        trainer = Trainer(seeds, task, finished, progress)
        initial: list[Weights] = [initial_weights(trainer.task.steps(), seed) for seed in seeds]
        full = [Masks.full(masked_widths(trainer.task.layers)) for _ in seeds]
        return initial, trainer.train(0, full, lambda: initial)
