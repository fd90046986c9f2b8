"""Filters with the smallest sum of absolute weights go first (Li et al., 2017, Section 3.1).

Score: the 1-norm of the weights that enter a node or filter, its bias not among them. Not invariant
when a node's incoming weights are scaled and its outgoing ones by the inverse. The reference
compares filters of one layer, as the `_layer` form does; the global form is ours.
"""

import torch

from dropnet.networks.cycle import Statistics
from dropnet.training.gathering import Trained


def importance(statistics: Statistics) -> list[torch.Tensor]:
    """Return the norms."""
    return list(statistics["l1_norm"])


def measure(trained: Trained) -> Statistics:
    """Return `l1_norm`."""
    return {"l1_norm": [weights.abs().sum(1) for weights in trained.incoming]}
