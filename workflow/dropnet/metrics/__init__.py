"""Metrics: statistics of a trained network in, one importance a node out; the lowest goes first.

To add a metric, put a file into this folder: its name is the metric's, and its function
`importance` maps `networks.cycle.Statistics` to one score a remaining node: a floating-point tensor
for each masked layer. The `_layer` form comes with it. Nothing else has to be edited, and what
other metrics have pruned stays as it is.

A metric that needs more than these statistics asks for it by functions of its own, and only what is
asked for is worked out:

* `gather`, when the statistics are made: it is given what each masked layer does with a chunk of
  the training samples (`training.gathering.Observation`), and returns sums over these samples by
  name, a tensor each, or a list of one for each layer. With `GRADIENTS = "labels"`, or
  "predictions", observations have gradients of each sample's loss. See `taylor`.
* `measure`, when training has ended: it is given a `training.gathering.Trained`, with the weights,
  those before training, and the means of what was gathered, and returns more statistics. Without
  it, what was gathered for each layer are statistics. See `oracle`, `l1_norm`, `gate_obs`.

A metric that is not for every network says so by `NETWORKS = "chains"`, those whose layers follow
each other, none of them normalised, or "fully connected"; the configuration refuses it elsewhere.

docs/criteria.md has an example. Files are checked when a run starts (`config.metric_files`), and
scores before anything is dropped.

May import `training`, `networks`, `data` and what is below them.
"""

import ast
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property, partial
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

from dropnet.errors import UserError

if TYPE_CHECKING:  # the names of the metrics are also asked for where torch is not installed
    from types import ModuleType

    import torch

    from dropnet.networks.cycle import Statistics
    from dropnet.training.gathering import Gathered, Gatherer, Observation, Trained


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
            scores = self._code.importance(given)
        return _scores.checked(self.name, "importance", scores, statistics)

    @cached_property
    def networks(self) -> str | None:
        """Which networks it is for, one of `NETWORKS`; None for all.

        By reading, as the file cannot be imported where torch is not installed.
        """
        found = networks_in(ast.parse(Path(self._file).read_bytes()))
        return str(found.value) if isinstance(found, ast.Constant) else None

    @property
    def measures(self) -> bool:
        """Whether it needs more than the statistics that every trained network has."""
        return hasattr(self._code, "measure") or hasattr(self._code, "gather")

    def gatherers(self, networks: int) -> "list[Gatherer]":
        """Return what is to gather, for each of so many networks; [] if it gathers nothing.

        Raises:
            UserError: if the metric's GRADIENTS are none that there are.
        """
        from dropnet.training.gathering import Gatherer

        if not hasattr(self._code, "gather"):
            return []
        gradients = getattr(self._code, "GRADIENTS", None)
        if gradients not in (None, *GRADIENTS):
            raise UserError(
                f"metric {self.name!r}: GRADIENTS: {gradients!r} is not allowed; allowed: 'labels',"
                " 'predictions', or no such line"
            )
        return [Gatherer(partial(self._gather, shapes={}), gradients) for _ in range(networks)]

    def _gather(
        self, layers: "Sequence[Observation]", shapes: "dict[str, list[torch.Size]]"
    ) -> "Gathered":
        from dropnet.metrics import _scores

        with _scores.blamed_on(self.name, self._file):
            found = self._code.gather(layers)
        sums = _scores.by_name(self.name, "gather", found)
        _scores.check_sums(self.name, sums, layers, shapes)
        return sums

    def measured(self, trained: "Trained") -> "Statistics":
        """Return the statistics of a trained network, with those that the metric measures.

        Raises:
            UserError: if the metric fails, or returns anything else.
        """
        from dropnet.metrics import _scores

        known, function = trained.statistics, "measure"
        if hasattr(self._code, "measure"):
            # its own copies, as those of `importance`; training would go on from the others
            weights, initial = (
                {name: tensor.clone() for name, tensor in of.items()}
                for of in (trained.weights, trained.initial)
            )
            given = {name: [layer.clone() for layer in of] for name, of in known.items()}
            own = replace(trained, weights=weights, initial=initial, statistics=given)
            with _scores.blamed_on(self.name, self._file):
                came = self._code.measure(own)
            found = _scores.by_name(self.name, "measure", came)
        else:
            found, function = dict(trained.gathered), "gather"
        for name, values in found.items():
            if not isinstance(name, str) or not name.isidentifier() or name in known:
                raise UserError(
                    f"metric {self.name!r}: {function}: a statistic named {name!r} came; needed: a"
                    f" plain word, and none of {', '.join(known)}"
                )
            found[name] = _scores.checked(
                self.name, f"{function}: {name}", values, known, trained.weights.values()
            )
        return {**known, **found}

    @property
    def _code(self) -> "ModuleType":
        """The metric's file, imported."""
        from dropnet.metrics import _scores

        with _scores.blamed_on(self.name, self._file):
            return import_module(self.module)

    @property
    def _file(self) -> str:
        return str(FOLDER / f"{self.module.rpartition('.')[2]}.py")


GRADIENTS = ("labels", "predictions")  # that a metric may ask for, see `training.gathering`
NETWORKS = ("chains", "fully connected")  # that a metric may be for

#: How a global metric picks what goes. "exact": the nodes of lowest importance. "notebook": as the
#: authors' released notebooks do for minimum and maximum, and the paper does not describe. They
#: collect one candidate too many and take them layer by layer until there are enough, so that the
#: last candidate of the last layer is spared, whatever its score.
SELECTIONS = ("exact", "notebook")

FOLDER = Path(__file__).parent


def networks_in(file: ast.Module) -> ast.expr | None:
    """Return what a metric's file has for `NETWORKS`; None if it has no such line."""
    for line in file.body:
        match line:
            case (
                ast.Assign(targets=[ast.Name("NETWORKS")], value=value)
                | ast.AnnAssign(target=ast.Name("NETWORKS"), value=value)
            ):
                return value
    return None


_NAMES = sorted(file.stem for file in FOLDER.glob("[a-z]*.py"))

METRICS: dict[str, Metric] = {
    f"{name}{suffix}": Metric(f"{name}{suffix}", f"{__name__}.{name}", per_layer)
    for suffix, per_layer in (("", False), ("_layer", True))
    for name in _NAMES
}
