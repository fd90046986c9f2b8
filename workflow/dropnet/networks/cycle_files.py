"""Pruning cycles on disk: masks, weights, statistics and results, as tensors without code."""

from collections.abc import Iterable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch

from dropnet.files.artifacts import artifact, load_tensors, save_tensors
from dropnet.networks.cycle import Cycle, Network, Results, Weights
from dropnet.networks.masks import Masks


def save_cycles(path: str | Path, cycles: Iterable[Cycle], about: Any = None) -> None:
    """Write cycles to one safetensors file.

    Tensors are named cycle{c}/seed{s}/mask/{layer}, .../weights/{name} and
    .../statistics/{name}/{layer}; `about` is any JSON that goes with them.
    """
    tensors: dict[str, torch.Tensor] = {}
    record = []
    for cycle in cycles:
        for network in cycle.networks:
            prefix = _prefix(cycle.number, network.seed)
            for layer, mask in enumerate(network.masks.layers):
                tensors[f"{prefix}/mask/{layer}"] = mask
            for name, weight in network.weights.items():
                tensors[f"{prefix}/weights/{name}"] = weight
            for name, layers in network.statistics.items():
                for layer, values in enumerate(layers):
                    tensors[f"{prefix}/statistics/{name}/{layer}"] = values
            results = asdict(network.results)
            record.append({"cycle": cycle.number, "seed": network.seed, "results": results})
    save_tensors(path, tensors, {"networks": record, "about": about})


def load_cycles(path: str | Path, widths: Sequence[int] | None = None) -> tuple[list[Cycle], Any]:
    """Read what `save_cycles` wrote: the cycles in their order, and `about`.

    Raises UserError if the file is damaged; also, if `widths` of masked layers are given, if a mask
    is not of these.
    """
    tensors, record = load_tensors(path)
    cycles: dict[int, list[Network]] = {}
    with artifact(path):
        for entry in record["networks"]:
            prefix = _prefix(entry["cycle"], entry["seed"])
            network = Network(
                seed=entry["seed"],
                masks=_masks(tensors, f"{prefix}/mask/", widths),
                weights=_by_name(tensors, f"{prefix}/weights/"),
                statistics={
                    name: _in_order(tensors, f"{prefix}/statistics/{name}/")
                    for name in dict.fromkeys(
                        key.split("/")[0] for key in _by_name(tensors, f"{prefix}/statistics/")
                    )
                },
                results=Results(**entry["results"]),
            )
            cycles.setdefault(entry["cycle"], []).append(network)
        if not cycles:
            raise ValueError("no networks")
        return [Cycle(number, networks) for number, networks in cycles.items()], record["about"]


def load_unpruned(path: str | Path, widths: Sequence[int]) -> Cycle:
    """Read what `save_cycles` wrote of the unpruned networks, whose masked layers have `widths`.

    Raises UserError as `load_cycles` does, and if the file holds anything else.
    """
    cycles, _ = load_cycles(path, widths)
    with artifact(path):
        (cycle,) = cycles
        if any(network.masks != Masks.full(widths) for network in cycle.networks):
            raise ValueError("a network is pruned")
    return cycle


def load_masks(path: str | Path, widths: Sequence[int]) -> list[tuple[int, int, Masks]]:
    """Read (cycle, seed, masks) of what `save_cycles` wrote, without the weights.

    Raises UserError as `load_cycles` does.
    """
    tensors, record = load_tensors(path, lambda name: "/mask/" in name)
    with artifact(path):
        numbers = [(entry["cycle"], entry["seed"]) for entry in record["networks"]]
        return [(*pair, _masks(tensors, f"{_prefix(*pair)}/mask/", widths)) for pair in numbers]


def save_initial_weights(
    path: str | Path, seeds: Sequence[int], weights: Sequence[Weights]
) -> None:
    """Write each seed's initial weights theta0, as seed{s}/{name}."""
    save_tensors(
        path,
        {
            f"seed{seed}/{name}": tensor
            for seed, network in zip(seeds, weights, strict=True)
            for name, tensor in network.items()
        },
    )


def load_initial_weights(path: str | Path, unpruned: Cycle) -> list[Weights]:
    """Read what `save_initial_weights` wrote, for each of the networks that were trained from them.

    Raises UserError if the file is damaged, or the weights do not have the shapes of those.
    """
    tensors, _ = load_tensors(path)
    weights: list[Weights] = [
        _by_name(tensors, f"seed{network.seed}/") for network in unpruned.networks
    ]
    with artifact(path):
        for network, own in zip(unpruned.networks, weights, strict=True):
            for name, trained in network.weights.items():
                if own[name].shape != trained.shape or own[name].dtype != trained.dtype:
                    raise ValueError(f"seed{network.seed}/{name} has another shape or type")
                if not own[name].isfinite().all():
                    raise ValueError(f"seed{network.seed}/{name} is not finite")
    return weights


def _prefix(cycle: int, seed: int) -> str:
    """What the names of a network's tensors begin with."""
    return f"cycle{cycle}/seed{seed}"


def _masks(tensors: dict[str, torch.Tensor], prefix: str, widths: Sequence[int] | None) -> Masks:
    masks = Masks(tuple(_in_order(tensors, prefix)))
    found = [len(layer) for layer in masks.layers]
    if not found or (widths is not None and found != list(widths)):
        raise ValueError(f"{prefix}* are of the widths {found}, expected {widths and list(widths)}")
    return masks


def _by_name(tensors: dict[str, torch.Tensor], prefix: str) -> dict[str, torch.Tensor]:
    """The tensors under a prefix, by the rest of their names."""
    return {
        key.removeprefix(prefix): tensor
        for key, tensor in tensors.items()
        if key.startswith(prefix)
    }


def _in_order(tensors: dict[str, torch.Tensor], prefix: str) -> list[torch.Tensor]:
    """The tensors named prefix + 0, 1, 2, ..., in that order."""
    numbered = _by_name(tensors, prefix)
    return [numbered[str(layer)] for layer in range(len(numbered))]
