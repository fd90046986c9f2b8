"""How far the masks of other methods are those of the oracle (Section 5)."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from dropnet.files.csv_rows import write_rows
from dropnet.networks.cycle import Cycle
from dropnet.networks.cycle_files import load_cycles
from dropnet.tables.columns import AGREEMENT


def agreement_with(
    oracle: Iterable[Cycle], cycles: Iterable[Cycle]
) -> Iterator[tuple[int, float, float, float]]:
    """Compare the masks of a method with the oracle's of the same seed and size.

    Yields:
        (seed, fraction remaining, agreement, chance), by seed and then by cycle, where the oracle
        has masks of that size too. `agreement` is the share of all nodes that both keep or both
        drop, as in the authors' notebook; `chance` is its mean for random masks of this size.
    """
    kept = {
        (network.seed, sum(network.masks.remaining)): network.masks
        for cycle in oracle
        for network in cycle.networks
    }
    networks = [network for cycle in cycles for network in cycle.networks]
    for network in sorted(networks, key=lambda n: (n.seed, -sum(n.masks.remaining))):
        theirs = kept.get((network.seed, sum(network.masks.remaining)))
        share = network.masks.fraction_remaining
        if theirs is None or share in (0, 1):  # there is nothing to agree about
            continue
        pairs = zip(network.masks.layers, theirs.layers, strict=True)
        equal = sum(int((ours == other).sum()) for ours, other in pairs)
        nodes = sum(len(layer) for layer in theirs.layers)
        yield network.seed, share, equal / nodes, share**2 + (1 - share) ** 2


def cycles_of(networks: Mapping[str, Sequence[str | Path]]) -> dict[str, list[Cycle]]:
    """Read the cycles of each method from its files, as `cycle_files.save_cycles` writes them."""
    return {
        method: [cycle for path in paths for cycle in load_cycles(path)[0]]
        for method, paths in networks.items()
    }


def agreement_rows(
    experiment: str, methods: Mapping[str, Sequence[Cycle]]
) -> Iterator[dict[str, Any]]:
    """Yield the agreement of every method with the one called "oracle", one row a network."""
    for method, cycles in methods.items():
        if method != "oracle":
            for row in agreement_with(methods["oracle"], cycles):
                yield dict(zip(AGREEMENT, (experiment, method, *row), strict=True))


def write_agreement(
    path: str | Path, experiment: str, methods: Mapping[str, Sequence[Cycle]]
) -> None:
    """Write these rows."""
    write_rows(path, AGREEMENT, agreement_rows(experiment, methods))
