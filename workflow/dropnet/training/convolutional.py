"""Training of convolutional networks: one network after the other, with autograd.

What makes it fast on a processor: images and activations lie channels last; a ReLU comes after the
pooling where nothing stands between them, since max(relu(x)) = relu(max(x)) and the pooled image is
a quarter of the size; gradients come from one call, and all weights are updated by one more.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import torch
from torch.nn import functional

from dropnet.masks import Masks
from dropnet.models import Conv, Flatten, GlobalAveragePool, Layer, MaxPool
from dropnet.networks import Weights
from dropnet.structure import Step, Sum, Weighted, steps_of
from dropnet.training.evaluation import losses_and_hits

CHUNK = 500  # images evaluated at once; bounds the memory, and fixes the order of summation
NORM_MOMENTUM, NORM_EPSILON = 0.99, 1e-3  # Keras' BatchNormalization

Observer = Callable[[int, torch.Tensor], None]


@dataclass(frozen=True)
class Samples:
    """Images as they are stored, and their labels.

    Attributes:
        images: uint8 [samples, channels, height, width], channels last in memory.
        labels: int64 [samples].
    """

    images: torch.Tensor
    labels: torch.Tensor


class Task:
    """A data set prepared for training convolutional networks on it."""

    def __init__(
        self,
        train: tuple[torch.Tensor, torch.Tensor],
        validation: tuple[torch.Tensor, torch.Tensor],
        test: tuple[torch.Tensor, torch.Tensor],
        layers: Sequence[Layer],
        batch_size: int,
        learning_rate: float,
        dtype: torch.dtype = torch.float32,
    ) -> None:
        """Prepare the splits, each a pair of uint8 images [n, c, h, w] and labels [n]."""
        torch.set_flush_denormal(True)  # as for fully connected networks
        self.layers = layers
        self.batch_size = batch_size
        self.learning_rate = learning_rate
        self.dtype = dtype
        self.train, self.validation, self.test = (
            Samples(images.contiguous(memory_format=torch.channels_last), labels.long())
            for images, labels in (train, validation, test)
        )

    @property
    def image_shape(self) -> tuple[int, int, int]:
        """(channels, height, width) of an image."""
        return tuple(self.train.images.shape[1:])

    def steps(self, masks: Masks | None = None) -> tuple[Step, ...]:
        """Return the steps of the network under its masks."""
        return steps_of(self.layers, self.image_shape, masks)

    def stack(self, weights: Sequence[Weights], masks: Sequence[Masks]) -> "Stack":
        """Return networks with the given (compacted) weights."""
        return Stack(self, weights, masks)

    def batches(self, samples: Samples, size: int) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
        """Yield images from 0 to 1 and labels, in order, the partial batch last."""
        for start in range(0, len(samples.labels), size):
            images = samples.images[start : start + size].to(self.dtype).div_(255)
            yield images, samples.labels[start : start + size]


class Stack:
    """Convolutional networks that are trained for the same epochs, one after the other.

    Attributes:
        size: number of networks.
    """

    def __init__(self, task: Task, weights: Sequence[Weights], masks: Sequence[Masks]) -> None:
        """Take over networks as `weights.compact` makes them."""
        self.task = task
        self.size = len(weights)
        self._networks = [
            _Network(task.steps(mask), own, task.dtype)
            for own, mask in zip(weights, masks, strict=True)
        ]

    def weights(self) -> list[dict[str, torch.Tensor]]:
        """Return the current weights of each network, named as they came."""
        return [network.copied_weights() for network in self._networks]

    def train_epoch(self) -> tuple[list[float], list[float]]:
        """Train one epoch and return each network's mean loss and accuracy over it.

        Both are Keras' running means: every batch counts as it was before its own update.
        """
        results = [self._train_epoch(network) for network in self._networks]
        return [loss for loss, _ in results], [accuracy for _, accuracy in results]

    def _train_epoch(self, network: "_Network") -> tuple[float, float]:
        loss_sum, correct = 0.0, 0
        for images, labels in self.task.batches(self.task.train, self.task.batch_size):
            logits = network.train_step(images, labels, self.task.learning_rate)
            losses, hits = losses_and_hits(logits.T[None, None], labels.view(1, 1, -1))
            loss_sum += losses.item()
            correct += hits.item()
        return loss_sum / len(self.task.train.labels), correct / len(self.task.train.labels)

    def evaluate(self, samples: Samples) -> tuple[list[float], list[float]]:
        """Return each network's mean loss and accuracy on the samples."""
        losses, accuracies = [], []
        for network in self._networks:
            loss_sum, correct = 0.0, 0
            for images, labels in self.task.batches(samples, CHUNK):
                logits = network.logits(images)
                loss, hits = losses_and_hits(logits.T[None, None], labels.view(1, 1, -1))
                loss_sum += loss.item()
                correct += hits.item()
            losses.append(loss_sum / len(samples.labels))
            accuracies.append(correct / len(samples.labels))
        return losses, accuracies

    def statistics(self, samples: Samples) -> list[dict[str, list[torch.Tensor]]]:
        """Return each network's statistics of its remaining filters over the samples.

        `mean_activation` is E(f_i), the mean over samples and positions of |post-activation|
        (Section 3); only one chunk of activations is held at a time.
        """
        return [self._statistics(network, samples) for network in self._networks]

    def _statistics(self, network: "_Network", samples: Samples) -> dict[str, list[torch.Tensor]]:
        sums: dict[int, torch.Tensor] = {}

        def observe(mask: int, activation: torch.Tensor) -> None:
            positions = activation.numel() // max(1, activation.shape[1]) // len(activation)
            of_chunk = activation.abs().flatten(2).sum(2).sum(0, dtype=torch.float64)
            sums[mask] = sums.get(mask, 0) + of_chunk / max(1, positions)

        for images, _ in self.task.batches(samples, CHUNK):
            network.logits(images, observe)
        return {"mean_activation": [sums[mask] / len(samples.labels) for mask in sorted(sums)]}


