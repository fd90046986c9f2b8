"""The networks, declared layer by layer; initial weights and compaction follow from that.

To add a model, write a function from widths and classes to its layers and put it in MODELS.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from dropnet.errors import UserError


@dataclass(frozen=True)
class Dense:
    """A fully connected layer.

    Attributes:
        nodes: width of the layer.
        masked: a ReLU whose nodes can be pruned (True), or the linear classifier (False).
    """

    nodes: int
    masked: bool


def fully_connected(widths: Sequence[int], classes: int) -> tuple[Dense, ...]:
    """Model A (Section 5.1): flatten, FC n1 [mask], FC n2 [mask], ..., linear classifier.

    Raises:
        UserError: if there is no hidden layer, or one without nodes.
    """
    if not widths or min(widths) < 1:
        raise UserError(
            f"widths {list(widths)} do not fit model FC: one or more layers of 1 node or more"
        )
    return (*(Dense(width, masked=True) for width in widths), Dense(classes, masked=False))


MODELS: dict[str, Callable[[Sequence[int], int], tuple[Dense, ...]]] = {"FC": fully_connected}
