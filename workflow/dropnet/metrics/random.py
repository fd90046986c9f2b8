"""All nodes are equally important, so that the tie rule picks at random (Section 3.1)."""

import torch

from dropnet.networks.cycle import Statistics


def importance(statistics: Statistics) -> list[torch.Tensor]:
    """Return 0 for every node."""
    return [score.new_zeros(len(score)) for score in statistics["mean_activation"]]
