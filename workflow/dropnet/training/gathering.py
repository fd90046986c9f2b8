"""What a metric may ask of a trained network beyond the statistics that every network has.

A metric that has a function `gather` is shown, chunk by chunk of the training samples, what each
masked layer does with them: an `Observation` a layer. What it returns is summed up over the chunks.
Gradients are those of each sample's own loss, and are worked out if the metric asks for them.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, Literal

import torch
from torch.nn import functional

from dropnet.networks.cycle import Statistics, Weights
from dropnet.networks.masks import Masks
from dropnet.networks.steps import weighted_steps
from dropnet.randomness import generator
from dropnet.training.operations import Chain, operations_of
from dropnet.training.task import BaseTask

CHUNK = 32  # images at once; fixes the order of summation
#: The loss that gradients are of: the cross-entropy with the samples' labels, or with labels drawn
#: from the network's predictions. Products of the latter average to the Gauss-Newton matrix.
Gradients = Literal["labels", "predictions"]
Gathered = Mapping[str, torch.Tensor | Sequence[torch.Tensor]]


@dataclass(frozen=True)
class Observation:
    """What one masked layer of a network does with some samples.

    Attributes:
        activation: post-activations that the mask acts on, [sample, position, node]; "node" also
            stands for a filter, and a node has one position.
        gradient: of the sample's loss by these, of the same shape; None if it was not asked for.
        active: the same right after the ReLU: something else if they are normalised in between.
        active_gradient: of the sample's loss by these.
        inputs: of the layer, [sample, input] or [sample, channel, height, width].
        kernel: its incoming weights, [node, weight].
    """

    activation: torch.Tensor
    gradient: torch.Tensor | None
    active: torch.Tensor
    active_gradient: torch.Tensor | None
    inputs: torch.Tensor
    kernel: torch.Tensor

    @property
    def by_gate(self) -> torch.Tensor:
        """The gradient of each sample's loss by a factor on each node, at 1: [sample, node]."""
        return (self.activation * self._asked(self.gradient)).sum(1)

    @property
    def by_scale(self) -> torch.Tensor:
        """That by a factor on all incoming weights and the bias of each node, at 1."""
        # a ReLU passes it: its output times the gradient by that is its input times the gradient by
        # this, which sums up weights times their gradients
        return (self.active * self._asked(self.active_gradient)).sum(1)

    @property
    def squared_weight_gradients(self) -> torch.Tensor:
        """The squared gradients of each sample's loss by these weights, summed: [node, weight]."""
        arriving = self._asked(self.active_gradient) * (self.active > 0)
        if self.inputs.dim() == 2:
            return arriving[:, 0].square().T @ self.inputs.square()
        if 0 in self.kernel.shape:
            return torch.zeros_like(self.kernel)
        patches = functional.unfold(self.inputs, 3, padding=1)  # [sample, weight, position]
        return (patches @ arriving).square().sum(0).T

    def every(self, step: int) -> "Observation":
        """Return what the layer does with the first sample, and each so many behind it."""
        return replace(
            self,
            activation=self.activation[::step],
            gradient=None if self.gradient is None else self.gradient[::step],
            active=self.active[::step],
            active_gradient=None if self.active_gradient is None else self.active_gradient[::step],
            inputs=self.inputs[::step],
        )

    @staticmethod
    def _asked(gradient: torch.Tensor | None) -> torch.Tensor:
        if gradient is None:
            raise ValueError("no gradients: the metric's file has no GRADIENTS")
        return gradient


@dataclass
class Gatherer:
    """Sums up, for one network, what a metric gathers.

    Attributes:
        gather: maps the observations of a chunk, a masked layer each, to sums over its samples.
        gradients: which are needed, if any.
    """

    gather: Callable[[Sequence[Observation]], Gathered]
    gradients: Gradients | None = None
    _totals: dict[str, list[torch.Tensor]] = field(default_factory=dict)
    _single: set[str] = field(default_factory=set)

    def observe(self, layers: Sequence[Observation]) -> None:
        """Add the samples of a chunk."""
        for name, values in self.gather(layers).items():
            if isinstance(values, torch.Tensor):
                self._single.add(name)
                values = [values]
            doubles = [value.detach().to("cpu", torch.float64) for value in values]
            totals = self._totals.setdefault(name, [torch.zeros_like(v) for v in doubles])
            for total, value in zip(totals, doubles, strict=True):
                total += value

    def means(self, samples: int) -> dict[str, torch.Tensor | list[torch.Tensor]]:
        """Return the means over so many samples, a tensor or one a layer as they came."""
        means = {name: [t / samples for t in totals] for name, totals in self._totals.items()}
        return {name: of[0] if name in self._single else of for name, of in means.items()}


@dataclass(frozen=True)
class Trained:
    """A trained network, as a metric is given it.

    Attributes:
        task: that it was trained on.
        weights: compacted to the masks.
        initial: that it was trained from, likewise.
        masks: which nodes of the full network remain.
        statistics: of the remaining nodes, that every network has.
        gathered: means over the training samples of what the metric's `gather` returned.
    """

    task: BaseTask
    weights: Weights
    initial: Weights
    masks: Masks
    statistics: Statistics
    gathered: Gathered = field(default_factory=dict)

    @cached_property
    def incoming(self) -> list[torch.Tensor]:
        """The weights that enter the nodes of each masked layer, [node, weight]."""
        return incoming_of(self.task, self.weights, self.masks)


