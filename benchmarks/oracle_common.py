"""The oracle's workload: Figures 13 and 14, one cycle of one unpruned network."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np

#: Masked widths of Model A (Figure 13) and Model B (Figure 14).
WIDTHS = {"A": (20, 20), "B": (20, 20)}
SIDE, CLASSES = 28, 10


def candidates(model: str) -> list[tuple[int, int]]:
    """Every node or filter, as (layer, index)."""
    return [(layer, n) for layer, width in enumerate(WIDTHS[model]) for n in range(width)]


def load_training(path: str | Path) -> tuple[np.ndarray, np.ndarray]:
    """Images uint8 [n, 28, 28] and labels int64 [n]."""
    with np.load(path) as arrays:
        return arrays["images"], arrays["labels"].astype(np.int64)


def load_weights(path: str | Path) -> Mapping[str, np.ndarray]:
    """Trained weights: `kernel_0`, `bias_0`, ...; kernels [inputs, outputs] or [3, 3, in, out]."""
    with np.load(path) as arrays:
        return dict(arrays)
