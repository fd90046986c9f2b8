"""How long predictions take: of several networks in turns, so that all see the same machine."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from math import ceil

import numpy as np

ROUNDS = 40
WARM_UP = 10  # predictions before any counts
SHORTEST = 0.002  # seconds of a measurement: one of a few microseconds would be that of the clock

Call = Callable[[], object]
Clock = Callable[[], float]


@dataclass(frozen=True)
class Spread:
    """A median and the quartiles about it."""

    median: float
    low: float
    high: float


def measure(
    calls: Mapping[str, Call], rounds: int = ROUNDS, clock: Clock = time.perf_counter
) -> dict[str, np.ndarray]:
    """Return the seconds that each call takes, [rounds].

    In each round every call is measured once, beginning with another one than in the round before.
    What slows the machine down for a while slows down all of them. A short call is repeated within
    a measurement, and the mean taken.

    Args:
        calls: by name.
        rounds: how many times each is measured.
        clock: seconds.
    """
    repeats = {name: _repeats(call, clock) for name, call in calls.items()}
    seconds: dict[str, list[float]] = {name: [] for name in calls}
    for number in range(rounds):
        for name in _from(number, list(calls)):
            call, times = calls[name], range(repeats[name])
            begun = clock()
            for _ in times:
                call()
            seconds[name].append((clock() - begun) / len(times))
    return {name: np.array(taken) for name, taken in seconds.items()}


def spread(values: np.ndarray) -> Spread:
    """Return the median and the quartiles of values."""
    low, median, high = np.quantile(values, [0.25, 0.5, 0.75])
    return Spread(float(median), float(low), float(high))


def _repeats(call: Call, clock: Clock) -> int:
    """Warm up; return how many calls a measurement takes."""
    shortest = float("inf")
    for _ in range(WARM_UP):
        begun = clock()
        call()
        shortest = min(shortest, clock() - begun)
    return max(1, ceil(SHORTEST / max(shortest, 1e-7)))


def _from(start: int, names: Sequence[str]) -> list[str]:
    """The names in their order, from one on and round to it."""
    start %= len(names)
    return [*names[start:], *names[:start]]
