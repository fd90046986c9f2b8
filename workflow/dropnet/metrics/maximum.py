"""Nodes with the highest mean activation go first (Section 3.1)."""

import torch

from dropnet.networks.cycle import Statistics


def importance(statistics: Statistics) -> list[torch.Tensor]:
    """Return -E."""
    return [-score for score in statistics["mean_activation"]]
