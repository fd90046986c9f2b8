"""Metrics: statistics of a trained network in, one importance a node out; the lowest goes first.

To add a metric, put a file into this folder: its name is the metric's, and its function
`importance` maps `networks.cycle.Statistics` to one score a remaining node. The `_layer` form comes
with it. Nothing else has to be edited, and what other metrics have pruned stays as it is.

A metric that needs more than these statistics also has a function `measure`, which is given the
task (`training.task.BaseTask`), the weights and the masks of each trained network, and returns
more of them; see `oracle`.

May import `training`, `networks`, `data` and what is below them.
"""

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # the names of the metrics are also asked for where torch is not installed
    import torch

    from dropnet.networks.cycle import Statistics


@dataclass(frozen=True)
class Metric:
    """An importance and the scope in which its values are compared.

    Attributes:
        module: of the importance, and of `measure`.
        per_layer: drop the share p in each layer (True) or over the whole network (False).
    """

    module: str
    per_layer: bool

    def importance(self, statistics: "Statistics") -> "list[torch.Tensor]":
        """Return one score a remaining node, layer by layer."""
        return import_module(self.module).importance(statistics)

    @property
    def measure(self) -> "Callable[..., Statistics] | None":
        """What measures further statistics of a trained network, or None."""
        return getattr(import_module(self.module), "measure", None)


#: How a global metric picks what goes. "exact": the nodes of lowest importance. "notebook": as the
#: authors' released notebooks do for minimum and maximum, and the paper does not describe. They
#: collect one candidate too many and take them layer by layer until there are enough, so that the
#: last candidate of the last layer is spared, whatever its score.
SELECTIONS = ("exact", "notebook")

_NAMES = sorted(file.stem for file in Path(__file__).parent.glob("[a-z]*.py"))

METRICS: dict[str, Metric] = {
    f"{name}{suffix}": Metric(f"{__name__}.{name}", per_layer)
    for suffix, per_layer in (("", False), ("_layer", True))
    for name in _NAMES
}

#: Metrics that take their nodes out one by one: only for networks whose layers follow each other.
FOR_CHAINS = ("oracle", "oracle_layer")
