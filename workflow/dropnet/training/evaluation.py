"""Loss and accuracy of many networks at once."""

from collections.abc import Callable

import torch


def losses_and_hits(
    logits: torch.Tensor, labels: torch.Tensor, scratch: torch.Tensor | None = None
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return summed cross-entropies and numbers of correct predictions, [batch, network].

    The prediction is the first class with the largest logit; a network whose logits are not
    numbers predicts nothing.

    Args:
        logits: [batch, network, class, sample].
        labels: [batch, 1, sample].
        scratch: a tensor of the shape of the logits, to write into.
    """
    batches, networks, classes, samples = logits.shape
    scratch = torch.empty_like(logits) if scratch is None else scratch
    largest = logits.amax(2, keepdim=True)
    torch.sub(logits, largest, out=scratch)
    partition = scratch.exp_().sum(2).log_().add_(largest.squeeze(2))
    of_label = logits.gather(2, labels.unsqueeze(1).expand(batches, networks, 1, samples))
    losses = partition.sub_(of_label.squeeze(2)).sum(2)
    # ranks descend with the class, so that the largest rank among equals is the first class
    ranks = torch.arange(classes, 0, -1, dtype=logits.dtype, device=logits.device).view(-1, 1)
    predicted = torch.eq(logits, largest, out=scratch).mul_(ranks).amax(2)
    hits = (predicted == classes - labels).sum(2)
    return losses, hits


def evaluated(
    logits_of: Callable[[int], torch.Tensor], labels: torch.Tensor, networks: int, chunk: int
) -> tuple[list[float], list[float]]:
    """Return mean losses and accuracies of networks, chunk by chunk of the samples.

    Args:
        logits_of: gives the logits [network, class, sample] of the chunk that starts at a sample.
        labels: of all samples, [sample].
        networks: how many there are.
        chunk: samples at once.
    """
    losses, hits = labels.new_zeros(2, networks, dtype=torch.float64)
    for start in range(0, len(labels), chunk):
        of_chunk = labels[start : start + chunk].view(1, 1, -1)
        loss, hit = losses_and_hits(logits_of(start).unsqueeze(0), of_chunk)
        losses += loss.sum(0, dtype=torch.float64)
        hits += hit.sum(0, dtype=torch.float64)
    return (losses / len(labels)).tolist(), (hits / len(labels)).tolist()
