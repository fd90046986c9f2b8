"""Nodes that the loss hardly needs if the others adapt: OBS (Hassibi et al., 1993).

Score: 1 / (2 [H^-1]_kk), H the Gauss-Newton matrix over the gates of all nodes, a gate being a
factor on a node, at 1. H is the mean over samples of the products of gradients of the loss with
labels drawn from the network's predictions, and is damped by a thousandth of its mean diagonal.
Invariant when a node's incoming weights are scaled and its outgoing ones by the inverse. The
reference is about single weights, and adapts the others, which a rewind would undo; gates, and
leaving them as they are, are a reconstruction and ours.
"""

from collections.abc import Sequence

import torch

from dropnet.metrics._damped import damped_inverse
from dropnet.networks.cycle import Statistics
from dropnet.training.gathering import Gathered, Observation, Trained

GRADIENTS = "predictions"


def gather(layers: Sequence[Observation]) -> Gathered:
    """Return `gauss_newton` [node, node] over the nodes of all layers, summed over the samples."""
    gradients = torch.cat([layer.by_gate for layer in layers], 1)
    return {"gauss_newton": gradients.T @ gradients}


def measure(trained: Trained) -> Statistics:
    """Return `gate_obs`."""
    curvature = trained.gathered["gauss_newton"]
    assert isinstance(curvature, torch.Tensor)
    scores = losses_if_others_adapt(curvature)
    return {"gate_obs": list(scores.split(list(trained.masks.remaining)))}


def losses_if_others_adapt(curvature: torch.Tensor) -> torch.Tensor:
    """Return 1 / (2 [H^-1]_kk) for each node k, H [node, node] damped; nan if H is not finite."""
    if not curvature.isfinite().all():
        return torch.full_like(curvature.diagonal(), torch.nan)
    found = damped_inverse(curvature)
    return torch.zeros(len(curvature)) if found is None else 1 / (2 * found[1].diagonal())


def importance(statistics: Statistics) -> list[torch.Tensor]:
    """Return the scores."""
    return list(statistics["gate_obs"])
