"""Model A: fully connected layers."""

from collections.abc import Sequence

from dropnet.networks.models import Dense, Flatten, Layer, check_widths


def layers(widths: Sequence[int], classes: int) -> tuple[Layer, ...]:
    """Model A (Sections 3.3, 4.1): flatten, FC n1 [mask], FC n2 [mask], ..., linear classifier.

    Raises:
        UserError: if there is no hidden layer, or one without nodes.
    """
    check_widths("FC", widths, None)
    hidden = (Dense(width, masked=True) for width in widths)
    return (Flatten(), *hidden, Dense(classes, relu=False))
