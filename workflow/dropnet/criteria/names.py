"""What a method is compared with, by its name."""

from collections.abc import Iterable
from dataclasses import replace

from dropnet.method_names import SHUFFLED, MethodName

RANDOM = "random"


class Criterion(MethodName):
    """A method, and what it is compared with."""

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
