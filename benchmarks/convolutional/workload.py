"""The networks of Figure 6 and of the comparison of losses. The tests hold config.yaml to it."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Architecture:
    """A network whose convolutions are each followed by a mask and a pooling.

    Attributes:
        filters: of each convolution.
        dense: nodes of the layer before the classifier; 0: there is none.
        side: height and width of the images.
        channels: of the images.
        dataset: its name.
    """

    filters: tuple[int, ...]
    dense: int
    side: int
    channels: int
    dataset: str


ARCHITECTURES = {
    "B": Architecture((64, 64), 0, 28, 1, "MNIST"),
    "C": Architecture((64, 64, 128, 128), 256, 32, 3, "CIFAR-10"),
}
FILTERS = ARCHITECTURES["B"].filters
