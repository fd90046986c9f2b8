"""ResNet18."""

from collections.abc import Sequence

from dropnet.errors import UserError
from dropnet.networks.models import (
    Conv,
    Dense,
    GlobalAveragePool,
    Layer,
    MaxPool,
    Residual,
    check_widths,
)


def layers(widths: Sequence[int], classes: int) -> tuple[Layer, ...]:
    """ResNet18 without batch normalisation (Section 4.4 and supplementary material).

    Stem conv and pool; four stages of two blocks, the first block of all but the first stage with a
    convolution on its shortcut; pools between the stages; global average pool; linear classifier.

    Args:
        widths: of the stem and of the four stages; the stem is as wide as the first stage.
        classes: of the data set.

    Raises:
        UserError: if these are not five widths, the first two equal.
    """
    check_widths("ResNet18", widths, 5)
    stem, *stages = widths
    if stem != stages[0]:
        raise UserError(
            f"widths {list(widths)} do not fit model ResNet18: the first stage adds to the stem,"
            " so that the first two are equal"
        )
    found: list[Layer] = [Conv(stem), MaxPool()]
    for stage, width in enumerate(stages):
        body = (Conv(width), Conv(width))
        found += [Residual(body, () if stage == 0 else (Conv(width),)), Residual(body)]
        if stage < len(stages) - 1:
            found.append(MaxPool())
    return (*found, GlobalAveragePool(), Dense(classes, relu=False))
