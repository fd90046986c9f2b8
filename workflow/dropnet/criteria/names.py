"""What a method is compared with, by its name."""

from collections.abc import Iterable
from dataclasses import replace

from dropnet.method_names import SHUFFLED, MethodName

RANDOM = "random"


def references(method: str) -> list[str]:
    """Return what a method is compared with: random choice alike; its shuffled form.

    So the two differ in nothing but the choice. What chooses at random, all or what goes within the
    layers, is compared with nothing.
    """
    said = MethodName.of(method)
    if said.metric == RANDOM or said.variant == SHUFFLED:
        return []
    shuffled = [] if said.variant else [replace(said, variant=SHUFFLED).name]
    return [replace(said, metric=RANDOM).name, *shuffled]


def pairs(methods: Iterable[str]) -> list[tuple[str, str]]:
    """Return each method of an experiment with each of its references that the experiment has."""
    present = list(methods)
    return [
        (method, reference)
        for method in present
        for reference in references(method)
        if reference in present
    ]
