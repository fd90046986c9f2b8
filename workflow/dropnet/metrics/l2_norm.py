"""Small weights go first (Han et al., 2015), node by node or filter by filter.

Score: the 2-norm of the weights that enter a node or filter, its bias not among them. Not invariant
when a node's incoming weights are scaled and its outgoing ones by the inverse. The references drop
single weights; whole nodes by the norm of their weights are ours, as is common.
"""

import torch

from dropnet.networks.cycle import Statistics
from dropnet.training.gathering import Trained


def importance(statistics: Statistics) -> list[torch.Tensor]:
    """Return the norms."""
    return list(statistics["l2_norm"])


def measure(trained: Trained) -> Statistics:
    """Return `l2_norm`."""
    return {"l2_norm": [weights.norm(dim=1) for weights in trained.incoming]}
