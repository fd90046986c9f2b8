"""What is left of a network under its masks: for each layer, its remaining inputs and outputs.

A network is walked once, from the images to the classifier. At each point the walk knows which
channels of the full network can still be anything but zero; a layer keeps these of its inputs, and
of its outputs those that its mask keeps.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import torch

from dropnet.networks.masks import Masks
from dropnet.networks.models import (
    Conv,
    Dense,
    Flatten,
    GlobalAveragePool,
    Layer,
    MaxPool,
    Residual,
    check_pools,
    masked_widths,
)


@dataclass(frozen=True, eq=False)
class Weighted:
    """A convolution or fully connected layer of a compacted network.

    Attributes:
        name: of its weights, e.g. "conv2".
        layer: as declared.
        inputs: indices of the remaining inputs in the full layer.
        outputs: indices of the remaining outputs in the full layer.
        full: numbers of inputs and outputs of the full layer.
        mask: index of its mask, or None for a layer that is not masked.
    """

    name: str
    layer: Conv | Dense
    inputs: torch.Tensor
    outputs: torch.Tensor
    full: tuple[int, int]
    mask: int | None


@dataclass(frozen=True, eq=False)
class Sum:
    """A residual block of a compacted network: two paths that add up to `width` channels.

    Attributes:
        body: its steps.
        shortcut: steps of the other path.
        width: channels of the sum: those that remain on either path.
        body_at: which of them the body's outputs are; likewise `shortcut_at`.
    """

    body: "tuple[Step, ...]"
    shortcut: "tuple[Step, ...]"
    width: int
    body_at: torch.Tensor
    shortcut_at: torch.Tensor


Step = Weighted | Sum | MaxPool | Flatten | GlobalAveragePool


@dataclass
class _Walk:
    """Where a walk through the layers is."""

    masks: Masks
    live: torch.Tensor  # channels that remain
    channels: int  # of the full network
    height: int
    width: int
    weighted: int = 0  # layers with weights so far
    masked: int = 0  # of them with masks
    steps: list[Step] = field(default_factory=list)


def steps_of(
    layers: Sequence[Layer], image_shape: tuple[int, int, int], masks: Masks | None = None
) -> tuple[Step, ...]:
    """Return the steps of a network under its masks (without any: of the full network).

    Args:
        layers: of the network.
        image_shape: (channels, height, width) of its images.
        masks: one mask a masked layer.
    """
    masks = masks or Masks.full(masked_widths(layers))
    channels, height, width = image_shape
    check_pools(layers, height, width)
    walk = _Walk(masks, torch.arange(channels), channels, height, width)
    return _steps(layers, walk)


def _steps(layers: Sequence[Layer], walk: _Walk) -> tuple[Step, ...]:
    steps: list[Step] = []
    for layer in layers:
        match layer:
            case Conv():
                steps.append(_weighted(layer, "conv", layer.filters, True, walk))
            case Dense():
                steps.append(_weighted(layer, "dense", layer.nodes, layer.masked, walk))
            case MaxPool():
                walk.height, walk.width = walk.height // 2, walk.width // 2
                steps.append(layer)
            case GlobalAveragePool():
                walk.height = walk.width = 1
                steps.append(layer)
            case Flatten():
                positions = walk.height * walk.width
                walk.live = in_rows(walk.live, walk.channels, positions)
                walk.channels *= positions
                walk.height = walk.width = 1
                steps.append(layer)
            case Residual():
                steps.append(_sum(layer, walk))
    return tuple(steps)


def _weighted(layer: Conv | Dense, kind: str, width: int, masked: bool, walk: _Walk) -> Weighted:
    walk.weighted += 1
    outputs = walk.masks.kept(walk.masked) if masked else torch.arange(width)
    step = Weighted(
        name=f"{kind}{walk.weighted}",
        layer=layer,
        inputs=walk.live,
        outputs=outputs,
        full=(walk.channels, width),
        mask=walk.masked if masked else None,
    )
    walk.masked += masked
    walk.live, walk.channels = outputs, width
    return step


def _sum(layer: Residual, walk: _Walk) -> Sum:
    before, channels = walk.live, walk.channels
    body = _steps(layer.body, walk)
    body_live = walk.live
    walk.live, walk.channels = before, channels
    shortcut = _steps(layer.shortcut, walk)
    both = torch.cat([body_live, walk.live]).unique()
    step = Sum(
        body=body,
        shortcut=shortcut,
        width=len(both),
        body_at=torch.searchsorted(both, body_live),
        shortcut_at=torch.searchsorted(both, walk.live),
    )
    walk.live = both
    return step


def in_rows(live: torch.Tensor, channels: int, positions: int) -> torch.Tensor:
    """Return the places that some channels of images have in the rows that a `Flatten` makes.

    The order is Keras': position by position, at each all channels.

    Args:
        live: which of the channels, [live].
        channels: how many there are.
        positions: height times width of the images.

    Returns:
        [positions * live].
    """
    return (torch.arange(positions).view(-1, 1) * channels + live).flatten()


def flattened(images: torch.Tensor) -> torch.Tensor:
    """Return images [n, c, h, w] as rows [n, h * w * c], in the order of a `Flatten`."""
    return images.permute(0, 2, 3, 1).flatten(1)


def unflattened(rows: torch.Tensor, image_shape: Sequence[int]) -> torch.Tensor:
    """Return what `flattened` made of images of the shape (c, h, w) as images again."""
    channels, height, width = image_shape
    return rows.view(len(rows), height, width, channels).permute(0, 3, 1, 2)


def weighted_steps(steps: Sequence[Step]) -> Iterator[Weighted]:
    """Yield the layers with weights, in the order of their names' numbers."""
    for step in steps:
        if isinstance(step, Weighted):
            yield step
        elif isinstance(step, Sum):
            yield from weighted_steps([*step.body, *step.shortcut])
