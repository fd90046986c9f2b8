"""Training of convolutional networks: one network after the other, without autograd.

The arithmetic is in `operations`; here are the epochs, the evaluation and the scores.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch.nn import functional

from dropnet.networks.cycle import Weights
from dropnet.networks.masks import Masks
from dropnet.networks.models import classes_of
from dropnet.training.augmentation import Draw, draw, warp
from dropnet.training.evaluation import losses_and_hits
from dropnet.training.gathering import Gatherer, by_position, gather
from dropnet.training.operations import Chain, channels_last, operations_of
from dropnet.training.task import BaseTask, Split

CHUNK = 32  # images evaluated at once; the fastest of 20 to 200, and fixes the order of summation


@dataclass(frozen=True)
class Samples:
    """Images as they are stored, and their labels.

    Attributes:
        images: uint8 [samples, channels, height, width], channels last in memory.
        labels: int64 [samples].
    """

    images: torch.Tensor
    labels: torch.Tensor


class Task(BaseTask):
    """A data set prepared for training convolutional networks on it."""

    def __init__(self, train: Split, validation: Split, test: Split, *args: Any, **kw: Any) -> None:
        """Prepare the splits, each a pair of uint8 images [n, c, h, w] and labels [n].

        The other arguments are those of `BaseTask`, from `settings` on.
        """
        super().__init__(train[0].shape[1:], *args, **kw)
        self.train, self.validation, self.test = (
            Samples(
                channels_last(images.to(self.device)),
                labels.to(self.device).long(),
            )
            for images, labels in (train, validation, test)
        )
        self.onehot = functional.one_hot(self.train.labels, classes_of(self.layers)).to(self.dtype)

    def stack(self, weights: Sequence[Weights], masks: Sequence[Masks]) -> "Stack":
        """Return networks with the given (compacted) weights."""
        return Stack(self, weights, masks)

    def images(self, samples: Samples, start: int, count: int) -> torch.Tensor:
        """Return up to `count` images from the given one on, values from 0 to 1."""
        return samples.images[start : start + count].to(self.dtype).div_(255).to(self.compute)

    def draw(self, epoch: int) -> Draw | None:
        """Draw the augmentation of an epoch; None if training images are taken as they are."""
        if self.augmentation == "none":
            return None
        return draw(epoch, len(self.train.labels), *self.image_shape[1:], self.device)

    def batch(self, start: int, drawn: Draw | None) -> tuple[torch.Tensor, torch.Tensor]:
        """Return the images and onehot labels of the training batch from a position on."""
        rows = slice(start, start + self.batch_size)
        if drawn is None:
            return self.images(self.train, start, self.batch_size), self.onehot[rows]
        chosen = drawn.order[rows]
        images = self.train.images[chosen].to(self.dtype).div_(255)
        images = channels_last(warp(images, drawn.maps[rows]))
        return images.to(self.compute), self.onehot[chosen]


class Stack:
    """Convolutional networks that are trained for the same epochs, one after the other.

    Attributes:
        size: number of networks.
    """

    def __init__(self, task: Task, weights: Sequence[Weights], masks: Sequence[Masks]) -> None:
        """Take over networks as `weights.compact` makes them."""
        self.task = task
        self.size = len(weights)
        self.masks = masks
        self.networks = [
            operations_of(
                task.steps(mask),
                {name: tensor.to(task.device, task.dtype) for name, tensor in own.items()},
                task.compute,
            )
            for own, mask in zip(weights, masks, strict=True)
        ]

    def weights(self) -> list[dict[str, torch.Tensor]]:
        """Return copies of the current weights of each network, named as they came."""
        return [
            {
                name: tensor.to("cpu", copy=True, memory_format=torch.contiguous_format)
                for name, tensor in network.weights.items()
            }
            for network in self.networks
        ]

    def train_epoch(self, epoch: int) -> tuple[list[float], list[float]]:
        """Train one epoch and return each network's mean loss and accuracy over it.

        Both are Keras' running means: every batch counts as it was before its own update.

        Args:
            epoch: its number, 1 for the first; see `BaseTask.augmentation`.
        """
        drawn, labels = self.task.draw(epoch), self.task.train.labels
        if drawn is not None:
            labels = labels[drawn.order]
        results = []
        for network in range(self.size):
            logits = torch.cat(list(self.train_steps(network, drawn)))
            results.append(_measured(logits, labels))
        return [loss for loss, _ in results], [accuracy for _, accuracy in results]

    @torch.no_grad()
    def train_steps(self, network: int, drawn: Draw | None = None) -> Iterator[torch.Tensor]:
        """Train one network for an epoch; yield each batch's logits from before its update.

        Args:
            network: its position in the stack.
            drawn: the augmentation of this epoch; None takes the images as they are.
        """
        task, operations = self.task, self.networks[network]
        for start in range(0, len(task.onehot), task.batch_size):
            images, onehot = task.batch(start, drawn)
            logits = operations.train_forward(images)
            # the loss is the mean over the batch
            error = torch.softmax(logits, 1).sub_(onehot)
            operations.backward(error, task.learning_rate / len(onehot))
            yield logits

    @torch.no_grad()
    def evaluate(self, samples: Samples) -> tuple[list[float], list[float]]:
        """Return each network's mean loss and accuracy on the samples."""
        results = []
        for network in self.networks:
            logits = [
                network.forward(self.task.images(samples, start, CHUNK))
                for start in range(0, len(samples.labels), CHUNK)
            ]
            results.append(_measured(torch.cat(logits), samples.labels))
        return [loss for loss, _ in results], [accuracy for _, accuracy in results]

    @torch.no_grad()
    def statistics(
        self, samples: Samples, gatherers: Sequence[Gatherer] = ()
    ) -> list[dict[str, list[torch.Tensor]]]:
        """Return each network's statistics of its remaining filters over the samples.

        They are those of `dropnet.metrics`; only one chunk of activations is held at a time.

        Args:
            samples: that are looked at.
            gatherers: one for each network, of what its metric gathers besides; or none.
        """
        found = [self._statistics(network, samples) for network in self.networks]
        for gatherer, network, masks in zip(gatherers, self.networks, self.masks, strict=False):
            gather(self.task, network.weights, masks, samples, gatherer)
        return found

    def _statistics(self, network: Chain, samples: Samples) -> dict[str, list[torch.Tensor]]:
        sums: dict[str, dict[int, torch.Tensor]] = {
            "mean_activation": {},
            "zero_share": {},
            "silent_share": {},
        }

        def observe(
            mask: int, activation: torch.Tensor, active: torch.Tensor, _inputs: torch.Tensor
        ) -> None:
            of_chunk = by_position(activation)
            positions = of_chunk.shape[1]
            scratch = torch.empty_like(of_chunk, dtype=self.task.dtype)
            means = torch.abs(of_chunk.to(self.task.dtype), out=scratch).sum(1) / positions
            others = torch.ne(of_chunk, 0, out=scratch).sum(1)
            fired = others
            if active is not activation:  # it is normalised after the ReLU
                fired = torch.ne(by_position(active), 0, out=scratch).sum(1)
            for name, values in (
                ("mean_activation", means),
                ("zero_share", 1 - fired / positions),
                ("silent_share", others == 0),
            ):
                total = values.sum(0, dtype=torch.float64)
                sums[name][mask] = sums[name].get(mask, 0) + total

        for start in range(0, len(samples.labels), CHUNK):
            network.forward(self.task.images(samples, start, CHUNK), observe)
        count = len(samples.labels)
        return {
            name: [(of_mask[mask] / count).cpu() for mask in sorted(of_mask)]
            for name, of_mask in sums.items()
        }


def _measured(logits: torch.Tensor, labels: torch.Tensor) -> tuple[float, float]:
    """Mean loss and accuracy from the logits [samples, classes] of all samples."""
    losses, hits = losses_and_hits(logits.T[None, None], labels.view(1, 1, -1))
    return losses.item() / len(labels), hits.item() / len(labels)
