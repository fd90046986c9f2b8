"""Algorithm 1 of the paper: iterative pruning with a rewind to the original initialisation."""

from collections.abc import Callable, Iterator, Sequence

import torch

from dropnet.metrics import Metric
from dropnet.networks.cycle import Cycle
from dropnet.networks.masks import Masks
from dropnet.pruning.schedule import count_dropped
from dropnet.randomness import generator


def prune_iteratively(
    unpruned: Cycle,
    train: Callable[[int, list[Masks]], Cycle],
    metric: Metric,
    prune_fraction: float,
    stop_fraction: float,
    selection: str = "exact",
) -> Iterator[Cycle]:
    """Yield the pruning cycles of Algorithm 1 for a stack of networks, the unpruned one first.

    All networks of the stack have the same number of nodes, so that they reach the same fraction
    remaining in the same cycle, whatever nodes each of them loses.

    Args:
        unpruned: cycle 0, the trained networks with all their nodes.
        train: given a cycle's number and each network's masks, rewinds what remains to the
            ORIGINAL initial weights, trains it, and returns it with accuracies and statistics.
        metric: gives the importance of the nodes, and says in which scope they compete.
        prune_fraction: share p of the remaining nodes dropped in each cycle.
        stop_fraction: the last cycle is the first one at or below this fraction remaining.
        selection: one of `metrics.SELECTIONS`.
    """
    cycle = unpruned
    yield cycle
    while cycle.fraction_remaining > stop_fraction:
        masks = [
            drop_lowest(
                network.masks,
                metric.importance(network.statistics),
                prune_fraction,
                metric.per_layer,
                generator("ties", network.seed, cycle.number),
                selection,
            )
            for network in cycle.networks
        ]
        cycle = train(cycle.number + 1, masks)
        yield cycle


def drop_lowest(
    masks: Masks,
    importance: Sequence[torch.Tensor],
    prune_fraction: float,
    per_layer: bool,
    ties: torch.Generator,
    selection: str = "exact",
    keep: int = 0,
) -> Masks:
    """Return the masks without the share p of the remaining nodes of lowest importance.

    Args:
        masks: of one network.
        importance: one score a remaining node, a tensor [remaining nodes] for each masked layer.
            A score that is not a number (of a diverged network) ranks above all others.
        prune_fraction: share p; max(1, int(p * remaining)) nodes go, of what is not empty.
        per_layer: count and compare in each layer, or over the whole network.
        ties: random numbers that order nodes of equal importance.
        selection: one of `metrics.SELECTIONS`; only matters over the whole network.
        keep: how many nodes of each layer stay, those of highest importance; fewer go where no
            more may.
    """
    sizes = [len(scores) for scores in importance]
    if per_layer:
        counts = [min(count_dropped(n, prune_fraction), max(0, n - keep)) for n in sizes]
        gone = [lowest(s, count, ties) for s, count in zip(importance, counts, strict=True)]
        return masks.drop(gone)
    everything = torch.cat(list(importance))
    count = count_dropped(len(everything), prune_fraction)
    candidates = lowest(everything, len(everything), ties)
    if keep:
        layer = torch.arange(len(sizes)).repeat_interleave(torch.tensor(sizes))[candidates]
        stay = [(layer == number).nonzero().flatten()[-keep:] for number in range(len(sizes))]
        free = torch.ones(len(candidates), dtype=torch.bool)
        free[torch.cat(stay)] = False
        candidates = candidates[free]
    if selection == "notebook":
        candidates = candidates[: count + 1].sort().values
    marked = torch.zeros(len(everything), dtype=torch.bool)
    marked[candidates[:count]] = True
    return masks.drop([m.nonzero().flatten() for m in marked.split(sizes)])


def lowest(importance: torch.Tensor, count: int, ties: torch.Generator) -> torch.Tensor:
    """Return the positions of the `count` lowest values, equal ones picked at random."""
    shuffled = torch.randperm(len(importance), generator=ties)
    return shuffled[importance[shuffled].argsort(stable=True)][:count]
