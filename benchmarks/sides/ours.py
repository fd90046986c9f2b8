"""What our sides share: images as a data set has them, networks as arrays for other sides."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import torch

from benchmarks.sides.protocol import Split
from dropnet.networks.cycle import Weights
from dropnet.networks.masks import Masks
from dropnet.networks.models import masked_widths
from dropnet.networks.steps import Step, weighted_steps
from dropnet.networks.weights import initial_weights
from dropnet.training.task import BaseTask


def as_tensors(split: Split) -> tuple[torch.Tensor, torch.Tensor]:
    """Images uint8 [n, channels, height, width] and labels [n], as a data set has them."""
    return torch.from_numpy(split.pixels).permute(0, 3, 1, 2), torch.from_numpy(split.labels)


def random_masks(widths: Sequence[int], fraction: float, seed: int) -> Masks:
    """The same share of each layer, picked at random: residual paths keep different channels."""
    generator = torch.Generator().manual_seed(seed)
    kept = (max(1, round(fraction * width)) for width in widths)
    order = (torch.randperm(width, generator=generator) for width in widths)
    return Masks(tuple(places < count for places, count in zip(order, kept, strict=True)))


def write_network(path: str | Path, weights: Weights, masks: Masks) -> None:
    """Write a network of full size with its masks, as `protocol.load_network` describes."""
    arrays = {f"mask_{n}": layer.float().numpy() for n, layer in enumerate(masks.layers)}
    for kind in ("kernel", "bias"):
        tensors = (tensor for name, tensor in weights.items() if name.endswith(f".{kind}"))
        for number, tensor in enumerate(tensors):
            plain = tensor.permute(2, 3, 1, 0) if tensor.dim() == 4 else tensor
            arrays[f"{kind}_{number}"] = plain.numpy()
    np.savez(path, **arrays)


def write_initial(path: str | Path, task: BaseTask, seed: int, remaining: float = 1.0) -> None:
    """Write initial weights, and masks at random that leave a share of each layer's nodes."""
    masks = random_masks(masked_widths(task.layers), remaining, seed)
    write_network(path, initial_weights(task.steps(), seed), masks)


def from_network(
    network: Mapping[str, np.ndarray], steps: Sequence[Step], dtype: torch.dtype
) -> tuple[dict[str, torch.Tensor], Masks]:
    """What `write_network` wrote: the weights, for the steps of the full network, and the masks."""
    weights = {}
    for number, step in enumerate(weighted_steps(steps)):
        kernel = torch.from_numpy(network[f"kernel_{number}"]).to(dtype)
        weights[f"{step.name}.kernel"] = kernel.permute(3, 2, 0, 1) if kernel.dim() == 4 else kernel
        weights[f"{step.name}.bias"] = torch.from_numpy(network[f"bias_{number}"]).to(dtype)
    masks = sorted(name for name in network if name.startswith("mask_"))
    return weights, Masks(tuple(torch.from_numpy(network[name]) > 0 for name in masks))
