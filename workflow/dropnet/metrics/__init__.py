"""Metrics: statistics of a trained network in, one importance a node out; the lowest goes first.

To add a metric, put a file into this folder: its name is the metric's, and its function
`importance` maps `networks.cycle.Statistics` to one score a remaining node: a floating-point tensor
for each masked layer. The `_layer` form comes with it. Nothing else has to be edited, and what
other metrics have pruned stays as it is.

A metric that needs more than these statistics also has a function `measure`, which is given the
task (`training.task.BaseTask`), the weights and the masks of each trained network, and returns
more of them, under other names; see `oracle`.

Files are checked when a run starts (`config.metric_files`), and scores before anything is dropped.

May import `training`, `networks`, `data` and what is below them.
"""

from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

from dropnet.errors import UserError

if TYPE_CHECKING:  # the names of the metrics are also asked for where torch is not installed
    import torch

    from dropnet.networks.cycle import Statistics, Weights
    from dropnet.networks.masks import Masks
    from dropnet.training.task import BaseTask


@dataclass(frozen=True)
class Metric:
    """An importance and the scope in which its values are compared.

    Attributes:
        name: the key of METRICS.
        module: of the importance, and of `measure`.
        per_layer: drop the share p in each layer (True) or over the whole network (False).
    """

    name: str
    module: str
    per_layer: bool

    def importance(self, statistics: "Statistics") -> "list[torch.Tensor]":
        """Return one score a remaining node, layer by layer.

        Raises:
            UserError: if the metric fails, or returns anything else.
        """
        from dropnet.metrics import _scores

        # its own copies, as what it writes into them would be recorded
        given = {name: [layer.clone() for layer in of] for name, of in statistics.items()}
        with _scores.blamed_on(self.name, self._file):
            scores = import_module(self.module).importance(given)
        return _scores.checked(self.name, "importance", scores, statistics)

    @property
    def measures(self) -> bool:
        """Whether it needs more statistics than every trained network has."""
        from dropnet.metrics import _scores

        with _scores.blamed_on(self.name, self._file):
            return hasattr(import_module(self.module), "measure")

    def measured(
        self, task: "BaseTask", weights: "Weights", masks: "Masks", known: "Statistics"
    ) -> "Statistics":
        """Return the statistics of a trained network, with those that the metric measures.

        Args:
            task: that the network was trained on.
            weights: of the network, compacted to its masks.
            masks: of the network.
            known: the statistics that every trained network has.

        Raises:
            UserError: if the metric fails, or returns anything else.
        """
        from dropnet.metrics import _scores

        with _scores.blamed_on(self.name, self._file):
            found = dict(import_module(self.module).measure(task, weights, masks))
        for name, values in found.items():
            if not isinstance(name, str) or not name.isidentifier() or name in known:
                raise UserError(
                    f"metric {self.name!r}: measure: a statistic named {name!r} came; needed: a"
                    f" plain word, and none of {', '.join(known)}"
                )
            found[name] = _scores.checked(self.name, f"measure: {name}", values, known)
        return {**known, **found}

    @property
    def _file(self) -> str:
        return str(FOLDER / f"{self.module.rpartition('.')[2]}.py")


#: How a global metric picks what goes. "exact": the nodes of lowest importance. "notebook": as the
#: authors' released notebooks do for minimum and maximum, and the paper does not describe. They
#: collect one candidate too many and take them layer by layer until there are enough, so that the
#: last candidate of the last layer is spared, whatever its score.
SELECTIONS = ("exact", "notebook")

FOLDER = Path(__file__).parent

_NAMES = sorted(file.stem for file in FOLDER.glob("[a-z]*.py"))

METRICS: dict[str, Metric] = {
    f"{name}{suffix}": Metric(f"{name}{suffix}", f"{__name__}.{name}", per_layer)
    for suffix, per_layer in (("", False), ("_layer", True))
    for name in _NAMES
}

#: Metrics that take their nodes out one by one: only for networks whose layers follow each other.
FOR_CHAINS = ("oracle", "oracle_layer")
