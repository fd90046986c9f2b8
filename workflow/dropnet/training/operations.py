"""The operations of a convolutional network, forward and backward, without autograd.

An operation keeps what its backward pass needs, and updates its own weights in it. Images and
activations are [samples, channels, height, width], channels last in memory. What makes it fast on a
processor: a ReLU comes after the pooling where nothing stands between them, since max(relu(x)) =
relu(max(x)) and the pooled image is a quarter of the size; the activations from before a pooling,
the largest tensors of a network, are given up at once, so that the next ones take their place in
the cache; and where images are small, the gradient of a kernel is a product with their patches,
since oneDNN adds it up in memory, image by image.

Convolutions may compute in a lower precision than the weights are kept in. Images, activations and
their gradients have it then, and so have the gradients of kernels and biases: torch sums them up in
float32, over all positions of a batch, and rounds them once, before they change weights that are
not rounded. What follows the last convolution, and what is added up over batches, has the precision
of the weights; so have the gradients of a normalisation.
"""

from collections.abc import Callable, Sequence

import torch
from torch.nn import functional

from dropnet.networks.cycle import Weights
from dropnet.networks.models import Conv, Dense, Flatten, GlobalAveragePool, MaxPool
from dropnet.networks.steps import Step, Sum, Weighted, flattened, unflattened

NORM_MOMENTUM, NORM_EPSILON = 0.99, 1e-3  # Keras' BatchNormalization

#: Is told the index of a mask, the activations that it would act on, what they were right after the
#: ReLU (something else where they are normalised in between), and the inputs of the layer. What it
#: writes into the former is what the network goes on with.
Observer = Callable[[int, torch.Tensor, torch.Tensor, torch.Tensor], None]
Pooled = tuple[torch.Tensor, torch.Tensor]

# max(0, x) passes a gradient where its result is positive; written into a given tensor
_relu_backward = torch.ops.aten.threshold_backward.grad_input
_max_pool = torch.ops.aten.max_pool2d_with_indices
_max_pool_backward = torch.ops.aten.max_pool2d_with_indices_backward
_convolution_backward = torch.ops.aten.convolution_backward
_FEW_POSITIONS = 16  # of an image; with 64 both ways take as long, with more the product longer
_POOL = ([2, 2], [2, 2], [0, 0], [1, 1], False)  # kernel, stride, padding, dilation, ceil mode
_CONVOLVE = ([1, 1], [1, 1], [1, 1], False, [0, 0], 1)  # stride, padding, dilation, ..., groups


def channels_last(x: torch.Tensor) -> torch.Tensor:
    """Return images or convolution kernels with the channels last in memory; others as they are.

    Unlike `contiguous(memory_format=...)` it also orders the strides where there is one channel;
    convolutions go by them when they choose the layout of their output.
    """
    if x.dim() != 4:
        return x
    last = x.permute(0, 2, 3, 1).contiguous()
    if x.shape[1] == 1:
        last = last.clone(memory_format=torch.contiguous_format)
    return last.permute(0, 3, 1, 2)


