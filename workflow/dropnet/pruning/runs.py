"""The runs of a method: Algorithm 1 with a metric, and what is compared with it.

Beside the metric itself there are its masks trained from other weights, its widths with nodes at
random, and training that goes on where the metric has dropped nodes, without a rewind.

A run that is started again replays Algorithm 1 and finds cycles and epochs already trained, so that
it goes on where it was interrupted, with the same numbers.
"""

from collections.abc import Callable, Sequence

import torch

from dropnet.metrics import Metric
from dropnet.networks.cycle import Cycle, Weights
from dropnet.networks.masks import Masks
from dropnet.networks.weights import expanded, initial_weights
from dropnet.pruning.algorithm import prune_iteratively
from dropnet.pruning.progress import Progress
from dropnet.pruning.resume import FinishedCycles
from dropnet.pruning.schedule import fractions_remaining
from dropnet.pruning.trainer import Trainer
from dropnet.randomness import generator
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
    rewind: bool = True,
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
        rewind: what remains starts from its initial weights; else from its trained ones, which is
            not the paper's algorithm, but that of many criteria that it cites.
    """
    seeds = [network.seed for network in unpruned.networks]
    fractions = fractions_remaining(settings, metric.per_layer)[1:]
    with Progress(name, fractions, settings.max_epochs) as progress:
        trainer = Trainer(seeds, task, finished, progress)
        last = unpruned

        def start() -> Sequence[Weights]:
            if rewind:
                return initial
            return [expanded(n.weights, trainer.task.steps(n.masks)) for n in last.networks]

        def train(number: int, masks: list[Masks]) -> Cycle:
            nonlocal last
            last = trainer.train(number, masks, start, metric)
            return last

        return list(
            prune_iteratively(
                trainer.unpruned(unpruned, initial, metric),
                train,
                metric,
                settings.prune_fraction,
                settings.stop_fraction,
                settings.selection,
            )
        )


def prune_shuffled(
    settings: Settings,
    task: Callable[[], BaseTask],
    initial: Sequence[Weights],
    pruned: Sequence[Cycle],
    finished: FinishedCycles,
    name: str,
) -> list[Cycle]:
    """Run Algorithm 1 with the widths that a metric found, and nodes at random.

    In each cycle each layer loses as many nodes as it did in the metric's run, and which of them is
    left to chance: how good a metric is beyond the widths that it finds.

    Args:
        settings: of the experiment.
        task: prepares the data; called only if something is left to train.
        initial: theta0 of each network, at full size.
        pruned: all cycles of the metric's run, the unpruned one first.
        finished: cycles trained by an interrupted session.
        name: of the run, for its log.
    """
    unpruned = pruned[0]
    seeds = [network.seed for network in unpruned.networks]
    fractions = [cycle.fraction_remaining for cycle in pruned[1:]]
    with Progress(name, fractions, settings.max_epochs) as progress:
        trainer = Trainer(seeds, task, finished, progress)
        cycles = [unpruned]
        for cycle in pruned[1:]:
            masks = [
                thinned(before.masks, own.masks.remaining, ("shuffled", own.seed, cycle.number))
                for before, own in zip(cycles[-1].networks, cycle.networks, strict=True)
            ]
            cycles.append(trainer.train(cycle.number, masks, lambda: initial))
        return cycles


def thinned(masks: Masks, remaining: Sequence[int], purpose: Sequence[object]) -> Masks:
    """Return masks with so many nodes remaining in each layer, which ones at random.

    Args:
        masks: of a network.
        remaining: how many nodes of each layer are to remain, at most those that do.
        purpose: of the random numbers.
    """
    random = generator(*purpose)
    return masks.drop(
        [
            torch.randperm(count, generator=random)[: count - left]
            for count, left in zip(masks.remaining, remaining, strict=True)
        ]
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
