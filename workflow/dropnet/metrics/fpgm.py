"""Filters that others can stand in for go first (He et al., 2019; not cited by the paper).

Score: the sum of the distances, by the 2-norm, of a node's or filter's incoming weights to those of
all others that remain in its layer: filter pruning via the geometric median. Not invariant when a
node's weights are scaled. The reference prunes each layer by itself; the global form is ours.
"""

import torch

from dropnet.networks.cycle import Statistics
from dropnet.training.gathering import Trained


def importance(statistics: Statistics) -> list[torch.Tensor]:
    """Return the summed distances."""
    return list(statistics["distance_to_others"])


def measure(trained: Trained) -> Statistics:
    """Return `distance_to_others`."""
    exact = "donot_use_mm_for_euclid_dist"  # small differences of large numbers are wanted
    distances = [torch.cdist(w, w, compute_mode=exact) for w in trained.incoming]
    return {"distance_to_others": [of_layer.sum(1) for of_layer in distances]}
