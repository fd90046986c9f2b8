"""Nodes that the others make up for best, one after the other (Castellano et al., 1997).

In each layer goes the node h with the smallest norm(v_h)^2 sum(y_h^2), v_h its outgoing weights and
y_h its activations over the training samples; then the removal is repaired: the outgoing weights of
the others change so that what arrives downstream changes least (least squares, by the normal
equations), and the next node is chosen on the repaired network. A node's score is the value at
which it went, at least that of the one before. Invariant when a node's weights are scaled. The
repair decides what goes next within a cycle; the rewind undoes it. For fully connected networks.
The reference takes one layer's nodes at a time; comparing values of several layers is ours.
"""

from collections.abc import Sequence

import torch

from dropnet.networks.cycle import Statistics
from dropnet.networks.steps import weighted_steps
from dropnet.training.gathering import Gathered, Observation, Trained

NETWORKS = "fully connected"

RIDGE = 1e-9  # of the mean diagonal: dead nodes make the normal equations singular
NEXT = 1.000000001  # times the value before: the order within a layer stays


def gather(layers: Sequence[Observation]) -> Gathered:
    """Return products of activations [node, node], summed over the samples."""
    activations = [layer.activation[:, 0].double() for layer in layers]
    return {"products": [of_layer.T @ of_layer for of_layer in activations]}


def measure(trained: Trained) -> Statistics:
    """Return `removed_at`."""
    steps = list(weighted_steps(trained.task.steps(trained.masks)))
    readers = [trained.weights[f"{reader.name}.kernel"].double() for reader in steps[1:]]
    pairs = zip(trained.gathered["products"], readers, strict=True)
    return {"removed_at": [removed_at(products, outgoing) for products, outgoing in pairs]}


def removed_at(products: torch.Tensor, outgoing: torch.Tensor) -> torch.Tensor:
    """Return the value at which each node of a layer goes; nan if anything is not finite.

    Args:
        products: means of products of activations, [node, node].
        outgoing: weights, [node, node downstream].
    """
    if not (products.isfinite().all() and outgoing.isfinite().all()):
        return torch.full_like(products.diagonal(), torch.nan)
    outgoing, values = outgoing.clone(), torch.zeros(len(products), dtype=torch.float64)
    left, last = list(range(len(products))), 0.0
    ridge = RIDGE * products.diagonal().mean() if left else 0
    while left:
        energies = outgoing[left].square().sum(1) * products.diagonal()[left]
        gone = left.pop(int(energies.argmin()))
        last = max(float(energies.min()), last * NEXT)
        values[gone] = last
        if left and products[gone, gone] > 0:
            others = products[left][:, left] + ridge * torch.eye(len(left), dtype=torch.float64)
            stands_in = torch.linalg.solve(others, products[left, gone])
            outgoing[left] += torch.outer(stands_in, outgoing[gone])
    return values


def importance(statistics: Statistics) -> list[torch.Tensor]:
    """Return these values."""
    return list(statistics["removed_at"])
