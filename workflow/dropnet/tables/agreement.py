"""How far the masks of other methods are those of the oracle (Section 5)."""

from collections.abc import Iterable, Iterator
from pathlib import Path

from dropnet.files.csv_rows import write_rows
from dropnet.networks.cycle import Cycle
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


def write_agreement(path: str | Path, experiment: str, methods: dict[str, list[Cycle]]) -> None:
    """Write the agreement of every method with the one called "oracle", one row a network."""
    rows = (
        dict(zip(AGREEMENT, (experiment, method, *row), strict=True))
        for method, cycles in methods.items()
        if method != "oracle"
        for row in agreement_with(methods["oracle"], cycles)
    )
    write_rows(path, AGREEMENT, rows)
