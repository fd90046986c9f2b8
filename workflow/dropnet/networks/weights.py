"""Weights of a network: its initial ones, and what is left of them after pruning."""

import math
from collections.abc import Sequence

import torch

from dropnet.networks.cycle import Weights
from dropnet.networks.models import Conv
from dropnet.networks.steps import Step, Weighted, weighted_steps
from dropnet.randomness import generator


def initial_weights(
    steps: Sequence[Step], seed: int, purpose: str = "weights"
) -> dict[str, torch.Tensor]:
    """Return the initial weights theta0 of a network; they depend on seed and purpose alone.

    Keras' defaults: Glorot uniform kernels, within +-sqrt(6 / (fan in + fan out)), zero biases; the
    fan of a convolution is 9 times its channels.

    Args:
        steps: of the full network.
        seed: of the network.
        purpose: another one gives other weights, e.g. "random_init".

    Returns:
        float32 tensors, `dense{i}.kernel` [inputs, nodes] or `conv{i}.kernel` [filters, channels,
        3, 3], and `.bias` [nodes or filters]. A batch-normalised layer also has `.gamma`, `.beta`,
        `.mean` and `.variance` [filters].
    """
    weights = {}
    for index, step in enumerate(weighted_steps(steps), start=1):
        inputs, outputs = step.full
        convolution = isinstance(step.layer, Conv)
        field = 9 if convolution else 1
        limit = math.sqrt(6 / (field * (inputs + outputs)))
        shape = (outputs, inputs, 3, 3) if convolution else (inputs, outputs)
        random = torch.rand(shape, generator=generator(purpose, seed, index))
        weights[f"{step.name}.kernel"] = (2 * random - 1) * limit
        weights[f"{step.name}.bias"] = torch.zeros(outputs)
        if isinstance(step.layer, Conv) and step.layer.batch_norm:
            weights[f"{step.name}.gamma"] = torch.ones(outputs)
            weights[f"{step.name}.beta"] = torch.zeros(outputs)
            weights[f"{step.name}.mean"] = torch.zeros(outputs)
            weights[f"{step.name}.variance"] = torch.ones(outputs)
    return weights


def compact(weights: Weights, steps: Sequence[Step]) -> dict[str, torch.Tensor]:
    """Remove the pruned nodes and filters: from their own layers and from the inputs of the next.

    The compacted network computes what the full network with masked activations does, since a
    masked node or filter contributes zero to whatever reads it.

    Args:
        weights: of the full network.
        steps: of the network under its masks.
    """
    compacted = {}
    for step in weighted_steps(steps):
        for name in _names(step, weights):
            tensor = weights[f"{step.name}.{name}"]
            if name != "kernel":
                tensor = tensor[step.outputs]
            elif isinstance(step.layer, Conv):
                tensor = tensor[step.outputs][:, step.inputs]
            else:
                tensor = tensor[step.inputs][:, step.outputs]
            compacted[f"{step.name}.{name}"] = tensor.clone()
    return compacted


def expanded(weights: Weights, steps: Sequence[Step]) -> dict[str, torch.Tensor]:
    """Return the weights of a network at its full size, 0 where `compact` has removed them.

    Args:
        weights: of the compacted network.
        steps: of the network under its masks.
    """
    full = {}
    for step in weighted_steps(steps):
        inputs, outputs = step.full
        for name in _names(step, weights):
            tensor = weights[f"{step.name}.{name}"]
            if name != "kernel":
                whole = tensor.new_zeros(outputs)
                whole[step.outputs] = tensor
            elif isinstance(step.layer, Conv):
                whole = tensor.new_zeros(outputs, inputs, *tensor.shape[2:])
                whole[step.outputs[:, None], step.inputs] = tensor
            else:
                whole = tensor.new_zeros(inputs, outputs)
                whole[step.inputs[:, None], step.outputs] = tensor
            full[f"{step.name}.{name}"] = whole
    return full


def _names(step: Weighted, weights: Weights) -> list[str]:
    """The tensors of a layer, in their order."""
    prefix = f"{step.name}."
    return [name.removeprefix(prefix) for name in weights if name.startswith(prefix)]
