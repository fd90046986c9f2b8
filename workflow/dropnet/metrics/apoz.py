"""Average percentage of zeros: nodes that are most often silent go first (supplementary Section 4).

The share of samples and positions at which a filter's ReLU gives 0 (Hu et al., 2016); of a
normalised filter, before its normalisation.
"""

import torch

from dropnet.networks.cycle import Statistics


def importance(statistics: Statistics) -> list[torch.Tensor]:
    """Return minus the share of zeros."""
    return [-share for share in statistics["zero_share"]]
