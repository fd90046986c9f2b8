"""How many nodes go in each cycle: known from the counts alone, before anything is trained."""

from collections.abc import Sequence


def count_dropped(remaining: int, prune_fraction: float) -> int:
    """Number of nodes dropped of `remaining` ones: max(1, int(p * remaining)), none of none."""
    return min(remaining, max(1, int(prune_fraction * remaining)))


def remaining_counts(
    widths: Sequence[int], prune_fraction: float, stop_fraction: float, per_layer: bool
) -> list[int]:
    """Return how many nodes remain in each cycle of a run, the unpruned one first.

    The number depends on the counts alone, so a run's x positions are known before it starts.
    """
    groups = list(widths) if per_layer else [sum(widths)]
    total = sum(widths)
    counts = [total]
    while counts[-1] / total > stop_fraction:  # as `pruning.prune_iteratively` compares
        groups = [group - count_dropped(group, prune_fraction) for group in groups]
        counts.append(sum(groups))
    return counts
