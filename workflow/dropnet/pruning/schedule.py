"""How many nodes go in each cycle: known from the counts alone, before anything is trained."""

from collections.abc import Sequence

from dropnet.metrics import METRICS
from dropnet.networks.models import layers_of, masked_widths
from dropnet.settings import Settings


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
    while counts[-1] / total > stop_fraction:  # as `algorithm.prune_iteratively` compares
        groups = [group - count_dropped(group, prune_fraction) for group in groups]
        counts.append(sum(groups))
    return counts


def fractions_remaining(settings: Settings, per_layer: bool) -> list[float]:
    """Return the fraction of the masked nodes that remains in each cycle, 1 the first.

    Args:
        settings: of the experiment and method.
        per_layer: whether each layer is pruned by itself.
    """
    counts = remaining_counts(
        masked_widths(layers_of(settings)),
        settings.prune_fraction,
        settings.stop_fraction,
        per_layer,
    )
    return [count / counts[0] for count in counts]


def fractions_trained(settings: Settings, metric: str | None, unpruned: bool) -> list[float]:
    """Return the fraction remaining in each cycle that a job trains.

    The baseline trains the unpruned one alone.

    Args:
        settings: of the experiment and method.
        metric: that decides what goes, a key of `METRICS`; None for the baseline.
        unpruned: whether it trains the unpruned network, too.
    """
    if metric is None:
        return [1.0]
    fractions = fractions_remaining(settings, METRICS[metric].per_layer)
    return fractions if unpruned else fractions[1:]
