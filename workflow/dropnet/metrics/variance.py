"""Nodes whose activation is much the same for all samples go first (Polyak & Wolf, 2015).

Score: the variance over samples of the 2-norm, over positions, of a node's post-activations. Such a
node could be replaced by a bias. Not invariant when a node's weights are scaled. Of the reference
only the abstract was at hand: the formula is a reconstruction.
"""

from collections.abc import Sequence

import torch

from dropnet.networks.cycle import Statistics
from dropnet.training.gathering import Gathered, Observation


def gather(layers: Sequence[Observation]) -> Gathered:
    """Return `activation_norm` and its square, summed over the samples."""
    norms = [layer.activation.double().norm(dim=1) for layer in layers]
    return {
        "activation_norm": [of_layer.sum(0) for of_layer in norms],
        "squared_activation_norm": [of_layer.square().sum(0) for of_layer in norms],
    }


def importance(statistics: Statistics) -> list[torch.Tensor]:
    """Return the variances."""
    means, squares = statistics["activation_norm"], statistics["squared_activation_norm"]
    return [
        (square - mean.square()).clamp(min=0) for mean, square in zip(means, squares, strict=True)
    ]
