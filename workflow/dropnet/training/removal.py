"""The training loss of a network without each one of its nodes or filters, for all of them at once.

One pass over the samples serves all candidates. The activations up to a layer are the same
whichever of its nodes is removed, and a removed node takes nothing but its own contribution from
the pre-activations z of the layer that reads it:

    fully connected:  z - a_i W_i     (a term of rank one)
    convolution:      z - K_i * a_i   (the convolution of its own channel)

What comes behind that layer is computed for each candidate. Activations are laid out with the
samples last, so that all these are matrix products and loops over long rows. Only one chunk of
samples is in memory at a time; losses are summed in float64.
"""

from collections.abc import Sequence

import torch
from torch.nn import functional

from dropnet.networks.cycle import Weights
from dropnet.networks.masks import Masks
from dropnet.training.evaluation import losses_and_hits
from dropnet.training.gathering import network_of
from dropnet.training.operations import (
    Chain,
    Convolution,
    Flattening,
    Nodes,
    Operation,
)
from dropnet.training.task import BaseTask

CHUNK_OF_NODES, CHUNK_OF_IMAGES = 1000, 32  # samples at once; the fastest of several


@torch.no_grad()
def losses_without_each(task: BaseTask, weights: Weights, masks: Masks) -> list[torch.Tensor]:
    """Return the mean training loss without each remaining node, in evaluation.

    All arithmetic has the precision of the weights, also where convolutions are trained in a lower
    one (but for the images, which are rounded as in training): the losses of two candidates often
    agree to three digits. They are exact to 1e-6 or so; a node whose activations are 1e4 times
    those of the others, as in a network about to diverge, costs digits in the subtraction.

    Args:
        task: whose training split is evaluated.
        weights: of the network, compacted to its masks.
        masks: of the network.

    Returns:
        For each masked layer a float64 tensor [remaining nodes].

    Raises:
        ValueError: if the network's layers do not follow each other.
    """
    operations = network_of(task, weights, masks).operations
    for operation in operations:
        if not isinstance(operation, Convolution | Flattening | Nodes):
            raise ValueError(f"not a chain of layers: {type(operation).__name__}")
    totals = [task.zeros(count, dtype=torch.float64) for count in masks.remaining]
    chunk = CHUNK_OF_IMAGES if isinstance(operations[0], Convolution) else CHUNK_OF_NODES
    labels = task.train.labels
    for start in range(0, len(labels), chunk):
        of_chunk = labels[start : start + chunk]
        x = task.images(task.train, start, chunk).to(task.dtype)
        for place, operation in enumerate(operations):
            x = operation.forward(x)
            mask = getattr(operation, "mask", None)
            if mask is not None and len(totals[mask]):
                logits = _logits_without_each(x, operations[place + 1 :])
                losses, _ = losses_and_hits(logits[None], of_chunk.view(1, 1, -1))
                totals[mask] += losses[0]
    return [(total / len(labels)).cpu() for total in totals]


def _logits_without_each(a: torch.Tensor, behind: Sequence[Operation]) -> torch.Tensor:
    """Return the logits [candidate, class, sample] without each channel of `a` in turn.

    Args:
        a: a masked layer's output, [samples, nodes] or [samples, filters, height, width].
        behind: the operations that follow it.
    """
    if isinstance(behind[0], Convolution):
        return _without_each_filter(a, behind[0], behind[1:])
    reader, *rest = _nodes(behind)
    rows = _samples_last(a)  # [channels, positions, samples]
    kernel = _by_channel(reader, *rows.shape[:2])
    z = torch.addmm(reader.bias[:, None], kernel.flatten(1), rows.flatten(0, 1))
    z = torch.baddbmm(z.expand(len(rows), *z.shape), kernel.transpose(0, 1), rows, alpha=-1)
    return _through_nodes(z.relu_() if reader.relu else z, rest)


def _without_each_filter(
    a: torch.Tensor, reader: Convolution, rest: Sequence[Operation]
) -> torch.Tensor:
    """The same where a convolution reads the filters."""
    samples, channels, height, width = a.shape
    padded = functional.pad(a.permute(1, 2, 3, 0), (0, 0, 1, 1, 1, 1))
    shifted = [
        padded[:, row : row + height, column : column + width]
        for row in range(3)
        for column in range(3)
    ]
    patches = torch.stack(shifted, 1).flatten(2)  # [channels, 9, positions and samples]
    kernel = reader.kernel.contiguous().flatten(2)  # [filters, channels, 9]
    z = torch.addmm(reader.bias[:, None], kernel.flatten(1), patches.flatten(0, 1))
    without = torch.empty_like(z)
    logits = []
    for channel in range(channels):
        torch.addmm(z, kernel[:, channel], patches[channel], alpha=-1, out=without)
        image = without.view(len(z), height, width, samples)
        logits.append(_through(_pool(image) if reader.pooled else image.clone(), rest))
    return torch.stack(logits)


def _pool(image: torch.Tensor) -> torch.Tensor:
    """The largest of 2x2 positions of [channels, height, width, samples]."""
    height, width = (size // 2 * 2 for size in image.shape[1:3])
    rows = torch.maximum(image[:, 0:height:2, :width], image[:, 1:height:2, :width])
    return torch.maximum(rows[:, :, 0::2], rows[:, :, 1::2])


def _through(image: torch.Tensor, rest: Sequence[Operation]) -> torch.Tensor:
    """Return the logits [class, sample] from pre-activations [channels, height, width, samples]."""
    image.relu_()
    if isinstance(rest[0], Convolution):
        return Chain(rest).forward(image.permute(3, 0, 1, 2)).T
    reader, *behind = _nodes(rest)
    channels, height, width, _ = image.shape
    kernel = _by_channel(reader, channels, height * width).flatten(1)
    z = torch.addmm(reader.bias[:, None], kernel, image.flatten(0, 2))
    return _through_nodes((z.relu_() if reader.relu else z)[None], behind)[0]


def _nodes(behind: Sequence[Operation]) -> list[Nodes]:
    """The fully connected layers of a chain that has no convolution any more."""
    return [operation for operation in behind if isinstance(operation, Nodes)]


def _through_nodes(x: torch.Tensor, rest: Sequence[Nodes]) -> torch.Tensor:
    """Return the logits from [candidate, node, sample], through fully connected layers."""
    for layer in rest:
        kernel = layer.kernel.T.expand(len(x), -1, -1)
        x = torch.baddbmm(layer.bias[:, None], kernel, x)
        x = x.relu_() if layer.relu else x
    return x


def _by_channel(reader: Nodes, channels: int, positions: int) -> torch.Tensor:
    """The kernel of a layer as [outputs, channels, positions]; its inputs are positions first."""
    outputs = reader.kernel.shape[1]
    return reader.kernel.view(positions, channels, outputs).permute(2, 1, 0).contiguous()


def _samples_last(a: torch.Tensor) -> torch.Tensor:
    """Return activations as [channels, positions, samples]."""
    return (a.flatten(2) if a.dim() == 4 else a[:, :, None]).permute(1, 2, 0).contiguous()
