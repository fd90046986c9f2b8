"""Train a stack of networks, each until its own early stopping, and measure what came out."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from dropnet.masks import Masks
from dropnet.networks import Cycle, Network, Results, Weights
from dropnet.training.early_stopping import EarlyStopping
from dropnet.training.task import BaseTask as Task


@dataclass(frozen=True)
class Epoch:
    """What is told after each epoch.

    Attributes:
        number: of the epoch, from 1.
        training: how many networks were trained in it.
        val_loss: the lowest validation loss among them.
    """

    number: int
    training: int
    val_loss: float


def train_cycle(
    task: Task,
    number: int,
    seeds: Sequence[int],
    masks: Sequence[Masks],
    weights: Sequence[Weights],
    max_epochs: int,
    patience: int,
    after_epoch: Callable[[Epoch], None] = lambda epoch: None,
) -> Cycle:
    """Train one pruning cycle of a stack of networks, from the weights given.

    A network that stops early leaves the stack, as does one whose loss is no longer finite: it is
    recorded with that loss, and the others go on.

    Args:
        task: the data, prepared.
        number: of the pruning cycle, 0 for the unpruned one.
        seeds: of the networks.
        masks: of the networks; recorded with them.
        weights: initial weights of the networks at their pruned sizes.
        max_epochs: upper bound of the epochs.
        patience: of the early stopping.
        after_epoch: is told how it goes.
    """
    trained: dict[int, Weights] = {}
    last_epoch: dict[int, tuple[float, ...]] = {}
    epochs = dict.fromkeys(range(len(seeds)), 0)
    stoppings = [EarlyStopping(patience) for _ in seeds]
    active = list(range(len(seeds)))
    stack = task.stack(weights, masks)
    for epoch in range(1, max_epochs + 1):
        train_losses, train_accuracies = stack.train_epoch()
        val_losses, val_accuracies = stack.evaluate(task.validation)
        after_epoch(Epoch(epoch, len(active), min(val_losses)))
        going_on = []
        measured = zip(train_accuracies, train_losses, val_accuracies, val_losses, strict=True)
        for network, numbers in zip(active, measured, strict=True):
            last_epoch[network], epochs[network] = numbers, epoch
            _, train_loss, _, val_loss = numbers
            finite = math.isfinite(train_loss) and math.isfinite(val_loss)
            if finite and not stoppings[network].stops_after(val_loss):
                going_on.append(network)
        if len(going_on) < len(active) or epoch == max_epochs:
            current = dict(zip(active, stack.weights(), strict=True))
            trained |= current
            if not going_on:
                break
            if len(going_on) < len(active):
                stack = task.stack(
                    [current[network] for network in going_on],
                    [masks[network] for network in going_on],
                )
                active = going_on

    finished = task.stack([trained[n] for n in range(len(seeds))], masks)
    test_losses, test_accuracies = finished.evaluate(task.test)
    statistics = finished.statistics(task.train)
    return Cycle(
        number,
        [
            Network(
                seed=seeds[n],
                masks=masks[n],
                weights=trained[n],
                statistics=statistics[n],
                results=Results(*last_epoch[n], test_accuracies[n], test_losses[n], epochs[n]),
            )
            for n in range(len(seeds))
        ],
    )
