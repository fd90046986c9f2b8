"""Methods: a metric, or a variant of one, by the names that tables and figures use.

* `minimum`: a metric, at the experiment's pruning fraction p;
* `minimum (p=0.3)`: the same with a pruning fraction of its own (Figures 18-20);
* `minimum (random_init)`: the masks that `minimum` found, each trained from a fresh initialisation,
  cycle by cycle (Figures 15-17, S12-S15).
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from dropnet.errors import UserError, nearest
from dropnet.metrics import METRICS

_NAME = re.compile(r"(?P<metric>[^ ]*)( \((p=(?P<p>[^()]*)|(?P<random_init>random_init))\))?")


@dataclass(frozen=True)
class Method:
    """A method of an experiment.

    Attributes:
        name: as in the tables.
        metric: a key of METRICS.
        prune_fraction: p of the variant; None for that of the experiment.
        random_init: the metric's masks are trained anew, and nothing is pruned.
    """

    name: str
    metric: str
    prune_fraction: float | None = None
    random_init: bool = False

    @property
    def folder(self) -> str:
        """The method's part of a path, e.g. "minimum_p0.3", "minimum_random_init"."""
        return self.name.replace(" (", "_").replace("=", "").removesuffix(")")


def parse(name: str) -> Method:
    """Return the method of a name.

    Raises:
        UserError: if the name is not written like those above, or its metric is unknown.
    """
    match = _NAME.fullmatch(name)
    if match is None or match["metric"] not in METRICS:
        raise UserError(
            f"{name!r} is not a method{nearest(name, METRICS)}; allowed: {', '.join(METRICS)},"
            " each also with a variant: 'minimum (p=0.3)', 'minimum (random_init)'"
        )
    p = None if match["p"] is None else _fraction(name, match["p"])
    return Method(name, match["metric"], p, match["random_init"] is not None)


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
