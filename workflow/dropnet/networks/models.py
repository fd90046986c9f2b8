"""The networks, declared layer by layer; initial weights, compaction and training follow from that.

To add a model, put a file into families/: its name is the model's, and its function `layers` maps
widths and classes to the layers. Nothing else has to be edited, and what other models have trained
stays as it is.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path

from dropnet.errors import UserError
from dropnet.settings import Settings


@dataclass(frozen=True)
class Flatten:
    """All positions and channels of an image become the inputs of the next layer."""


@dataclass(frozen=True)
class MaxPool:
    """The largest of 2x2 positions, stride 2; an odd last row or column is dropped."""


@dataclass(frozen=True)
class GlobalAveragePool:
    """The mean over all positions of each channel."""


@dataclass(frozen=True)
class Dense:
    """A fully connected layer.

    Attributes:
        nodes: width of the layer.
        masked: its nodes can be pruned.
        relu: a ReLU follows; the classifier has none.
    """

    nodes: int
    masked: bool = False
    relu: bool = True


@dataclass(frozen=True)
class Conv:
    """A 3x3 convolution, stride 1, 'same' padding, with a ReLU; its filters can be pruned.

    Attributes:
        filters: width of the layer.
        batch_norm: the activations are normalised after the ReLU and before the mask.
    """

    filters: int
    batch_norm: bool = False


@dataclass(frozen=True)
class Residual:
    """The sum of two paths from the same input, without a ReLU after it.

    Attributes:
        body: the convolutions of the block.
        shortcut: the convolutions on the other path; none for the identity.
    """

    body: tuple[Conv, ...]
    shortcut: tuple[Conv, ...] = ()


Layer = Flatten | MaxPool | GlobalAveragePool | Dense | Conv | Residual


def check_widths(model: str, widths: Sequence[int], count: int | None) -> None:
    """Refuse widths that are not `count` layers (any number of them if None) of 1 or more."""
    fits = widths and min(widths) >= 1 and (count is None or len(widths) == count)
    if not fits:
        needed = "one or more layers" if count is None else f"{count} layers"
        raise UserError(
            f"widths {list(widths)} do not fit model {model}: {needed} of 1 or more each"
        )


@dataclass(frozen=True)
class Model:
    """A family of networks, by the module that lists their layers."""

    module: str

    def __call__(self, widths: Sequence[int], classes: int) -> tuple[Layer, ...]:
        """Return the layers of one of them; raises UserError if the widths do not fit."""
        return import_module(self.module).layers(widths, classes)


#: A file in families/ is a model, of the file's name.
MODELS = {
    file.stem: Model(f"dropnet.networks.families.{file.stem}")
    for file in sorted(Path(__file__).parent.glob("families/[A-Za-z]*.py"))
}


def masked_widths(layers: Sequence[Layer]) -> list[int]:
    """Return the widths of the masked layers, in the order in which their masks come.

    In a residual block the body comes before the shortcut.
    """
    widths = []
    for layer in layers:
        match layer:
            case Conv(filters=width) | Dense(nodes=width, masked=True):
                widths.append(width)
            case Residual(body=body, shortcut=shortcut):
                widths += masked_widths([*body, *shortcut])
    return widths


def layers_of(settings: Settings) -> tuple[Layer, ...]:
    """Return the layers of an experiment's network."""
    return MODELS[settings.model](settings.widths, settings.classes)


def classes_of(layers: Sequence[Layer]) -> int:
    """Return the number of classes that a network tells apart.

    Raises:
        ValueError: if its last layer is no classifier.
    """
    match layers[-1]:
        case Dense(nodes=classes):
            return classes
    raise ValueError(f"not a classifier: {layers[-1]}")


def engine_of(settings: Settings, gpu: bool) -> str:
    """Return the name of the module that trains an experiment's networks, on a GPU or not.

    It is imported when it is needed, so that a job depends on the code of its own engine only.
    """
    layers = layers_of(settings)
    if not convolves(layers):
        engine = "fully_connected"
    elif gpu and is_stackable(layers):
        engine = "stacked.engine"
    else:
        engine = "convolutional"
    return f"dropnet.training.{engine}"


def convolves(layers: Sequence[Layer]) -> bool:
    """Say whether a network has convolutions."""
    return any(isinstance(layer, Conv | Residual) for layer in layers)


def is_stackable(layers: Sequence[Layer]) -> bool:
    """Say whether the engine of a GPU has operations for a network.

    It has them for a convolution, whatever convolutions, residual blocks and pools follow it, and
    then layers of nodes alone, none of them masked.
    """
    letters = {
        Conv: "c",
        Residual: "r",
        MaxPool: "p",
        Flatten: "f",
        GlobalAveragePool: "f",
        Dense: "d",
    }
    names = "".join(letters[type(layer)] for layer in layers)
    masked = any(isinstance(layer, Dense) and layer.masked for layer in layers)
    return not masked and re.fullmatch(r"c[crp]*fd+", names) is not None


def is_chain(layers: Sequence[Layer]) -> bool:
    """Say whether a network's layers simply follow each other, none of them normalised."""
    return not any(
        isinstance(layer, Residual) or (isinstance(layer, Conv) and layer.batch_norm)
        for layer in layers
    )


def check_pools(layers: Sequence[Layer], height: int, width: int) -> None:
    """Refuse a network with more pooling layers than its images allow.

    Raises:
        UserError: if nothing would be left of images of this size.
    """
    for layer in layers:
        if isinstance(layer, MaxPool):
            height, width = height // 2, width // 2
    if min(height, width) == 0:
        raise UserError(
            "the model has more pooling layers than the images allow: each one halves"
            " height and width, and nothing is left; allowed: fewer widths"
        )
