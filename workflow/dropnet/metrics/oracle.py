"""The greedy oracle: the node without which the training loss is lowest goes first (Section 5).

It is exact: the mean loss over the whole training split without each remaining node in turn. It is
for networks whose layers follow each other (models FC, Conv, ConvFC256).
"""

import torch

from dropnet.networks.cycle import Statistics
from dropnet.training.gathering import Trained
from dropnet.training.removal import losses_without_each

NETWORKS = "chains"


def importance(statistics: Statistics) -> list[torch.Tensor]:
    """Return the loss without each node: low where it is not missed."""
    return list(statistics["loss_without"])


def measure(trained: Trained) -> Statistics:
    """Return `loss_without` of a trained network; a loss that is not a number is infinite."""
    losses = losses_without_each(trained.task, trained.weights, trained.masks)
    return {"loss_without": [of.masked_fill(of.isnan(), torch.inf) for of in losses]}
