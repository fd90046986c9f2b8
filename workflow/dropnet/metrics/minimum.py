"""DropNet's own metric: nodes with the lowest mean activation go first (Sections 2 and 3.1)."""

import torch

from dropnet.networks.cycle import Statistics


def importance(statistics: Statistics) -> list[torch.Tensor]:
    """Return E itself."""
    return list(statistics["mean_activation"])
