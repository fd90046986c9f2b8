"""What a method is compared with, by its name."""

import re
from collections.abc import Iterable
from dataclasses import dataclass, replace

RANDOM = "random"
SHUFFLED = "shuffled"
_NAME = re.compile(r"(?P<metric>.+?)(?P<layer>_layer)?(?: \((?P<variant>.*)\))?")


@dataclass(frozen=True)
class Criterion:
    """A method, taken apart.

    Attributes:
        metric: e.g. "minimum", also of the per-layer form.
        per_layer: whether each layer loses the same share.
        variant: what stands in brackets, e.g. "shuffled", "finetune", "p=0.3"; "" for nothing.
    """

    metric: str
    per_layer: bool = False
    variant: str = ""

    @classmethod
    def of(cls, method: str) -> "Criterion":
        """Take a method's name apart."""
        match = _NAME.fullmatch(method)
        if match is None:
            return cls(method)
        return cls(match["metric"], match["layer"] is not None, match["variant"] or "")

    @property
    def name(self) -> str:
        """The method's name."""
        variant = f" ({self.variant})" if self.variant else ""
        return f"{self.metric}{'_layer' if self.per_layer else ''}{variant}"

    @property
    def is_control(self) -> bool:
        """Whether it chooses at random, all or what goes within the layers."""
        return self.metric == RANDOM or self.variant == SHUFFLED

    @property
    def references(self) -> list[str]:
        """What it is compared with: random choice of its scope and variant; itself, shuffled.

        So the two differ in nothing but the choice. A control has none.
        """
        if self.is_control:
            return []
        shuffled = [] if self.variant else [replace(self, variant=SHUFFLED).name]
        return [replace(self, metric=RANDOM).name, *shuffled]


def pairs(methods: Iterable[str]) -> list[tuple[str, str]]:
    """Return each method of an experiment with each of its references that the experiment has."""
    present = list(methods)
    return [
        (method, reference)
        for method in present
        for reference in Criterion.of(method).references
        if reference in present
    ]
