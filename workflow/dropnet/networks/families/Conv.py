"""Model B: convolutions and a classifier."""

from collections.abc import Iterator, Sequence

from dropnet.networks.models import Conv, Dense, Flatten, Layer, MaxPool, check_widths


def layers(widths: Sequence[int], classes: int) -> tuple[Layer, ...]:
    """Model B (Sections 3.3, 4.2): conv [mask], pool, conv [mask], pool, flatten, classifier.

    Raises:
        UserError: if there is no convolution, or one without filters.
    """
    check_widths("Conv", widths, None)
    return (*conv_pool(widths), Flatten(), Dense(classes, relu=False))


def conv_pool(widths: Sequence[int]) -> Iterator[Layer]:
    """Yield a convolution of each width, each with a pool behind it."""
    for width in widths:
        yield Conv(width)
        yield MaxPool()
