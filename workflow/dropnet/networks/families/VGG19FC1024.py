"""VGG19 for Tiny ImageNet."""

from collections.abc import Sequence

from dropnet.networks.families.VGG19 import with_head
from dropnet.networks.models import Dense, Layer


def layers(widths: Sequence[int], classes: int) -> tuple[Layer, ...]:
    """VGG19 as the authors have it for Tiny ImageNet: as `VGG19`, but for FC1024 in its head.

    Raises:
        UserError: if these are not five widths.
    """
    return with_head("VGG19FC1024", widths, Dense(1024), classes)
