"""A network at its pruned size as a torch module: what torch's exporter takes.

It computes what `training.operations` computes for evaluation. An activation that is the same for
every image, as behind a layer of which nothing is left, is worked out here and becomes a constant:
ONNX has no layers without channels.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

import torch
from torch import nn
from torch.nn import functional

from dropnet.networks.cycle import Weights
from dropnet.networks.models import Conv, Dense, Flatten, GlobalAveragePool, MaxPool
from dropnet.networks.steps import Step, Sum, Weighted
from dropnet.training.operations import NORM_EPSILON


class NetworkModule(nn.Module):
    """A network at its pruned size, from images to logits.

    Its input are images [batch, channels, height, width] with values from 0 to 1 in the precision
    of the weights, its output logits [batch, classes].
    """

    def __init__(self, steps: Sequence[Step], weights: Weights, image_shape: Sequence[int]) -> None:
        """Take over a network.

        Args:
            steps: of the network under its masks.
            weights: of the compacted network, all of one precision.
            image_shape: (channels, height, width) of its images.
        """
        super().__init__()
        dtype = next(iter(weights.values())).dtype
        walk = _Walk(weights, torch.zeros(1, *image_shape, dtype=dtype))
        with torch.no_grad():
            walk.follow(steps)
        self.constant = walk.constant
        self.parts = nn.Sequential(*walk.parts)
        self.requires_grad_(False).eval()

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Return the logits."""
        logits: torch.Tensor = self.parts(images)
        return logits.expand(images.shape[0], -1) if self.constant else logits


class _Constant(nn.Module):
    """The same for every image, [1, ...]."""

    value: torch.Tensor

    def __init__(self, value: torch.Tensor) -> None:
        super().__init__()
        self.register_buffer("value", value.clone())

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.value


class _Convolution(nn.Module):
    """A convolution with a ReLU and, if it has one, the normalisation after it."""

    def __init__(self, step: Weighted, weights: Weights) -> None:
        super().__init__()
        self.kernel = _parameter(weights[f"{step.name}.kernel"])
        self.bias = _parameter(weights[f"{step.name}.bias"])
        self.normalise: nn.Module = nn.Identity()
        if isinstance(step.layer, Conv) and step.layer.batch_norm and len(self.bias):
            self.normalise = nn.BatchNorm2d(len(self.bias), NORM_EPSILON)
            for own, name in (
                (self.normalise.weight, "gamma"),
                (self.normalise.bias, "beta"),
                (self.normalise.running_mean, "mean"),
                (self.normalise.running_var, "variance"),
            ):
                assert own is not None
                own.data = weights[f"{step.name}.{name}"].clone()
            self.normalise.eval()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        filters, channels = self.kernel.shape[:2]
        if filters and channels:
            x = functional.conv2d(x, self.kernel, self.bias, padding=1)
        else:
            x = self.bias.view(1, -1, 1, 1).expand(len(x), -1, *x.shape[2:])
        return self.normalise(torch.relu(x))


class _Nodes(nn.Module):
    """A fully connected layer, with or without a ReLU."""

    def __init__(
        self, step: Weighted, weights: Weights, image: tuple[int, int, int] | None
    ) -> None:
        """Take over the layer's weights; `image` is what its input was before it was flattened.

        Ours are flattened positions first, torch's and ONNX' channels first; so the kernel is put
        into their order, which takes nothing from the time of a prediction.
        """
        super().__init__()
        kernel = weights[f"{step.name}.kernel"]  # [inputs, nodes]
        if image is not None:
            channels, height, width = image
            nodes = kernel.shape[1]
            kernel = kernel.view(height, width, channels, nodes).permute(2, 0, 1, 3)
            kernel = kernel.reshape(channels * height * width, nodes)
        self.kernel = _parameter(kernel.T.contiguous())
        self.bias = _parameter(weights[f"{step.name}.bias"])
        self.relu = isinstance(step.layer, Dense) and step.layer.relu

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = functional.linear(x, self.kernel, self.bias)
        return torch.relu(x) if self.relu else x


class _Pool(nn.Module):
    """The largest of 2x2 positions."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if x.shape[1] == 0:
            return x.new_zeros(len(x), 0, x.shape[2] // 2, x.shape[3] // 2)
        return functional.max_pool2d(x, 2)


class _Average(nn.Module):
    """The mean over all positions."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x.mean((2, 3))


class _Placed(nn.Module):
    """The channels of a path at their places in a sum; the others of it are 0."""

    source: torch.Tensor

    def __init__(self, places: torch.Tensor, width: int) -> None:
        super().__init__()
        source = torch.full((width,), len(places))  # behind the last: a channel of zeros
        source[places] = torch.arange(len(places))
        self.register_buffer("source", source)
        self.complete = len(places) == width

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = x if self.complete else functional.pad(x, (0, 0, 0, 0, 0, 1))
        return x.index_select(1, self.source)


class _Sum(nn.Module):
    """Two paths that are added."""

    def __init__(self, body: nn.Module, shortcut: nn.Module) -> None:
        super().__init__()
        self.body, self.shortcut = body, shortcut

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.body(x) + self.shortcut(x)


@dataclass
class _Walk:
    """Where a walk through the steps is.

    Attributes:
        weights: of the network.
        value: the activations of one image, for their shape; of every image, if `constant`.
        constant: nothing that is computed so far depends on the image.
        image: the shape of the activations from before they were flattened.
        parts: the modules so far.
    """

    weights: Weights
    value: torch.Tensor
    constant: bool = False
    image: tuple[int, int, int] | None = None
    parts: list[nn.Module] = field(default_factory=list)

    def follow(self, steps: Sequence[Step]) -> None:
        """Go through the steps."""
        for step in steps:
            match step:
                case Weighted():
                    empty = min(len(step.inputs), len(step.outputs)) == 0
                    self._take(self._layer(step), empty)
                case MaxPool():
                    self._take(_Pool())
                case GlobalAveragePool():
                    self._take(_Average())
                case Flatten():
                    channels, height, width = self.value.shape[1:]
                    self.image = (channels, height, width)
                    self._take(nn.Flatten())
                case Sum():
                    body = self._path(step.body, step.body_at, step.width)
                    shortcut = self._path(step.shortcut, step.shortcut_at, step.width)
                    part = _Sum(nn.Sequential(*body.parts), nn.Sequential(*shortcut.parts))
                    self._take(part, body.constant and shortcut.constant)

    def _take(self, part: nn.Module, constant: bool = False) -> None:
        self.value = part(self.value)
        self.constant = self.constant or constant
        self.parts = [_Constant(self.value)] if self.constant else [*self.parts, part]

    def _layer(self, step: Weighted) -> nn.Module:
        if isinstance(step.layer, Conv):
            return _Convolution(step, self.weights)
        image, self.image = self.image, None
        return _Nodes(step, self.weights, image)

    def _path(self, steps: Sequence[Step], places: torch.Tensor, width: int) -> "_Walk":
        path = _Walk(self.weights, self.value, self.constant)
        if self.constant:
            path.parts = [_Constant(self.value)]
        path.follow(steps)
        if not torch.equal(places, torch.arange(width)):
            path._take(_Placed(places, width))
        return path


def _parameter(tensor: torch.Tensor) -> nn.Parameter:
    return nn.Parameter(tensor.clone(memory_format=torch.contiguous_format), requires_grad=False)
