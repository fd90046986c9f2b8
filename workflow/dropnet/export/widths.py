"""Networks whose layers are rounded up to a multiple of nodes or filters, with zero weights.

Processors compute several numbers at a time, so that a layer of 21 nodes may take longer than one
of 24. What is added computes 0 and is multiplied by 0: the logits stay the same.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch

from dropnet.networks.cycle import Weights
from dropnet.networks.models import Conv, Flatten, MaxPool
from dropnet.networks.steps import Step, Sum, Weighted, in_rows, weighted_steps


def round_up(
    steps: Sequence[Step], weights: Weights, image_shape: Sequence[int], multiple: int
) -> tuple[tuple[Step, ...], dict[str, torch.Tensor]]:
    """Return the steps and weights of a network with all its widths rounded up to a multiple.

    Images and classes stay as many as they are, and so does a layer of which nothing is left. The
    places of channels in a sum need not ascend, as those of `steps_of` do: the network is one for
    `NetworkModule`, not for an engine.

    Args:
        steps: of the network under its masks.
        weights: of the compacted network.
        image_shape: (channels, height, width) of its images.
        multiple: 1 or more.
    """
    channels, height, width = image_shape
    *_, classifier = weighted_steps(steps)
    walk = _Walk(weights, multiple, classifier.name, torch.arange(channels), channels)
    walk.height, walk.width = height, width
    rounded = walk.follow(steps)
    return rounded, walk.rounded


@dataclass
class _Walk:
    """Where a walk through the steps is.

    Attributes:
        weights: of the network.
        multiple: to round up to.
        classifier: the name of the layer that is not rounded.
        live: which of the channels are the network's own.
        channels: how many there are.
    """

    weights: Weights
    multiple: int
    classifier: str
    live: torch.Tensor
    channels: int
    height: int = 0
    width: int = 0

    def __post_init__(self) -> None:
        self.rounded: dict[str, torch.Tensor] = {}

    def follow(self, steps: Sequence[Step]) -> tuple[Step, ...]:
        """Return the rounded steps, and add their weights to `rounded`."""
        return tuple(self._step(step) for step in steps)

    def _step(self, step: Step) -> Step:
        match step:
            case Weighted():
                return self._weighted(step)
            case Sum():
                return self._sum(step)
            case MaxPool():
                self.height, self.width = self.height // 2, self.width // 2
            case Flatten():
                positions = self.height * self.width
                self.live = in_rows(self.live, self.channels, positions)
                self.channels *= positions
        return step

    def _up(self, count: int) -> int:
        return -(-count // self.multiple) * self.multiple

    def _weighted(self, step: Weighted) -> Weighted:
        own = len(step.outputs)
        outputs = own if step.name == self.classifier else self._up(own)
        convolution = isinstance(step.layer, Conv)
        shape = (outputs, self.channels, 3, 3) if convolution else (self.channels, outputs)
        for name in ("kernel", "bias", "gamma", "beta", "mean", "variance"):
            full_name = f"{step.name}.{name}"
            if full_name not in self.weights:
                continue
            tensor = self.weights[full_name]
            if name != "kernel":
                wide = tensor.new_full((outputs,), float(name == "variance"))
                wide[:own] = tensor
            else:
                wide = tensor.new_zeros(shape)
                if convolution:
                    wide[:own, self.live] = tensor
                else:
                    wide[self.live, :own] = tensor
            self.rounded[full_name] = wide
        rounded = replace(
            step,
            inputs=torch.arange(self.channels),
            outputs=torch.arange(outputs),
            full=(self.channels, outputs),
        )
        self.live, self.channels = torch.arange(own), outputs
        return rounded

    def _sum(self, step: Sum) -> Sum:
        before = self.live, self.channels
        width = self._up(step.width)
        body = self.follow(step.body)
        body_at = _places(step.body_at, self.channels, width)
        self.live, self.channels = before
        shortcut = self.follow(step.shortcut)
        shortcut_at = _places(step.shortcut_at, self.channels, width)
        self.live, self.channels = torch.arange(step.width), width
        return Sum(body, shortcut, width, body_at, shortcut_at)


def _places(own: torch.Tensor, channels: int, width: int) -> torch.Tensor:
    """The places of a path's channels in a sum: its own ones', and any others for those added."""
    free = torch.ones(width, dtype=torch.bool)
    free[own] = False
    return torch.cat([own, free.nonzero().flatten()[: channels - len(own)]])
