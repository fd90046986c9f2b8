"""The paper's networks of PyTorch's modules, as one writes them."""

from collections.abc import Sequence

import torch
from torch import nn

from dropnet.networks.models import (
    Conv,
    Dense,
    Flatten,
    GlobalAveragePool,
    Layer,
    MaxPool,
    Residual,
    masked_widths,
)


class Both(nn.Module):
    """Two paths that are added."""

    def __init__(self, body: nn.Module, shortcut: nn.Module) -> None:
        """Take the paths."""
        super().__init__()
        self.body, self.shortcut = body, shortcut

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Add them."""
        return self.body(x) + self.shortcut(x)


def plain_network(layers: Sequence[Layer], channels: int, side: int) -> nn.Sequential:
    """A network of PyTorch's modules, as one writes it."""
    found: list[nn.Module] = []
    for layer in layers:
        match layer:
            case Conv(filters=width, batch_norm=normalised):
                found += [nn.Conv2d(channels, width, 3, padding=1), nn.ReLU()]
                if normalised:
                    found.append(nn.BatchNorm2d(width, eps=1e-3, momentum=0.01))
                channels = width
            case Residual(body=body, shortcut=shortcut):
                paths = (plain_network(path, channels, side) for path in (body, shortcut))
                found.append(Both(*paths))
                channels = masked_widths(body)[-1]
            case MaxPool():
                found.append(nn.MaxPool2d(2))
                side //= 2
            case GlobalAveragePool():
                found += [nn.AdaptiveAvgPool2d(1), nn.Flatten()]
                side = 1
            case Flatten():
                found.append(nn.Flatten())
            case Dense(nodes=nodes, relu=relu):
                found.append(nn.Linear(channels * side**2, nodes))
                found += [nn.ReLU()] if relu else []
                channels, side = nodes, 1
    return nn.Sequential(*found)
