"""Which network of a run: of a seed, that of a cycle or the smallest that loses little."""

from collections.abc import Sequence

import numpy as np

from dropnet.errors import UserError
from dropnet.networks.cycle import Cycle, Network
from dropnet.tables.margins import SHOWN, last_within


def choose(cycles: Sequence[Cycle], seed: int, cycle: int | None = None) -> tuple[int, Network]:
    """Return the number of a cycle and its network of a seed.

    Args:
        cycles: of a run, the unpruned one first.
        seed: of the network.
        cycle: its number; None for the last one before the test accuracy is for the first time more
            than `SHOWN` below that of the unpruned network of this seed.

    Raises:
        UserError: if the run has no such network.
    """
    of_seed = {
        one.number: network for one in cycles for network in one.networks if network.seed == seed
    }
    if not of_seed:
        seeds = ", ".join(str(network.seed) for network in cycles[0].networks)
        raise UserError(f"seed {seed}: the run has no network of it; allowed: {seeds}")
    if cycle is None:
        cycle = _smallest(of_seed)
    if cycle not in of_seed:
        raise UserError(
            f"cycle {cycle}: the run has none of this number for seed {seed}; allowed:"
            f" {min(of_seed)} to {max(of_seed)}"
        )
    return cycle, of_seed[cycle]


def _smallest(of_seed: dict[int, Network]) -> int:
    # as in removable.csv: a network of which nothing is left is none that anybody would use
    numbers = [n for n in sorted(of_seed) if of_seed[n].masks.fraction_remaining > 0]
    accuracies = np.array([of_seed[number].results.test_accuracy for number in numbers])
    return numbers[last_within(accuracies[0] - accuracies, SHOWN)]
