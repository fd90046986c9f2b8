"""Methods: a metric, or a variant of one, by the names that tables and figures use.

* `minimum`: a metric, at the experiment's pruning fraction p;
* `minimum (p=0.3)`: the same with a pruning fraction of its own (Figures 18-20);
* `minimum (random_init)`: the masks that `minimum` found, each trained from a fresh initialisation,
  cycle by cycle (Figures 15-17, S12-S15);
* `minimum (shuffled)`: in each layer as many nodes as `minimum` leaves, which ones at random;
* `minimum (finetune)`: without the rewind, training goes on from the trained weights.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from dropnet.errors import UserError, nearest
from dropnet.method_names import FINETUNE, RANDOM_INIT, SHUFFLED, MethodName
from dropnet.metrics import METRICS

#: Variants that take over the masks, or the widths, that their metric's run has found.
OF_PARENT = (RANDOM_INIT, SHUFFLED)
VARIANTS = (*OF_PARENT, FINETUNE)


@dataclass(frozen=True)
class Method:
    """A method of an experiment.

    Attributes:
        name: as in the tables.
        metric: a key of METRICS.
        prune_fraction: p of the variant; None for that of the experiment.
        variant: one of `VARIANTS`, or None.
    """

    name: str
    metric: str
    prune_fraction: float | None = None
    variant: str | None = None

    @property
    def trains_unpruned(self) -> bool:
        """Whether it trains the network with all its nodes, too, and not only the baseline does."""
        return self.variant == RANDOM_INIT

    @property
    def parent(self) -> str | None:
        """The method whose run it takes over, if it prunes nothing by itself."""
        return self.metric if self.variant in OF_PARENT else None

    @property
    def folder(self) -> str:
        """The method's part of a path, e.g. "minimum_p0.3", "minimum_random_init"."""
        return self.name.replace(" (", "_").replace("=", "").removesuffix(")")


def parse(name: str) -> Method:
    """Return the method of a name.

    Raises:
        UserError: if the name is not written like those above, or its metric is unknown.
    """
    said = MethodName.of(name)
    metric = replace(said, variant="").name
    has_p = said.variant.startswith("p=")
    known = has_p or said.variant in ("", *VARIANTS)
    if said.name != name or metric not in METRICS or not known:
        metrics = (key for key, metric in METRICS.items() if not metric.per_layer)
        raise UserError(
            f"{name!r} is not a method{nearest(name, METRICS)}; allowed: {', '.join(metrics)}; each"
            " also with _layer behind it, and with a variant: 'minimum (p=0.3)',"
            " 'minimum (random_init)', 'minimum (shuffled)', 'minimum (finetune)'"
        )
    if has_p:
        return Method(name, metric, _fraction(name, said.variant.removeprefix("p=")))
    return Method(name, metric, variant=said.variant or None)


def _fraction(name: str, text: str) -> float:
    """Read p; one way to write a number, so that a run has one name."""
    try:
        p = float(text)
    except ValueError:
        p = -1
    if not 0 < p <= 1 or text != f"{p:g}":
        raise UserError(
            f"{name!r} is not a method: its p is not allowed; allowed: more than 0, at most 1, of"
            f" 6 digits at most, written {f'(p={p:g})' if 0 < p <= 1 else 'as in (p=0.3)'}"
        )
    return p


def methods_of(experiment: Mapping[str, Any]) -> list[Method]:
    """Return the methods of an experiment, in the order of its configuration."""
    return [parse(name) for name in experiment["methods"]]


def run_of(name: str, prune_fraction: float) -> Method:
    """Return the method whose run a figure calls by a name, in an experiment with this p.

    A name may say the p that the experiment has anyway: where that is 0.2, "minimum (p=0.2)" is the
    run of `minimum`. Raises UserError as `parse` does.
    """
    method = parse(name)
    return parse(method.metric) if method.prune_fraction == prune_fraction else method
