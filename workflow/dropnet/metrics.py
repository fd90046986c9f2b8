"""Metrics: statistics of a trained network in, one importance a node out; the lowest goes first.

To add a metric, write a function and put it in IMPORTANCE; its `_layer` form comes with it.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # the names of the metrics are also asked for where torch is not installed
    import torch

#: Statistics of one network: by name, one tensor [remaining nodes] for each masked layer.
#: `mean_activation` is E(a_i), the mean over the training samples of |post-activation|
#: (Section 3; a filter's is the mean over its positions as well).
Statistics = Mapping[str, Sequence["torch.Tensor"]]
Importance = Callable[[Statistics], list["torch.Tensor"]]


def minimum(statistics: Statistics) -> "list[torch.Tensor]":
    """DropNet's own metric: nodes with the lowest mean activation go first (Section 3)."""
    return list(statistics["mean_activation"])


def maximum(statistics: Statistics) -> "list[torch.Tensor]":
    """Nodes with the highest mean activation go first (Section 4.1)."""
    return [-score for score in statistics["mean_activation"]]


def random(statistics: Statistics) -> "list[torch.Tensor]":
    """All nodes are equally important, so that the tie rule picks at random (Section 4.1)."""
    return [score.new_zeros(len(score)) for score in statistics["mean_activation"]]


IMPORTANCE: dict[str, Importance] = {"minimum": minimum, "maximum": maximum, "random": random}


@dataclass(frozen=True)
class Metric:
    """An importance and the scope in which its values are compared.

    Attributes:
        importance: maps statistics to one score a remaining node, layer by layer.
        per_layer: drop the share p in each layer (True) or over the whole network (False).
    """

    importance: Importance
    per_layer: bool


#: How a global metric picks what goes. "exact": the nodes of lowest importance. "notebook": as the
#: authors' released notebooks do for minimum and maximum, and the paper does not describe. They
#: collect one candidate too many and take them layer by layer until there are enough, so that the
#: last candidate of the last layer is spared, whatever its score.
SELECTIONS = ("exact", "notebook")

METRICS: dict[str, Metric] = {
    **{name: Metric(function, per_layer=False) for name, function in IMPORTANCE.items()},
    **{f"{name}_layer": Metric(function, per_layer=True) for name, function in IMPORTANCE.items()},
}
