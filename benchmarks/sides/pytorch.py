"""What the plain PyTorch sides share: a loop as one writes it without tricks.

The data set is one tensor and there are no loader workers, so nothing is wasted on feeding.
`foreach=True` and `fused=True` were tried for the optimiser and change nothing at this size.
"""

from collections.abc import Mapping

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from benchmarks.sides.protocol import BATCH_SIZE, LEARNING_RATE

LAYOUTS = {  # of images and kernels
    "plain loop": torch.contiguous_format,
    "plain loop, channels last": torch.channels_last,
}


def optimiser_of(model: nn.Module) -> torch.optim.Optimizer:
    """Plain SGD."""
    return torch.optim.SGD(model.parameters(), lr=LEARNING_RATE)


def train_epoch(
    model: nn.Module, optimiser: torch.optim.Optimizer, images: Tensor, labels: Tensor
) -> list[Tensor]:
    """One epoch in the given order; the loss of each batch, before its update."""
    model.train()
    losses, correct = [], labels.new_zeros(())
    for x, y in zip(images.split(BATCH_SIZE), labels.split(BATCH_SIZE), strict=True):
        optimiser.zero_grad()
        logits = model(x)
        loss = functional.cross_entropy(logits, y)
        loss.backward()
        optimiser.step()
        losses.append(loss.detach())
        correct += (logits.detach().argmax(1) == y).sum()  # training accuracy, as Keras counts
    return losses


@torch.no_grad()
def evaluate(
    model: nn.Module, images: Tensor, labels: Tensor, batch_size: int
) -> tuple[float, float]:
    """Mean loss and accuracy."""
    model.eval()
    loss, correct = 0.0, 0
    for x, y in zip(images.split(batch_size), labels.split(batch_size), strict=True):
        logits = model(x)
        loss += float(functional.cross_entropy(logits, y, reduction="sum"))
        correct += int((logits.argmax(1) == y).sum())
    return loss / len(labels), correct / len(labels)


@torch.no_grad()
def take_over(model: nn.Module, network: Mapping[str, np.ndarray]) -> None:
    """Give a model with `masks` the weights and masks of a network (`protocol.load_network`)."""
    weighted = (part for part in model.modules() if isinstance(part, nn.Linear | nn.Conv2d))
    for number, part in enumerate(weighted):
        kernel = torch.from_numpy(network[f"kernel_{number}"])
        part.weight.copy_(kernel.permute(3, 2, 0, 1) if kernel.dim() == 4 else kernel.T)
        part.bias.copy_(torch.from_numpy(network[f"bias_{number}"]))
    for number, mask in enumerate(model.masks):
        mask.copy_(torch.from_numpy(network[f"mask_{number}"]).view_as(mask))
