"""The workload of the convolutional benchmarks, and the arithmetic of it.

Needs the standard library and NumPy alone, so that the Keras environment can import it.
"""

from pathlib import Path

import numpy as np

from common import BATCH_SIZE, CLASSES, PRUNE_FRACTION, largest_difference

__all__ = ["BATCH_SIZE", "CLASSES", "largest_difference"]

# Figure 6 of the paper: Model B on MNIST.
FILTERS, STOP_FRACTION = (64, 64), 0.02
#: Convolutions, nodes of the dense layer before the classifier (0: none), image side, channels.
ARCHITECTURES = {
    "B": ((64, 64), 0, 28, 1),
    "C": ((64, 64, 128, 128), 256, 32, 3),
}


def remaining(count: int) -> list[int]:
    """What is left of `count` filters in each recorded cycle of Figure 6.

    >>> remaining(64)[:4], remaining(64)[-1]
    ([64, 52, 42, 34], 1)
    """
    counts = [count]
    while counts[-1] > STOP_FRACTION * count:
        counts.append(counts[-1] - max(1, int(PRUNE_FRACTION * counts[-1])))
    return counts


def sweep_widths() -> dict[tuple[int, int], int]:
    """The widths of the networks of one seed, and how often the figure trains each.

    Three metrics count over the whole network; it is taken to shrink evenly. Three count in each
    layer. All share the unpruned network.

    >>> sweep_widths()[64, 64], sweep_widths()[52, 52], sum(sweep_widths().values())
    (1, 3, 115)
    """
    often = {FILTERS: 1}
    halves = [(n - n // 2, n // 2) for n in remaining(sum(FILTERS))[1:]]
    alike = [(n, n) for n in remaining(FILTERS[0])[1:]]
    for widths in halves + alike:
        often[widths] = often.get(widths, 0) + 3
    return often


def training_flops(samples: int, filters: tuple[int, int] = FILTERS) -> float:
    """Floating-point operations of the products that train Model B for one epoch.

    As `common.training_flops`: outputs, gradients of the weights, gradients passed down but for the
    images; a multiplication and an addition for each weight and position.

    >>> training_flops(1) / 1e6
    45.34656
    """
    first, second = filters
    conv1 = 28 * 28 * 9 * first
    conv2 = 14 * 14 * 9 * first * second
    dense = 49 * second * CLASSES
    return 2 * samples * (2 * conv1 + 3 * (conv2 + dense))


def load_images(path: str | Path, name: str) -> tuple[np.ndarray, np.ndarray]:
    """Images uint8 [n, height, width, channels] and labels int64 [n] that the driver wrote."""
    with np.load(path) as arrays:
        return arrays[f"{name}_images"], arrays[f"{name}_labels"].astype(np.int64)


def make_problem(model: str, seed: int) -> dict[str, np.ndarray]:
    """Initial weights of a model of ARCHITECTURES at full size, float32.

    Keys `kernel_0...`: Glorot uniform, of convolutions [3, 3, channels, filters], of dense layers
    [inputs, nodes], inputs flattened as Keras does (positions first, channels last); biases are 0.
    """
    filters, dense, side, channels = ARCHITECTURES[model]
    generator = np.random.default_rng(seed)
    shapes = []
    for width in filters:
        shapes.append((3, 3, channels, width))
        channels, side = width, side // 2
    inputs = side * side * channels
    for nodes in (dense, CLASSES) if dense else (CLASSES,):
        shapes.append((inputs, nodes))
        inputs = nodes
    problem = {}
    for layer, shape in enumerate(shapes):
        field = 9 if len(shape) == 4 else 1
        limit = (6 / (field * (shape[-2] + shape[-1]))) ** 0.5
        problem[f"kernel_{layer}"] = generator.uniform(-limit, limit, shape).astype(np.float32)
    return problem
