"""From the steps of networks to the operations of their stack."""

from collections.abc import Sequence
from dataclasses import dataclass

from dropnet.networks.models import Conv, Flatten, GlobalAveragePool, MaxPool
from dropnet.networks.steps import Step, Sum, Weighted
from dropnet.training.stacked.memory import IMAGES, Grid, Scratch
from dropnet.training.stacked.operations import (
    Adding,
    Averaging,
    Convolution,
    Nodes,
    Normalisation,
    Operation,
    Pooling,
)
from dropnet.training.task import BaseTask


def operations_of(
    task: BaseTask, networks: Sequence[Sequence[Step]], scratch: Scratch
) -> list[Operation]:
    """Lay out the operations of all networks, given as the steps of each, in their order.

    An operation comes after all that it reads. The networks are those that
    `dropnet.networks.models.is_stackable` admits.
    """
    channels, height, width = task.image_shape
    layout = _Layout(task, scratch, [])
    layout.follow(networks, IMAGES, Grid(height, width, channels))
    return layout.operations


@dataclass(frozen=True)
class _Layout:
    """The operations so far."""

    task: BaseTask
    scratch: Scratch
    operations: list[Operation]

    def follow(
        self, networks: Sequence[Sequence[Step]], source: int, grid: Grid
    ) -> tuple[int, Grid]:
        """Lay out steps that follow a source; return the last operation and where its output is."""
        task, operations = self.task, self.operations
        remaining = list(zip(*networks, strict=True))
        while remaining:
            steps = remaining.pop(0)
            kinds = [type(step) for step in steps]
            weighted = [step for step in steps if isinstance(step, Weighted)]
            sums = [step for step in steps if isinstance(step, Sum)]
            if weighted and isinstance(weighted[0].layer, Conv):
                normalised = weighted[0].layer.batch_norm
                pool = not normalised and bool(remaining) and isinstance(remaining[0][0], MaxPool)
                if pool:
                    remaining.pop(0)
                source, grid = self._put(
                    Convolution(task, weighted, source, grid, pool, self.scratch)
                )
                if normalised:
                    source, grid = self._put(
                        Normalisation(task, weighted, source, grid, self.scratch)
                    )
            elif weighted:
                inputs = operations[source].widths
                source, grid = self._put(Nodes(task, weighted, source, grid, inputs))
            elif sums:
                body = self.follow([step.body for step in sums], source, grid)
                shortcut = self.follow([step.shortcut for step in sums], source, grid)
                source, grid = self._put(Adding(task, sums, body, shortcut))
            elif kinds[0] is MaxPool:
                source, grid = self._put(Pooling(task, source, grid, operations[source].widths))
            elif kinds[0] is GlobalAveragePool:
                source, grid = self._put(Averaging(task, source, grid, operations[source].widths))
            else:
                assert kinds[0] is Flatten  # what reads it finds the positions by itself
        return source, grid

    def _put(self, operation: Operation) -> tuple[int, Grid]:
        self.operations.append(operation)
        return len(self.operations) - 1, operation.grid
