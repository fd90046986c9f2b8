"""Nodes that the loss hardly needs, to first order (Molchanov et al., 2017, Eq. 8).

Score: the mean over samples of the absolute value of the mean over positions of activation times
gradient of the sample's loss; divided by the 2-norm of all scores of the layer, as the reference
does to compare layers. Invariant when a node's incoming weights are scaled and its outgoing ones by
the inverse.
"""

from collections.abc import Sequence

import torch

from dropnet.networks.cycle import Statistics
from dropnet.training.gathering import Gathered, Observation

GRADIENTS = "labels"


def gather(layers: Sequence[Observation]) -> Gathered:
    """Return `taylor`, summed over the samples."""
    means = [layer.by_gate / layer.activation.shape[1] for layer in layers]
    return {"taylor": [of_layer.abs().sum(0) for of_layer in means]}


def importance(statistics: Statistics) -> list[torch.Tensor]:
    """Return the scores; all are 0 in a layer where nothing changes the loss."""
    norms = [scores.norm() for scores in statistics["taylor"]]
    return [
        scores / torch.where(norm > 0, norm, 1)
        for scores, norm in zip(statistics["taylor"], norms, strict=True)
    ]
