"""VGG19."""

from collections.abc import Sequence

from dropnet.networks.models import Conv, Dense, Flatten, Layer, MaxPool, check_widths


def layers(widths: Sequence[int], classes: int) -> tuple[Layer, ...]:
    """VGG19 (Section 4.4): five stages of 2, 2, 4, 4, 4 convolutions, each ended by a pool.

    The last convolution of each stage is batch-normalised; FC256 precedes the classifier.

    Args:
        widths: of the five stages.
        classes: of the data set.

    Raises:
        UserError: if these are not five widths.
    """
    return with_head("VGG19", widths, Dense(256), classes)


def with_head(model: str, widths: Sequence[int], head: Dense, classes: int) -> tuple[Layer, ...]:
    """Return the layers of a VGG19 with a head of its own before the classifier."""
    check_widths(model, widths, 5)
    found: list[Layer] = []
    for width, depth in zip(widths, (2, 2, 4, 4, 4), strict=True):
        found += [*(Conv(width) for _ in range(depth - 1)), Conv(width, batch_norm=True)]
        found.append(MaxPool())
    return (*found, Flatten(), head, Dense(classes, relu=False))
