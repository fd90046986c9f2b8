"""Model C: convolutions, a fully connected layer and a classifier."""

from collections.abc import Sequence

from dropnet.networks.families.Conv import conv_pool
from dropnet.networks.models import Dense, Flatten, Layer, check_widths


def layers(widths: Sequence[int], classes: int) -> tuple[Layer, ...]:
    """Model C (Sections 3.3, 4.3): four times conv [mask] and pool, flatten, FC256, classifier.

    Raises:
        UserError: if there is no convolution, or one without filters.
    """
    check_widths("ConvFC256", widths, None)
    return (*conv_pool(widths), Flatten(), Dense(256), Dense(classes, relu=False))
