"""Nodes that random masks do as well without go first (Anwar et al., 2017).

Score: the mean accuracy of the network under random masks (particles) that keep the node, minus
that under those that do not. 100 masks keep each of the remaining nodes with probability 0.8, as
many as a cycle leaves, and are looked at on the first 500 training images. Invariant when a node's
weights are scaled. Of the reference only the abstract was at hand: the formula is a reconstruction,
and the numbers are ours.
"""

import torch

from dropnet.networks.cycle import Statistics
from dropnet.randomness import generator
from dropnet.training.gathering import Trained, network_of

MASKS = 100
KEPT = 0.8
IMAGES = 500


def importance(statistics: Statistics) -> list[torch.Tensor]:
    """Return the differences."""
    return list(statistics["accuracy_with"])


def measure(trained: Trained) -> Statistics:
    """Return `accuracy_with`: mean accuracy with each node minus that without it."""
    task = trained.task
    network = network_of(task, trained.weights, trained.masks)
    images = task.images(task.train, 0, IMAGES).to(task.dtype)
    labels = task.train.labels[:IMAGES]
    counts = list(trained.masks.remaining)
    random = torch.rand(MASKS, sum(counts), generator=generator("particles", *counts))
    particles = random < KEPT
    accuracies = []
    for particle in particles:
        layers = [kept.to(task.device, task.dtype) for kept in particle.split(counts)]

        def drop(
            mask: int,
            activation: torch.Tensor,
            *_: torch.Tensor,
            layers: list[torch.Tensor] = layers,
        ) -> None:
            activation.mul_(layers[mask].view(-1, *[1] * (activation.dim() - 2)))

        with torch.no_grad():
            predicted = network.forward(images, drop).argmax(1)
        accuracies.append((predicted == labels).double().mean().item())
    return {
        "accuracy_with": list(
            differences(particles, torch.tensor(accuracies, dtype=torch.float64)).split(counts)
        )
    }


def differences(particles: torch.Tensor, accuracies: torch.Tensor) -> torch.Tensor:
    """Return for each node the mean accuracy of the masks that keep it minus that of the others.

    A node that all masks keep, or none, is told nothing about: 0.

    Args:
        particles: which mask keeps which node, bool [mask, node].
        accuracies: of the masks, float64.
    """
    kept = particles.double()
    with_it, without = kept.sum(0), (1 - kept).sum(0)
    means = (kept.T @ accuracies) / with_it, ((1 - kept).T @ accuracies) / without
    return torch.where((with_it > 0) & (without > 0), means[0] - means[1], 0.0)
