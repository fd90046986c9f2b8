"""Which nodes or filters of each masked layer remain."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import torch


@dataclass(frozen=True, eq=False)
class Masks:
    """One boolean vector a masked layer, True for a node that remains.

    Masks only shrink: `drop` returns new masks with fewer nodes, nothing brings a node back.

    Attributes:
        layers: bool tensors, one of shape [width] for each masked layer.

    Raises:
        ValueError: if a layer is not a one-dimensional bool tensor.
    """

    layers: tuple[torch.Tensor, ...]

    def __post_init__(self) -> None:
        """Refuse anything that is not a vector of bools."""
        for layer in self.layers:
            if layer.dtype != torch.bool or layer.dim() != 1:
                raise ValueError(
                    f"a mask is a bool vector, not {layer.dtype} of shape {list(layer.shape)}"
                )

    @classmethod
    def full(cls, widths: Iterable[int]) -> "Masks":
        """Return masks of the given widths with every node remaining."""
        return cls(tuple(torch.ones(width, dtype=torch.bool) for width in widths))

    @property
    def remaining(self) -> tuple[int, ...]:
        """Number of nodes that remain in each layer."""
        return tuple(int(layer.sum()) for layer in self.layers)

    @property
    def fraction_remaining(self) -> float:
        """Share of all masked nodes that remain, between 0 and 1."""
        return sum(self.remaining) / sum(len(layer) for layer in self.layers)

    def kept(self, layer: int) -> torch.Tensor:
        """Return the indices, ascending, of the nodes that remain in a layer."""
        return self.layers[layer].nonzero().flatten()

    def drop(self, positions: Sequence[torch.Tensor]) -> "Masks":
        """Return masks without some of the remaining nodes.

        Args:
            positions: for each layer, which of its REMAINING nodes go, counted from 0 among them
                (so that they index the layer of the compacted network).
        """
        layers = []
        for index, gone in enumerate(positions):
            layer = self.layers[index].clone()
            layer[self.kept(index)[gone]] = False
            layers.append(layer)
        return Masks(tuple(layers))

    def __eq__(self, other: object) -> bool:
        """Masks are equal when every layer is."""
        return isinstance(other, Masks) and (
            len(self.layers) == len(other.layers)
            and all(torch.equal(a, b) for a, b in zip(self.layers, other.layers, strict=True))
        )
