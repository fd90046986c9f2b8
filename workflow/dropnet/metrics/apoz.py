"""Average percentage of zeros: nodes that are most often silent go first (supplementary Section 4).

The share of zeros among a filter's post-activations, over all samples and positions (Hu et al.,
2016). A batch-normalised filter hardly ever is exactly 0 after its normalisation.
"""

import torch

from dropnet.metrics import Statistics


def importance(statistics: Statistics) -> list[torch.Tensor]:
    """Return minus the share of zeros."""
    return [-share for share in statistics["zero_share"]]
