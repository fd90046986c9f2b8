"""How large a network is: its parameters, and the multiply-adds that an image takes."""

from collections.abc import Sequence
from dataclasses import dataclass

from dropnet.networks.models import Conv, MaxPool
from dropnet.networks.steps import Step, Sum, Weighted


@dataclass(frozen=True)
class Size:
    """The size of a network at its pruned shape.

    Attributes:
        parameters: trained values: kernels, biases and, of a normalised layer, scales and shifts.
        multiply_adds: of the convolutions and fully connected layers, for one image.
    """

    parameters: int
    multiply_adds: int


def size_of(steps: Sequence[Step], height: int, width: int) -> Size:
    """Count a network's parameters and multiply-adds.

    Args:
        steps: of the network under its masks (`steps.steps_of`).
        height: of the images.
        width: likewise.
    """
    parameters = multiply_adds = 0
    for step in steps:
        match step:
            case MaxPool():
                height, width = height // 2, width // 2
            case Weighted():
                size = _layer(step, height, width)
                parameters += size.parameters
                multiply_adds += size.multiply_adds
            case Sum():
                for path in (step.body, step.shortcut):
                    size = size_of(path, height, width)
                    parameters += size.parameters
                    multiply_adds += size.multiply_adds
    return Size(parameters, multiply_adds)


def _layer(step: Weighted, height: int, width: int) -> Size:
    inputs, outputs = len(step.inputs), len(step.outputs)
    if not isinstance(step.layer, Conv):
        return Size(inputs * outputs + outputs, inputs * outputs)
    kernel = 9 * inputs * outputs
    normalised = 2 * outputs if step.layer.batch_norm else 0
    return Size(kernel + outputs + normalised, kernel * height * width)
