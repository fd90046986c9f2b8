"""A residual network of four masked widths; it has what ResNet18 has."""

from dropnet.networks.models import Conv, Dense, GlobalAveragePool, MaxPool, Residual


def layers(widths, classes):
    """Stem and pool, a block with the identity, a pool, one with a convolution, the average."""
    stem, inner, wide = widths
    return (
        Conv(stem),
        MaxPool(),
        Residual((Conv(inner), Conv(stem)), ()),
        MaxPool(),
        Residual((Conv(wide),), (Conv(wide),)),
        Residual((Conv(wide),), ()),
        GlobalAveragePool(),
        Dense(classes, relu=False),
    )
