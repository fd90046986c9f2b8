"""The networks, declared layer by layer; initial weights, compaction and training follow from that.

To add a model, write a function from widths and classes to its layers and put it in MODELS.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

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


def _check_widths(model: str, widths: Sequence[int], count: int | None) -> None:
    """Refuse widths that are not `count` layers (any number of them if None) of 1 or more."""
    fits = widths and min(widths) >= 1 and (count is None or len(widths) == count)
    if not fits:
        needed = "one or more layers" if count is None else f"{count} layers"
        raise UserError(
            f"widths {list(widths)} do not fit model {model}: {needed} of 1 or more each"
        )


def fully_connected(widths: Sequence[int], classes: int) -> tuple[Layer, ...]:
    """Model A (Sections 3.3, 4.1): flatten, FC n1 [mask], FC n2 [mask], ..., linear classifier.

    Raises:
        UserError: if there is no hidden layer, or one without nodes.
    """
    _check_widths("FC", widths, None)
    hidden = (Dense(width, masked=True) for width in widths)
    return (Flatten(), *hidden, Dense(classes, relu=False))


def convolutional(widths: Sequence[int], classes: int) -> tuple[Layer, ...]:
    """Model B (Sections 3.3, 4.2): conv [mask], pool, conv [mask], pool, flatten, classifier.

    Raises:
        UserError: if there is no convolution, or one without filters.
    """
    _check_widths("Conv", widths, None)
    return (*_conv_pool(widths), Flatten(), Dense(classes, relu=False))


def convolutional_dense(widths: Sequence[int], classes: int) -> tuple[Layer, ...]:
    """Model C (Sections 3.3, 4.3): four times conv [mask] and pool, flatten, FC256, classifier.

    Raises:
        UserError: if there is no convolution, or one without filters.
    """
    _check_widths("ConvFC256", widths, None)
    return (*_conv_pool(widths), Flatten(), Dense(256), Dense(classes, relu=False))


def _conv_pool(widths: Sequence[int]) -> Iterator[Layer]:
    for width in widths:
        yield Conv(width)
        yield MaxPool()


def resnet18(widths: Sequence[int], classes: int) -> tuple[Layer, ...]:
    """ResNet18 without batch normalisation (Section 4.4 and supplementary material).

    Stem conv and pool; four stages of two blocks, the first block of all but the first stage with a
    convolution on its shortcut; pools between the stages; global average pool; linear classifier.

    Args:
        widths: of the stem and of the four stages; the stem is as wide as the first stage.
        classes: of the data set.

    Raises:
        UserError: if these are not five widths, the first two equal.
    """
    _check_widths("ResNet18", widths, 5)
    stem, *stages = widths
    if stem != stages[0]:
        raise UserError(
            f"widths {list(widths)} do not fit model ResNet18: the first stage adds to the stem,"
            " so that the first two are equal"
        )
    layers: list[Layer] = [Conv(stem), MaxPool()]
    for stage, width in enumerate(stages):
        body = (Conv(width), Conv(width))
        layers += [Residual(body, () if stage == 0 else (Conv(width),)), Residual(body)]
        if stage < len(stages) - 1:
            layers.append(MaxPool())
    return (*layers, GlobalAveragePool(), Dense(classes, relu=False))


def vgg19(widths: Sequence[int], classes: int) -> tuple[Layer, ...]:
    """VGG19 (Section 4.4): five stages of 2, 2, 4, 4, 4 convolutions, each ended by a pool.

    The last convolution of each stage is batch-normalised; FC256 precedes the classifier.

    Args:
        widths: of the five stages.
        classes: of the data set.

    Raises:
        UserError: if these are not five widths.
    """
    return _vgg19("VGG19", widths, Dense(256), classes)


def vgg19_tiny_imagenet(widths: Sequence[int], classes: int) -> tuple[Layer, ...]:
    """VGG19 as the authors have it for Tiny ImageNet: as `vgg19`, but for FC1024 in its head.

    Raises:
        UserError: if these are not five widths.
    """
    return _vgg19("VGG19FC1024", widths, Dense(1024), classes)


def _vgg19(model: str, widths: Sequence[int], head: Dense, classes: int) -> tuple[Layer, ...]:
    _check_widths(model, widths, 5)
    layers: list[Layer] = []
    for width, depth in zip(widths, (2, 2, 4, 4, 4), strict=True):
        layers += [*(Conv(width) for _ in range(depth - 1)), Conv(width, batch_norm=True)]
        layers.append(MaxPool())
    return (*layers, Flatten(), head, Dense(classes, relu=False))


class Model(Protocol):
    """A family of networks."""

    def __call__(self, widths: Sequence[int], classes: int) -> tuple[Layer, ...]:
        """Return the layers of one of them; raises UserError if the widths do not fit."""


MODELS: dict[str, Model] = {
    "FC": fully_connected,
    "Conv": convolutional,
    "ConvFC256": convolutional_dense,
    "ResNet18": resnet18,
    "VGG19": vgg19,
    "VGG19FC1024": vgg19_tiny_imagenet,
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
    elif gpu and is_plain_chain(layers) and settings.augmentation == "none":
        engine = "stacked"
    else:
        engine = "convolutional"
    return f"dropnet.training.{engine}"


def convolves(layers: Sequence[Layer]) -> bool:
    """Say whether a network has convolutions."""
    return any(isinstance(layer, Conv | Residual) for layer in layers)


def is_plain_chain(layers: Sequence[Layer]) -> bool:
    """Say whether convolutions, some of them pooled, are followed by layers of nodes alone."""
    names = "".join(
        {Conv: "c", MaxPool: "p", Flatten: "f", Dense: "d"}.get(type(layer), "?")
        for layer in layers
    )
    return is_chain(layers) and re.fullmatch(r"(cp?)+fd+", names) is not None


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