class _Network:
    """One network at its pruned size: its steps and its weights."""

    def __init__(self, steps: Sequence[Step], weights: Weights, dtype: torch.dtype) -> None:
        self.steps = steps
        self.weights = {name: self._own(tensor, dtype) for name, tensor in weights.items()}
        self.trained = [name for name in weights if not name.endswith((".mean", ".variance"))]

    @staticmethod
    def _own(tensor: torch.Tensor, dtype: torch.dtype) -> torch.Tensor:
        copy = tensor.to(dtype, copy=True)
        return copy.contiguous(memory_format=torch.channels_last) if copy.dim() == 4 else copy

    def copied_weights(self) -> dict[str, torch.Tensor]:
        return {name: tensor.detach().clone() for name, tensor in self.weights.items()}

    def train_step(
        self, images: torch.Tensor, labels: torch.Tensor, learning_rate: float
    ) -> torch.Tensor:
        """One step of SGD; returns the logits [samples, classes] from before the update."""
        parameters = [self.weights[name].requires_grad_() for name in self.trained]
        logits = self._run(self.steps, images, training=True)
        loss = functional.cross_entropy(logits, labels)
        # a layer whose inputs or outputs are all pruned has weights that nothing depends on
        gradients = torch.autograd.grad(loss, parameters, allow_unused=True)
        with torch.no_grad():
            used = [(p, g) for p, g in zip(parameters, gradients, strict=True) if g is not None]
            torch._foreach_add_([p for p, _ in used], [g for _, g in used], alpha=-learning_rate)
        return logits.detach()

    @torch.no_grad()
    def logits(self, images: torch.Tensor, observe: Observer | None = None) -> torch.Tensor:
        """Logits [samples, classes]; `observe` is told each masked layer's activations."""
        return self._run(self.steps, images, training=False, observe=observe)

    def _run(
        self,
        steps: Sequence[Step],
        x: torch.Tensor,
        training: bool,
        observe: Observer | None = None,
    ) -> torch.Tensor:
        for index, step in enumerate(steps):
            following = steps[index + 1] if index + 1 < len(steps) else None
            match step:
                case Weighted(layer=Conv()):
                    # scores need the activations from before the pooling
                    pooled = isinstance(following, MaxPool) and observe is None
                    x = self._convolve(step, x, training, pool_first=pooled)
                    if observe:
                        observe(step.mask, x)
                case Weighted():
                    kernel, bias = self._of(step, "kernel"), self._of(step, "bias")
                    x = torch.addmm(bias, x, kernel)
                    x = x.relu() if step.layer.relu else x
                    if observe and step.mask is not None:
                        observe(step.mask, x)
                case MaxPool():
                    x = x if self._pooled_already(steps, index, observe) else _max_pool(x)
                case GlobalAveragePool():
                    x = x.mean((2, 3))
                case Flatten():
                    x = x.permute(0, 2, 3, 1).flatten(1)
                case Sum():
                    body = self._run(step.body, x, training, observe)
                    shortcut = self._run(step.shortcut, x, training, observe)
                    x = _add(step, body, shortcut)
        return x

    @staticmethod
    def _pooled_already(steps: Sequence[Step], index: int, observe: Observer | None) -> bool:
        before = steps[index - 1] if index else None
        return (
            observe is None
            and isinstance(before, Weighted)
            and isinstance(before.layer, Conv)
            and not before.layer.batch_norm
        )

    def _of(self, step: Weighted, name: str) -> torch.Tensor:
        return self.weights[f"{step.name}.{name}"]

    def _convolve(
        self, step: Weighted, x: torch.Tensor, training: bool, pool_first: bool
    ) -> torch.Tensor:
        kernel, bias = self._of(step, "kernel"), self._of(step, "bias")
        if kernel.shape[0] == 0:
            x = x.new_zeros(len(x), 0, *x.shape[2:])
            return _max_pool(x) if pool_first and not step.layer.batch_norm else x
        if kernel.shape[1] == 0:  # nothing comes in: each filter is its bias everywhere
            x = bias.view(1, -1, 1, 1).expand(len(x), -1, *x.shape[2:])
        else:
            x = functional.conv2d(x, kernel, bias, padding=1)
        if not step.layer.batch_norm:
            return (_max_pool(x) if pool_first else x).relu()
        return self._normalise(step, x.relu(), training)

    def _normalise(self, step: Weighted, x: torch.Tensor, training: bool) -> torch.Tensor:
        before = self._of(step, "variance")
        variance = before.clone()
        y = functional.batch_norm(
            x,
            self._of(step, "mean"),
            variance,
            self._of(step, "gamma"),
            self._of(step, "beta"),
            training=training,
            momentum=1 - NORM_MOMENTUM,
            eps=NORM_EPSILON,
        )
        if training:
            # torch averages the unbiased variance of a batch of n values, Keras the biased one
            n = x.numel() // x.shape[1]
            corrected = variance - (variance - NORM_MOMENTUM * before) / n
            self.weights[f"{step.name}.variance"] = corrected
        return y


def _max_pool(x: torch.Tensor) -> torch.Tensor:
    if x.shape[1] == 0:
        return x.new_zeros(len(x), 0, x.shape[2] // 2, x.shape[3] // 2)
    return functional.max_pool2d(x, 2)


def _add(step: Sum, body: torch.Tensor, shortcut: torch.Tensor) -> torch.Tensor:
    """Add two paths; a channel that is pruned on one of them is that of the other."""
    if len(step.body_at) == len(step.shortcut_at) == step.width:
        return body + shortcut
    total = body.new_zeros(len(body), step.width, *body.shape[2:])
    total = total.index_add(1, step.shortcut_at, shortcut)
    return total.index_add(1, step.body_at, body)
