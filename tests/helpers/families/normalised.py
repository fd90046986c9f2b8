"""A chain with batch normalisation; it has what VGG19 has."""

from dropnet.networks.models import Conv, Dense, Flatten, MaxPool


def layers(widths, classes):
    """A convolution, two normalised ones with a pool behind each, a layer of nodes, the classes."""
    first, second, third = widths
    return (
        Conv(first),
        Conv(second, batch_norm=True),
        MaxPool(),
        Conv(third, batch_norm=True),
        MaxPool(),
        Flatten(),
        Dense(12),
        Dense(classes, relu=False),
    )
