"""As `l2_norm`, divided by the number of weights, to rank layers of unequal fan-in together.

A norm grows with the square root of that number, so that layers with many inputs go first.
Score: the 2-norm of the weights that enter a node or filter, over how many of them remain. In the
`_layer` form it orders as `l2_norm` does. The division is ours.
"""

import torch

from dropnet.networks.cycle import Statistics
from dropnet.training.gathering import Trained


def importance(statistics: Statistics) -> list[torch.Tensor]:
    """Return the norms per weight."""
    return list(statistics["l2_norm_fan_in"])


def measure(trained: Trained) -> Statistics:
    """Return `l2_norm_fan_in`; 0 of a node without inputs."""
    return {"l2_norm_fan_in": [w.norm(dim=1) / max(1, w.shape[1]) for w in trained.incoming]}
