"""Train a stack of networks, each until its own early stopping, and measure what came out."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from dropnet.networks.cycle import Cycle, Network, Results, Weights
from dropnet.networks.masks import Masks
from dropnet.training.early_stopping import EarlyStopping
from dropnet.training.gathering import Gatherer
from dropnet.training.task import BaseTask, Stack


@dataclass(frozen=True)
class Epoch:
    """What is told after each epoch.

    Attributes:
        number: of the epoch, from 1.
        training: how many networks were trained in it.
    """

    number: int
    training: int


@dataclass(frozen=True)
class Progression:
    """All that training has to know of its past; one entry a network, but for `active`.

    Attributes:
        weights: after its last epoch.
        active: the networks that are still trained, in the order of the stack.
        epochs: that it was trained.
        last_epoch: training accuracy and loss, validation accuracy and loss of its last epoch.
        stoppings: lowest validation loss so far, and epochs since.
    """

    weights: Sequence[Weights]
    active: Sequence[int]
    epochs: Sequence[int]
    last_epoch: Sequence[tuple[float, float, float, float]]
    stoppings: Sequence[tuple[float, int]]


class Checkpoint(Protocol):
    """Keeps the progression of a cycle, so that an interrupted one goes on from there."""

    def load(self) -> Progression | None:
        """Return the progression kept, if there is one."""

    def due(self) -> bool:
        """Say whether the next progression should be kept."""

    def save(self, state: Progression) -> None:
        """Keep a progression."""


def train_cycle(
    task: BaseTask,
    number: int,
    seeds: Sequence[int],
    masks: Sequence[Masks],
    weights: Sequence[Weights],
    after_epoch: Callable[[Epoch], None] = lambda epoch: None,
    checkpoint: Checkpoint | None = None,
    gatherers: Sequence[Gatherer] = (),
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
        after_epoch: is told how it goes.
        checkpoint: where the epochs of an earlier attempt are found, and those of this one kept.
        gatherers: one for each network, of what its metric gathers over the training samples; or
            none.
    """
    count = len(seeds)
    max_epochs, patience = task.settings.max_epochs, task.settings.patience
    state = checkpoint.load() if checkpoint else None
    if state is None:
        state = Progression(
            weights, range(count), [0] * count, [(math.nan,) * 4] * count, [(math.inf, 0)] * count
        )
    current = list(state.weights)
    active, epochs = list(state.active), list(state.epochs)
    last_epoch = list(state.last_epoch)
    stoppings = [EarlyStopping(patience, *past) for past in state.stoppings]

    def stacked() -> Stack:
        return task.stack([current[n] for n in active], [masks[n] for n in active])

    stack: Stack | None = None
    while active:
        if stack is None:
            stack = stacked()
        epoch = epochs[active[0]] + 1
        train_losses, train_accuracies = stack.train_epoch(epoch)
        val_losses, val_accuracies = stack.evaluate(task.validation)
        after_epoch(Epoch(epoch, len(active)))
        going_on = []
        measured = zip(train_accuracies, train_losses, val_accuracies, val_losses, strict=True)
        for network, numbers in zip(active, measured, strict=True):
            last_epoch[network], epochs[network] = numbers, epoch
            _, train_loss, _, val_loss = numbers
            finite = math.isfinite(train_loss) and math.isfinite(val_loss)
            if finite and not stoppings[network].stops_after(val_loss) and epoch < max_epochs:
                going_on.append(network)
        some_left = len(going_on) < len(active)
        keeper = checkpoint if checkpoint is not None and checkpoint.due() else None
        if some_left or keeper is not None:
            for network, own in zip(active, stack.weights(), strict=True):
                current[network] = own
        if some_left:
            active, stack = going_on, None
        if keeper is not None:
            past = [(stopping.lowest, stopping.epochs_without) for stopping in stoppings]
            keeper.save(Progression(current, active, epochs, last_epoch, past))

    finished = task.stack(current, masks)
    test_losses, test_accuracies = finished.evaluate(task.test)
    statistics = finished.statistics(task.train, gatherers)
    return Cycle(
        number,
        [
            Network(
                seed=seeds[n],
                masks=masks[n],
                weights=current[n],
                statistics=statistics[n],
                results=Results(*last_epoch[n], test_accuracies[n], test_losses[n], epochs[n]),
            )
            for n in range(count)
        ],
    )
