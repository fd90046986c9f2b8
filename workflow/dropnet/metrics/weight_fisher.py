"""Nodes of the smallest saliencies of weights, added up: OBD (LeCun et al., 1990).

Score: half the sum over a node's incoming weights w of w^2 times the mean over samples of the
squared gradient of the sample's loss by w, which stands for the second derivative. Biases are not
among them; every fourth sample is looked at, as squares of single gradients are costly. Invariant
when a node's incoming weights are scaled and its outgoing ones by the inverse. The reference drops
single weights; adding up those of a node is ours.
"""

from collections.abc import Sequence

import torch

from dropnet.networks.cycle import Statistics
from dropnet.training.gathering import Gathered, Observation

GRADIENTS = "labels"
EVERY = 4  # which samples are looked at


def gather(layers: Sequence[Observation]) -> Gathered:
    """Return `weight_fisher`, summed over the samples, of which some stand for all."""
    fewer = [layer.every(EVERY) for layer in layers]
    saliencies = [layer.kernel.square() * layer.squared_weight_gradients for layer in fewer]
    return {"weight_fisher": [EVERY * of_layer.sum(1) / 2 for of_layer in saliencies]}


def importance(statistics: Statistics) -> list[torch.Tensor]:
    """Return the scores."""
    return list(statistics["weight_fisher"])
