"""Nodes that the loss hardly needs, to second order: OBD for nodes (LeCun et al., 1990).

Score: half the mean over samples of the squared gradient of the sample's loss by a gate, a factor
on the node at 1: the sum over positions of activation times gradient. That is the diagonal of the
Fisher matrix, which stands for the Hessian near a minimum. Invariant when a node's incoming weights
are scaled and its outgoing ones by the inverse. The reference is about single weights; gates are
how it is used for nodes (Theis et al., 2018).
"""

from collections.abc import Sequence

import torch

from dropnet.networks.cycle import Statistics
from dropnet.training.gathering import Gathered, Observation

GRADIENTS = "labels"


def gather(layers: Sequence[Observation]) -> Gathered:
    """Return `gate_fisher`, summed over the samples."""
    return {"gate_fisher": [layer.by_gate.square().sum(0) / 2 for layer in layers]}


def importance(statistics: Statistics) -> list[torch.Tensor]:
    """Return the scores."""
    return list(statistics["gate_fisher"])