class Operation:
    """A part of a network.

    Attributes:
        weights: its own, by their full names; the tensors are updated in place.
    """

    def __init__(self) -> None:
        """Start without weights."""
        self.weights: dict[str, torch.Tensor] = {}

    def forward(self, x: torch.Tensor, observe: Observer | None = None) -> torch.Tensor:
        """Return the output for evaluation; `observe` is told the masked activations."""
        raise NotImplementedError

    def train_forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return the output for training, and keep what `backward` needs."""
        raise NotImplementedError

    def backward(self, gradient: torch.Tensor, rate: float) -> torch.Tensor | None:
        """Update the weights by -rate times their gradients; return the gradient of the input.

        The gradient given is the operation's own, to be overwritten. None stands for the gradient
        of the images, which nobody needs.
        """
        raise NotImplementedError


class _WithKernel(Operation):
    """An operation with a kernel and a bias.

    Attributes:
        kernel: of a convolution [filters, channels, 3, 3], of a layer of nodes [inputs, nodes].
        bias: [filters or nodes].
        compute: the precision of its arithmetic.
    """

    def __init__(self, step: Weighted, weights: Weights, compute: torch.dtype) -> None:
        super().__init__()
        prefix = f"{step.name}."
        for name, tensor in weights.items():
            if name.startswith(prefix):
                self.weights[name] = channels_last(tensor.clone())
        self.kernel, self.bias = self.of("kernel", step), self.of("bias", step)
        self.mask = step.mask
        self.compute = compute

    def of(self, name: str, step: Weighted) -> torch.Tensor:
        return self.weights[f"{step.name}.{name}"]

    def _convolve(self, x: torch.Tensor) -> torch.Tensor:
        """Return the pre-activations; a layer without inputs is its bias everywhere."""
        filters, channels = self.kernel.shape[:2]
        if filters == 0:
            return x.new_zeros(len(x), 0, *x.shape[2:])
        bias = self.bias.to(self.compute)
        if channels == 0:
            everywhere = bias.view(1, -1, 1, 1).expand(len(x), -1, *x.shape[2:])
            return channels_last(everywhere.clone())  # it is overwritten, and the bias is not
        return torch.convolution(x, self.kernel.to(self.compute), bias, *_CONVOLVE)

    def _unconvolve(
        self, gradient: torch.Tensor, x: torch.Tensor, rate: float, needs_input: bool
    ) -> torch.Tensor | None:
        """Update kernel and bias; return the gradient of the input x, if it is needed."""
        filters, channels = self.kernel.shape[:2]
        if filters == 0:
            return torch.zeros_like(x)
        if channels == 0:
            self.bias.add_(gradient.sum((0, 2, 3), dtype=self.bias.dtype), alpha=-rate)
            return torch.zeros_like(x)
        small = x.shape[2] * x.shape[3] <= _FEW_POSITIONS
        by_product = small and x.device.type == "cpu" and x.dtype == self.kernel.dtype
        of_input, of_kernel, of_bias = _convolution_backward(
            gradient, x, self.kernel.to(self.compute), [filters], *_CONVOLVE,
            [needs_input, not by_product, not by_product],
        )  # fmt: skip
        if by_product:
            arriving = gradient.permute(0, 2, 3, 1).flatten(0, 2)
            rows = self.kernel.permute(0, 2, 3, 1).view(filters, -1)  # as it lies in memory
            rows.addmm_(arriving.T, _patches(x), alpha=-rate)
            self.bias.add_(arriving.sum(0), alpha=-rate)
        else:
            self.kernel.add_(of_kernel, alpha=-rate)
            self.bias.add_(of_bias, alpha=-rate)
        return of_input


def _patches(x: torch.Tensor) -> torch.Tensor:
    """Return what a kernel sees at each position, [samples and positions, 3 x 3 x channels]."""
    padded = functional.pad(x.permute(0, 2, 3, 1), (0, 0, 1, 1, 1, 1))
    of_position = padded.unfold(1, 3, 1).unfold(2, 3, 1)  # [..., channels, 3, 3]
    return of_position.permute(0, 1, 2, 4, 5, 3).reshape(-1, 9 * x.shape[1])


class Convolution(_WithKernel):
    """A convolution with a ReLU, and the pooling that follows it."""

    def __init__(
        self,
        step: Weighted,
        weights: Weights,
        compute: torch.dtype,
        pooled: bool,
        of_images: bool,
    ) -> None:
        """Take over the layer's weights.

        Args:
            step: the layer.
            weights: of the network.
            compute: precision of the arithmetic.
            pooled: a pooling follows and belongs to this operation.
            of_images: its input are the images, which need no gradient.
        """
        super().__init__(step, weights, compute)
        self.pooled, self.of_images = pooled, of_images
        self.pools: dict[int, Pooled] = {}  # by the number of samples

    def forward(self, x: torch.Tensor, observe: Observer | None = None) -> torch.Tensor:
        inputs, x = x, self._convolve(x)
        if observe and self.mask is not None:  # scores need the activations from before the pooling
            x = x.relu_()
            observe(self.mask, x, x, inputs)
            return _pool(x)[0] if self.pooled else x
        return (_pool(x)[0] if self.pooled else x).relu_()

    def train_forward(self, x: torch.Tensor) -> torch.Tensor:
        self.input = x
        self.output = self._convolve(x)
        if self.pooled:
            # in the place of the last batch's: memory that is still in the cache
            self.pools[len(x)] = _pool(self.output, self.pools.get(len(x)))
            self.output, self.positions = self.pools[len(x)]
        return self.output.relu_()

    def backward(self, gradient: torch.Tensor, rate: float) -> torch.Tensor | None:
        _relu_backward(gradient, self.output, 0, grad_input=gradient)
        if self.pooled:
            gradient = _unpool(gradient, self.input.shape[2:], self.positions)
        return self._unconvolve(gradient, self.input, rate, not self.of_images)


class NormalisedConvolution(_WithKernel):
    """A convolution with a ReLU and a batch normalisation after it.

    As the Keras of that time (TensorFlow's fused operation) and torch compute it: batches are
    normalised by their biased variance, the moving average is that of the unbiased one.
    """

    def __init__(
        self, step: Weighted, weights: Weights, compute: torch.dtype, of_images: bool
    ) -> None:
        super().__init__(step, weights, compute)
        self.of_images = of_images
        self.gamma, self.beta = self.of("gamma", step), self.of("beta", step)
        self.mean, self.variance = self.of("mean", step), self.of("variance", step)

    def forward(self, x: torch.Tensor, observe: Observer | None = None) -> torch.Tensor:
        inputs, active = x, self._convolve(x).relu_()
        x, *_ = self._normalise(active, training=False)
        if observe and self.mask is not None:
            observe(self.mask, x, active, inputs)
        return x

    def train_forward(self, x: torch.Tensor) -> torch.Tensor:
        self.input = x
        self.active = self._convolve(x).relu_()
        x, *self.of_batch = self._normalise(self.active, training=True)
        return x

    def backward(self, gradient: torch.Tensor, rate: float) -> torch.Tensor | None:
        if len(self.bias) == 0:
            return torch.zeros_like(self.input)
        gradient, of_gamma, of_beta = torch.ops.aten.native_batch_norm_backward(
            gradient, self.active, self.gamma, self.mean, self.variance, *self.of_batch,
            True, NORM_EPSILON, [True, True, True],
        )  # fmt: skip
        self.gamma.add_(of_gamma, alpha=-rate)
        self.beta.add_(of_beta, alpha=-rate)
        _relu_backward(gradient, self.active, 0, grad_input=gradient)
        return self._unconvolve(gradient, self.input, rate, not self.of_images)

    def _normalise(self, x: torch.Tensor, training: bool) -> tuple[torch.Tensor, ...]:
        if len(self.bias) == 0:
            return (x,)
        return torch.native_batch_norm(
            x, self.gamma, self.beta, self.mean, self.variance,
            training, 1 - NORM_MOMENTUM, NORM_EPSILON,
        )  # fmt: skip


class Pooling(Operation):
    """The largest of 2x2 positions."""

    def forward(self, x: torch.Tensor, observe: Observer | None = None) -> torch.Tensor:
        return _pool(x)[0]

    def train_forward(self, x: torch.Tensor) -> torch.Tensor:
        self.size = x.shape[2:]
        pooled, self.positions = _pool(x)
        return pooled

    def backward(self, gradient: torch.Tensor, rate: float) -> torch.Tensor:
        return _unpool(gradient, self.size, self.positions)


def _pool(x: torch.Tensor, into: Pooled | None = None) -> Pooled:
    """Return the largest of 2x2 positions and where they were, in new tensors or in those given."""
    if x.shape[1] == 0:
        pooled = x.new_zeros(len(x), 0, x.shape[2] // 2, x.shape[3] // 2)
        return pooled, pooled
    if into:
        return _max_pool.out(x, *_POOL, out=into[0], indices=into[1])
    return _max_pool(x, *_POOL)


def _unpool(gradient: torch.Tensor, size: Sequence[int], positions: torch.Tensor) -> torch.Tensor:
    """Return the gradient of x from that of `_pool(x)`; x has the given height and width."""
    samples, channels = gradient.shape[:2]
    of_input = gradient.new_empty(samples, *size, channels).permute(0, 3, 1, 2)
    if channels == 0:
        return of_input
    # of x only the shape is asked for: the activations themselves are not kept
    return _max_pool_backward.grad_input(gradient, of_input, *_POOL, positions, grad_input=of_input)


class Averaging(Operation):
    """The mean over all positions; its output has the precision of the weights."""

    def __init__(self, dtype: torch.dtype) -> None:
        """Start with the precision of the weights."""
        super().__init__()
        self.dtype = dtype

    def forward(self, x: torch.Tensor, observe: Observer | None = None) -> torch.Tensor:
        return x.mean((2, 3), dtype=self.dtype)

    def train_forward(self, x: torch.Tensor) -> torch.Tensor:
        self.input = x
        return self.forward(x)

    def backward(self, gradient: torch.Tensor, rate: float) -> torch.Tensor:
        height, width = self.input.shape[2:]
        spread = (gradient / (height * width)).to(self.input.dtype)
        spread = spread[:, :, None, None].expand(self.input.shape)
        return channels_last(spread)


class Flattening(Operation):
    """Positions first, channels last: Keras' order; in the precision of the weights."""

    def __init__(self, dtype: torch.dtype) -> None:
        """Start with the precision of the weights."""
        super().__init__()
        self.dtype = dtype

    def forward(self, x: torch.Tensor, observe: Observer | None = None) -> torch.Tensor:
        return flattened(x).to(self.dtype)

    def train_forward(self, x: torch.Tensor) -> torch.Tensor:
        self.input = x
        return self.forward(x)

    def backward(self, gradient: torch.Tensor, rate: float) -> torch.Tensor:
        return unflattened(gradient, self.input.shape[1:]).to(self.input.dtype)


class Nodes(_WithKernel):
    """A fully connected layer, with or without a ReLU; always in the precision of its weights."""

    def __init__(self, step: Weighted, weights: Weights) -> None:
        """Take over the layer's weights."""
        super().__init__(step, weights, next(iter(weights.values())).dtype)
        self.relu = isinstance(step.layer, Dense) and step.layer.relu

    def forward(self, x: torch.Tensor, observe: Observer | None = None) -> torch.Tensor:
        inputs, x = x, torch.addmm(self.bias, x, self.kernel)
        x = x.relu_() if self.relu else x
        if observe and self.mask is not None:
            observe(self.mask, x, x, inputs)
        return x

    def train_forward(self, x: torch.Tensor) -> torch.Tensor:
        self.input, self.output = x, self.forward(x)
        return self.output

    def backward(self, gradient: torch.Tensor, rate: float) -> torch.Tensor:
        if self.relu:
            _relu_backward(gradient, self.output, 0, grad_input=gradient)
        of_input = gradient @ self.kernel.T
        self.kernel.addmm_(self.input.T, gradient, alpha=-rate)
        self.bias.add_(gradient.sum(0), alpha=-rate)
        return of_input


class Chain(Operation):
    """Operations one after the other; none at all is the identity."""

    def __init__(self, operations: Sequence[Operation]) -> None:
        """Take over the operations and their weights."""
        super().__init__()
        self.operations = operations
        for operation in operations:
            self.weights |= operation.weights

    def forward(self, x: torch.Tensor, observe: Observer | None = None) -> torch.Tensor:
        for operation in self.operations:
            x = operation.forward(x, observe)
        return x

    def train_forward(self, x: torch.Tensor) -> torch.Tensor:
        for operation in self.operations:
            x = operation.train_forward(x)
        return x

    def backward(self, gradient: torch.Tensor, rate: float) -> torch.Tensor | None:
        of_input: torch.Tensor | None = gradient
        for operation in reversed(self.operations):
            if of_input is not None:  # before the images there is nothing
                of_input = operation.backward(of_input, rate)
        return of_input


class Adding(Operation):
    """Two paths that are added; a channel that is pruned on one of them is that of the other."""

    def __init__(self, step: Sum, body: Chain, shortcut: Chain) -> None:
        """Take over the two paths."""
        super().__init__()
        self.body, self.shortcut, self.width = body, shortcut, step.width
        self.weights = body.weights | shortcut.weights
        device = next(iter(body.weights.values())).device
        self.body_at, self.shortcut_at = step.body_at.to(device), step.shortcut_at.to(device)
        self.aligned = len(step.body_at) == len(step.shortcut_at) == step.width

    def forward(self, x: torch.Tensor, observe: Observer | None = None) -> torch.Tensor:
        return self._add(self.body.forward(x, observe), self.shortcut.forward(x, observe))

    def train_forward(self, x: torch.Tensor) -> torch.Tensor:
        return self._add(self.body.train_forward(x), self.shortcut.train_forward(x))

    def backward(self, gradient: torch.Tensor, rate: float) -> torch.Tensor | None:
        of_body = self._part(gradient, self.body_at)
        of_shortcut = self._part(gradient, self.shortcut_at)
        by_body = self.body.backward(of_body, rate)
        by_shortcut = self.shortcut.backward(of_shortcut, rate)
        return None if by_body is None or by_shortcut is None else by_body + by_shortcut

    def _add(self, body: torch.Tensor, shortcut: torch.Tensor) -> torch.Tensor:
        if self.aligned:
            return body + shortcut
        samples, _, height, width = body.shape
        total = body.new_zeros(samples, height, width, self.width).permute(0, 3, 1, 2)
        total.index_add_(1, self.shortcut_at, shortcut)
        return total.index_add_(1, self.body_at, body)

    def _part(self, gradient: torch.Tensor, channels: torch.Tensor) -> torch.Tensor:
        if len(channels) == self.width:
            return gradient.clone()  # each path overwrites its own
        return channels_last(gradient.index_select(1, channels))


def operations_of(
    steps: Sequence[Step], weights: Weights, compute: torch.dtype, of_images: bool = True
) -> Chain:
    """Return a network's operations, with their own copies of its weights.

    Args:
        steps: of the network under its masks.
        weights: of the compacted network, all of one precision.
        compute: precision of the convolutions.
        of_images: the first step's input are the images.
    """
    dtype = next(iter(weights.values())).dtype
    operations: list[Operation] = []
    remaining = list(steps)
    while remaining:
        step = remaining.pop(0)
        first = of_images and not operations
        match step:
            case Weighted(layer=Conv(batch_norm=True)):
                operations.append(NormalisedConvolution(step, weights, compute, first))
            case Weighted(layer=Conv()):
                pooled = bool(remaining) and isinstance(remaining[0], MaxPool)
                if pooled:
                    remaining.pop(0)
                operations.append(Convolution(step, weights, compute, pooled, first))
            case Weighted():
                operations.append(Nodes(step, weights))
            case MaxPool():
                operations.append(Pooling())
            case GlobalAveragePool():
                operations.append(Averaging(dtype))
            case Flatten():
                operations.append(Flattening(dtype))
            case Sum():
                body = operations_of(step.body, weights, compute, first)
                shortcut = operations_of(step.shortcut, weights, compute, first)
                operations.append(Adding(step, body, shortcut))
    return Chain(operations)
