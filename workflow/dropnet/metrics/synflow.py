"""Nodes that carry least synaptic flow at the start go first (Tanaka et al., 2020; not cited).

Score: the sum over a node's incoming weights of the weight's absolute value times the gradient by
it of the summed outputs for an input of ones, all weights taken absolute. It is worked out before
training, on the initial weights of what remains, and sees no data; so it is the reference's
iterative pruning, a cycle at a time. Invariant when a node's weights are scaled. The flow is the
same through all layers that follow each other, so that a wide layer's nodes carry little each.
"""

import torch

from dropnet.networks.cycle import Statistics
from dropnet.training.gathering import Trained, observations
from dropnet.training.operations import operations_of


def importance(statistics: Statistics) -> list[torch.Tensor]:
    """Return the flows."""
    return list(statistics["synaptic_flow"])


def measure(trained: Trained) -> Statistics:
    """Return `synaptic_flow`, in double precision: deep networks go beyond the range of single."""
    absolute = {name: weights.double().abs() for name, weights in trained.initial.items()}
    network = operations_of(trained.task.steps(trained.masks), absolute, torch.float64)
    ones = torch.ones(1, *trained.task.image_shape, dtype=torch.float64)
    layers = observations(network, ones, trained.incoming, torch.sum)
    # biases begin with 0, so that all of an activation comes from weights; without a rewind those
    # that were trained count as weights of an input that is always 1
    return {"synaptic_flow": [layer.by_scale[0] for layer in layers]}
