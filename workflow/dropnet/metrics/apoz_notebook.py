"""APoZ as the authors' notebooks compute it: the share of samples that leave a filter all silent.

They average a filter over its positions first and count zeros then. Of a node, which has one
position, it is the same as `apoz`; a normalised filter, of which they look at the normalised
activations, is never silent and goes last.
"""

import torch

from dropnet.networks.cycle import Statistics


def importance(statistics: Statistics) -> list[torch.Tensor]:
    """Return minus the share of samples for which the activations of all positions are 0."""
    return [-share for share in statistics["silent_share"]]