def incoming_of(task: BaseTask, weights: Weights, masks: Masks) -> list[torch.Tensor]:
    """Return the weights that enter the nodes of each masked layer, without biases.

    Args:
        task: that knows the network's layers.
        weights: compacted to the masks.
        masks: of the network.

    Returns:
        For each masked layer a tensor [node, weight].
    """
    found: dict[int, torch.Tensor] = {}
    for step in weighted_steps(task.steps(masks)):
        if step.mask is not None:
            kernel = weights[f"{step.name}.kernel"]
            found[step.mask] = kernel.flatten(1) if kernel.dim() == 4 else kernel.T
    return [found[mask] for mask in sorted(found)]


def network_of(task: BaseTask, weights: Weights, masks: Masks) -> Chain:
    """Return a network's operations, in the precision of its weights, where the task's are trained.

    Args:
        task: that knows the network's layers.
        weights: compacted to the masks.
        masks: of the network.
    """
    own = {name: tensor.to(task.device, task.dtype) for name, tensor in weights.items()}
    return operations_of(task.steps(masks), own, task.dtype)


def drawn_labels(logits: torch.Tensor, start: int) -> torch.Tensor:
    """Draw a label for each sample from the network's predictions.

    Args:
        logits: [sample, class].
        start: the first sample's position; the same numbers are drawn for it in every network.
    """
    random = torch.rand(len(logits), 1, generator=generator("drawn labels", start))
    below = torch.softmax(logits, 1).cumsum(1) < random.to(logits)
    return below.sum(1).clamp_(max=logits.shape[1] - 1)


def gather(
    task: BaseTask, weights: Weights, masks: Masks, samples: Any, gatherer: Gatherer
) -> None:
    """Show a gatherer what a network does with samples, in the precision of its weights.

    Args:
        task: that the network was trained on.
        weights: compacted to the masks.
        masks: of the network.
        samples: of the task: its training split.
        gatherer: is shown them chunk by chunk.
    """
    network = network_of(task, weights, masks)
    kernels = incoming_of(task, network.weights, masks)
    for start in range(0, len(samples.labels), CHUNK):
        labels = samples.labels[start : start + CHUNK]

        def loss(
            logits: torch.Tensor, labels: torch.Tensor = labels, start: int = start
        ) -> torch.Tensor:
            if gatherer.gradients == "predictions":
                labels = drawn_labels(logits.detach(), start)
            return functional.cross_entropy(logits, labels, reduction="sum")

        images = task.images(samples, start, CHUNK).to(task.dtype)
        gatherer.observe(
            observations(network, images, kernels, loss if gatherer.gradients else None)
        )


def observations(
    network: Chain,
    images: torch.Tensor,
    kernels: Sequence[torch.Tensor],
    loss: Callable[[torch.Tensor], torch.Tensor] | None,
) -> list[Observation]:
    """Run a network of `operations`, and return what each masked layer does.

    Args:
        network: from images to logits.
        images: [sample, channel, height, width].
        kernels: of its masked layers, [node, weight].
        loss: maps its logits to a sum over samples, whose gradients are wanted; None for none.
    """
    seen: dict[int, tuple[torch.Tensor, torch.Tensor, torch.Tensor]] = {}

    def observe(
        mask: int, activation: torch.Tensor, active: torch.Tensor, inputs: torch.Tensor
    ) -> None:
        seen[mask] = (activation, active, inputs)

    for name, tensor in network.weights.items():
        if name.endswith(".bias"):  # so that all behind it has gradients; its own is not worked out
            tensor.requires_grad_(loss is not None)
    with torch.set_grad_enabled(loss is not None):
        logits = network.forward(images, observe)
        wanted = [tensor for mask in sorted(seen) for tensor in seen[mask][:2]]
        gradients = iter(_gradients(loss(logits), wanted) if loss else [None] * len(wanted))
    result = []
    for mask in sorted(seen):
        activation, active, inputs = (tensor.detach() for tensor in seen[mask])
        gradient, active_gradient = next(gradients), next(gradients)
        result.append(
            Observation(
                activation=by_position(activation),
                gradient=None if gradient is None else by_position(gradient),
                active=by_position(active),
                active_gradient=None if active_gradient is None else by_position(active_gradient),
                inputs=inputs,
                kernel=kernels[mask],
            )
        )
    return result


def _gradients(loss: torch.Tensor, wanted: Sequence[torch.Tensor]) -> list[torch.Tensor]:
    """The gradients of a loss; those by what it does not depend on are 0."""
    tracked = [tensor for tensor in wanted if tensor.requires_grad]  # empty layers have none
    of_tracked = torch.autograd.grad(loss, tracked, allow_unused=True) if tracked else ()
    found = dict(zip(map(id, tracked), of_tracked, strict=True))
    gradients = [found.get(id(tensor)) for tensor in wanted]
    return [torch.zeros_like(t) if g is None else g for t, g in zip(wanted, gradients, strict=True)]


def by_position(activation: torch.Tensor) -> torch.Tensor:
    """Return activations as [sample, position, node]; a layer of nodes has one position."""
    image = activation if activation.dim() == 4 else activation[:, :, None, None]
    return image.permute(0, 2, 3, 1).flatten(1, 2)
