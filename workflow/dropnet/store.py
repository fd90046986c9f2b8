"""Pruning cycles on disk: masks, weights, statistics and results, as tensors without code."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch

from dropnet.artifacts import load_tensors, save_tensors
from dropnet.masks import Masks
from dropnet.networks import Cycle, Network, Results, Weights


def save_cycles(path: str | Path, cycles: Iterable[Cycle], about: Any = None) -> None:
    """Write cycles to one safetensors file.

    Tensors are named cycle{c}/seed{s}/mask/{layer}, .../weights/{name} and
    .../statistics/{name}/{layer}; `about` is any JSON that goes with them.
    """
    tensors: dict[str, torch.Tensor] = {}
    record = []
    for cycle in cycles:
        for network in cycle.networks:
            prefix = f"cycle{cycle.number}/seed{network.seed}"
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


def load_cycles(path: str | Path) -> tuple[list[Cycle], Any]:
    """Read what `save_cycles` wrote: the cycles in their order, and `about`."""
    tensors, record = load_tensors(path)
    cycles: dict[int, list[Network]] = {}
    for entry in record["networks"]:
        prefix = f"cycle{entry['cycle']}/seed{entry['seed']}"
        network = Network(
            seed=entry["seed"],
            masks=Masks(tuple(_in_order(tensors, f"{prefix}/mask/"))),
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
    return [Cycle(number, networks) for number, networks in cycles.items()], record["about"]


def load_masks(path: str | Path) -> Iterator[tuple[int, int, Masks]]:
    """Yield (cycle, seed, masks) of what `save_cycles` wrote, without reading the weights."""
    tensors, record = load_tensors(path, lambda name: "/mask/" in name)
    for entry in record["networks"]:
        prefix = f"cycle{entry['cycle']}/seed{entry['seed']}/mask/"
        yield entry["cycle"], entry["seed"], Masks(tuple(_in_order(tensors, prefix)))


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


def load_initial_weights(path: str | Path, seeds: Sequence[int]) -> list[Weights]:
    """Read what `save_initial_weights` wrote."""
    tensors, _ = load_tensors(path)
    return [_by_name(tensors, f"seed{seed}/") for seed in seeds]


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
