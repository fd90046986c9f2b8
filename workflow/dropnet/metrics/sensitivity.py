"""Filters that the loss is least sensitive to (Lin et al., 2018, global dynamic pruning).

Score: the absolute value of the sum over a node's incoming weights, bias included, of the weight
times the gradient of a batch's mean loss, averaged over batches. The reference drops filters while
it trains and takes some of them back; this is its score in the paper's algorithm. Over all samples
at once it would be 0 where training has converged, so that batches decide: these are of 16 samples,
half of the paper's in training. Invariant when a node's weights are scaled.
"""

from collections.abc import Sequence

import torch

from dropnet.networks.cycle import Statistics
from dropnet.training.gathering import Gathered, Observation

GRADIENTS = "labels"
BATCH = 16  # samples; what is gathered comes in whole multiples of it, but for the last


def gather(layers: Sequence[Observation]) -> Gathered:
    """Return `sensitivity`: of each batch, times its samples, summed."""
    return {"sensitivity": [sum_of_sizes(layer.by_scale) for layer in layers]}


def sum_of_sizes(products: torch.Tensor) -> torch.Tensor:
    """Return the sum over batches of the sizes of their sums: [node].

    Args:
        products: weights times gradients of each sample, [sample, node].
    """
    whole = len(products) - len(products) % BATCH
    batches = products[:whole].view(whole // BATCH, BATCH, products.shape[1]).sum(1)
    return batches.abs().sum(0) + products[whole:].sum(0).abs()


def importance(statistics: Statistics) -> list[torch.Tensor]:
    """Return the scores."""
    return list(statistics["sensitivity"])
