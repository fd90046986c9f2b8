"""Nodes that share least information with their layer go first (Zhang & Qiao, 2010).

Score: 1/2 ln(S_kk [S^-1]_kk), S the covariance over samples of a layer's activations, of filters
their means over positions: what a node tells about the rest of its layer, if all are Gaussian. S is
damped by a thousandth of its mean diagonal, so that dead nodes share nothing. Invariant, but for
the damping, when a node's weights are scaled. Of the reference only the abstract was at hand: the
formula is a reconstruction.
"""

from collections.abc import Sequence

import torch

from dropnet.metrics._damped import damped_inverse
from dropnet.networks.cycle import Statistics
from dropnet.training.gathering import Gathered, Observation, Trained

CONSTANT = 1e-12  # of the mean square: a variance that is rounding


def gather(layers: Sequence[Observation]) -> Gathered:
    """Return activations and their products [node, node], summed over the samples."""
    means = [layer.activation.double().mean(1) for layer in layers]
    return {
        "sums": [of_layer.sum(0) for of_layer in means],
        "products": [of_layer.T @ of_layer for of_layer in means],
    }


def measure(trained: Trained) -> Statistics:
    """Return `shared_information`, in nats."""
    pairs = zip(trained.gathered["sums"], trained.gathered["products"], strict=True)
    return {"shared_information": [shared_information(covariance(m, p)) for m, p in pairs]}


def covariance(means: torch.Tensor, products: torch.Tensor) -> torch.Tensor:
    """Return the covariance [node, node] from means, and from means of products."""
    found = products - torch.outer(means, means)
    constant = found.diagonal() <= CONSTANT * products.diagonal()
    found[constant], found[:, constant] = 0, 0
    return found


def shared_information(covariance: torch.Tensor) -> torch.Tensor:
    """Return what each of some Gaussian variables tells about the others; nan if it is not finite.

    Args:
        covariance: [node, node].
    """
    if not covariance.isfinite().all():
        return torch.full_like(covariance.diagonal(), torch.nan)
    found = damped_inverse(covariance)
    if found is None:
        return torch.zeros(len(covariance))
    damped, inverse = found
    return (damped.diagonal() * inverse.diagonal()).log() / 2


def importance(statistics: Statistics) -> list[torch.Tensor]:
    """Return the information."""
    return list(statistics["shared_information"])
