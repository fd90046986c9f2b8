"""Weights of a network: its initial ones, and what is left of them after pruning."""

import math
from collections.abc import Sequence

import torch

from dropnet.masks import Masks
from dropnet.models import Dense
from dropnet.networks import Weights
from dropnet.randomness import generator


def initial_weights(layers: Sequence[Dense], inputs: int, seed: int) -> dict[str, torch.Tensor]:
    """Return the initial weights theta0 of a network; they depend on the seed alone.

    Keras' defaults: Glorot uniform kernels, within +-sqrt(6 / (fan in + fan out)), zero biases.

    Args:
        layers: of the network.
        inputs: number of input values of one sample.
        seed: of the network.

    Returns:
        float32 tensors `dense{i}.kernel` [inputs, nodes] and `dense{i}.bias` [nodes].
    """
    weights = {}
    for index, layer in enumerate(layers, start=1):
        limit = math.sqrt(6 / (inputs + layer.nodes))
        random = torch.rand(inputs, layer.nodes, generator=generator("weights", seed, index))
        weights[f"dense{index}.kernel"] = (2 * random - 1) * limit
        weights[f"dense{index}.bias"] = torch.zeros(layer.nodes)
        inputs = layer.nodes
    return weights


def compact(weights: Weights, masks: Masks) -> dict[str, torch.Tensor]:
    """Remove the pruned nodes: from their own layer and from the inputs of the next one.

    The compacted network computes what the full network with masked activations does, since a
    masked node contributes zero to every node of the next layer.

    Args:
        weights: full-size weights of a network of dense layers.
        masks: of that network, one mask a hidden layer.
    """
    compacted = {}
    inputs = None
    for index in range(1, len(masks.layers) + 2):
        kernel, bias = weights[f"dense{index}.kernel"], weights[f"dense{index}.bias"]
        if inputs is not None:
            kernel = kernel[inputs]
        if index <= len(masks.layers):
            inputs = masks.kept(index - 1)
            kernel, bias = kernel[:, inputs], bias[inputs]
        compacted[f"dense{index}.kernel"] = kernel.clone()
        compacted[f"dense{index}.bias"] = bias.clone()
    return compacted
