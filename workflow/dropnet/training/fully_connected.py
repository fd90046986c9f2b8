"""Plain SGD for stacks of fully connected networks (Model A), written out without autograd.

All networks of a stack see the same images in the same order, which is what makes them cheap:

* The first layers of all networks are one matrix, so that one product serves the whole stack.
* Within a block of BLOCK batches the first layer is multiplied once, at the start, and updated
  once, at the end. In between, each batch's pre-activations are corrected for the updates that
  they have missed: those are sums of outer products X_s^T D_s of earlier batches s, so that batch t
  misses (X_t X_s^T) D_s, and the Gram matrix X X^T of the images is known before training starts.
  This is the same SGD, batch by batch, in another order of summation.
* Pixels are ordered by how many training images use them, and a block multiplies only up to the
  last pixel that it uses; a pixel that is 0 in all images of a block changes nothing.
* Biases of the first layer are the weights of an input that is always 1.

Layouts: hidden activations are [network, sample, node], logits [network, class, sample]; networks
of unequal widths are padded with nodes whose weights are zero, and which therefore stay zero.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import torch

from dropnet.errors import UserError
from dropnet.networks.cycle import Weights
from dropnet.networks.masks import Masks
from dropnet.networks.models import classes_of
from dropnet.networks.steps import flattened, unflattened
from dropnet.training.evaluation import evaluated, losses_and_hits
from dropnet.training.gathering import Gatherer, Observation, drawn_labels
from dropnet.training.task import BaseTask, Split

BLOCK = 8  # batches; 4 to 8 were the fastest of 1, 4, 8 and 16, at all widths from 4 to 40
BLOCK_SAMPLES = 512  # at most, or one batch: the Gram matrices of large batches fill the memory
CHUNK = 2000  # samples evaluated at once; bounds the memory, and fixes the order of summation

# max(0, x) passes a gradient where its result is positive; written into a given tensor
_relu_backward = torch.ops.aten.threshold_backward.grad_input


@dataclass(frozen=True)
class Samples:
    """Images ready to be multiplied, and their labels.

    Attributes:
        inputs: [samples, 1 + pixels]; first the constant 1 of the biases, then the pixels from 0
            to 1 in the order of `Task.pixel_order`.
        labels: int64 [samples].
    """

    inputs: torch.Tensor
    labels: torch.Tensor


@dataclass(frozen=True)
class Block:
    """A few batches of the training split, with what is known about them before training.

    Attributes:
        inputs: [samples, 1 + pixels used in this block].
        gram: products of its samples with each other, [samples, samples]; empty for one batch.
        onehot: a tensor [classes, batch] for each batch.
        labels: [batches, 1, batch] if all batches have the same size, else of one batch.
    """

    inputs: torch.Tensor
    gram: torch.Tensor
    onehot: tuple[torch.Tensor, ...]
    labels: torch.Tensor


class Task(BaseTask):
    """A data set prepared for training fully connected networks on it.

    Attributes:
        train: the training split; its order is the order of the batches in every epoch.
        validation: the validation split.
        test: the test set.
    """

    def __init__(self, train: Split, validation: Split, test: Split, *args: Any, **kw: Any) -> None:
        """Prepare the splits, each a pair of uint8 images [n, c, h, w] and labels [n].

        The other arguments are those of `BaseTask`, from `settings` on.
        """
        super().__init__(train[0].shape[1:], *args, **kw)
        if self.augmentation != "none":  # blocks are made before training, of images as they are
            raise UserError(
                f"augmentation: {self.augmentation!r} is not allowed for fully connected networks;"
                " allowed: none"
            )
        self.classes = classes_of(self.layers)
        use = torch.zeros(train[0][0].numel(), dtype=torch.int64)
        for images in train[0].split(CHUNK):  # a list of these would keep the heap from shrinking
            use += (flattened(images) > 0).sum(0)
        self.pixel_order = use.argsort(descending=True, stable=True).to(self.device)
        self.train = self._prepare(*train)
        self.validation = self._prepare(*validation)
        self.test = self._prepare(*test)

    def _prepare(self, images: torch.Tensor, labels: torch.Tensor) -> Samples:
        inputs = torch.ones(len(images), 1 + self.inputs, dtype=self.dtype, device=self.device)
        for pixels, rows in zip(images.split(CHUNK), inputs.split(CHUNK), strict=True):
            rows[:, 1:] = flattened(pixels.to(self.device))[:, self.pixel_order]
            rows[:, 1:] /= 255
        return Samples(inputs, labels.to(self.device).long())

    @cached_property
    def blocks(self) -> list[Block]:
        """Blocks of batches; the last, partial batch is one of its own.

        They are made when training begins: evaluation and the oracle need no Gram matrices.
        """
        batch_size = self.batch_size
        samples = len(self.train.labels)
        whole = samples - samples % batch_size
        step = max(1, min(BLOCK, BLOCK_SAMPLES // batch_size)) * batch_size
        starts = list(range(0, whole, step))
        ends = [min(start + step, whole) for start in starts]
        if whole < samples:
            starts.append(whole)
            ends.append(samples)
        return [
            self._block(start, end, min(batch_size, end - start))
            for start, end in zip(starts, ends, strict=True)
        ]

    def _block(self, start: int, end: int, batch_size: int) -> Block:
        inputs, labels = self.train.inputs[start:end], self.train.labels[start:end]
        used = int((inputs > 0).any(0).nonzero().max()) + 1
        onehot = torch.nn.functional.one_hot(labels, self.classes).to(self.dtype)
        batches = onehot.view(-1, batch_size, self.classes).transpose(1, 2).contiguous()
        return Block(
            inputs=inputs[:, :used],
            gram=inputs[:, :used] @ inputs[:, :used].T if len(batches) > 1 else inputs[:0],
            onehot=batches.unbind(0),
            labels=labels.view(-1, 1, batch_size),
        )

    @property
    def inputs(self) -> int:
        """Number of input values of a sample."""
        return len(self.pixel_order)

    def images(self, samples: Samples, start: int, count: int) -> torch.Tensor:
        """Return up to `count` images [n, c, h, w] from the given one on, values from 0 to 1."""
        pixels = samples.inputs[start : start + count, 1:]
        return unflattened(pixels.index_select(1, self.pixel_order.argsort()), self.image_shape)

    def stack(self, weights: Sequence[Weights], masks: Sequence[Masks]) -> "Stack":
        """Return a stack of networks with the given weights, compacted to their masks."""
        return Stack(self, weights)


class Stack:
    """Fully connected networks of one depth that are trained side by side.

    Attributes:
        size: number of networks.
    """

    def __init__(self, task: Task, weights: Sequence[Weights]) -> None:
        """Stack networks given by weights as `networks.weights.initial_weights` names them."""
        self.task = task
        self.size = len(weights)
        depth = len(weights[0]) // 2
        kernels, biases = (
            [[w[f"dense{i}.{name}"].to(task.device) for w in weights] for i in range(1, depth + 1)]
            for name in ("kernel", "bias")
        )
        self._true_widths = [[k.shape[1] for k in layer] for layer in kernels[:-1]]
        # a layer that is empty in all networks keeps one padded node, so that no product is empty
        self._widths = [max(1, *widths) for widths in self._true_widths]

        width = self._widths[0]
        first = task.zeros(1 + task.inputs, self.size, width)
        for n, (kernel, bias) in enumerate(zip(kernels[0], biases[0], strict=True)):
            first[0, n, : len(bias)] = bias
            first[1:, n, : len(bias)] = kernel[task.pixel_order]
        self._first = first.view(-1, self.size * width)

        self._hidden = []  # (kernel [network, inputs, nodes], bias [network, 1, nodes])
        for layer in range(1, depth - 1):
            shape = (self.size, self._widths[layer - 1], self._widths[layer])
            kernel, bias = task.zeros(*shape), task.zeros(*shape)
            for n in range(self.size):
                rows, columns = kernels[layer][n].shape
                kernel[n, :rows, :columns] = kernels[layer][n]
                bias[n, 0, :columns] = biases[layer][n]
            self._hidden.append((kernel, bias[:, :1].contiguous()))

        # the classifier is kept transposed: [network, class, inputs] and [network, class, 1]
        kernel = task.zeros(self.size, task.classes, self._widths[-1])
        for n in range(self.size):
            kernel[n, :, : kernels[-1][n].shape[0]] = kernels[-1][n].T
        self._last = (kernel, torch.stack(biases[-1]).to(task.dtype).unsqueeze(2))
        self._workspaces: dict[tuple[int, int], _Workspace] = {}

    def weights(self) -> list[dict[str, torch.Tensor]]:
        """Return copies of the current weights of each network at its own size, as they came."""
        first = self._first.view(-1, self.size, self._widths[0])
        networks = [self._weights_of(n, first[:, n]) for n in range(self.size)]
        return [{name: tensor.cpu() for name, tensor in named.items()} for named in networks]

    def _weights_of(self, n: int, first: torch.Tensor) -> dict[str, torch.Tensor]:
        widths = [layer[n] for layer in self._true_widths]
        kernel = torch.empty_like(first[1:, : widths[0]])
        kernel[self.task.pixel_order] = first[1:, : widths[0]]
        named = {"dense1.kernel": kernel, "dense1.bias": first[0, : widths[0]].clone()}
        for i, (kernel, bias) in enumerate(self._hidden):
            rows, columns = widths[i], widths[i + 1]
            named[f"dense{i + 2}.kernel"] = kernel[n, :rows, :columns].clone()
            named[f"dense{i + 2}.bias"] = bias[n, 0, :columns].clone()
        kernel, bias = self._last
        named[f"dense{len(widths) + 1}.kernel"] = kernel[n, :, : widths[-1]].T.clone()
        named[f"dense{len(widths) + 1}.bias"] = bias[n, :, 0].clone()
        return named

    # --- training --------------------------------------------------------------------------

    def train_epoch(self, epoch: int) -> tuple[list[float], list[float]]:
        """Train one epoch and return each network's mean loss and accuracy over it.

        Both are Keras' running means: every batch counts as it was before its own update.

        Args:
            epoch: its number, 1 for the first; every epoch is like the others here.
        """
        losses = self.task.zeros(self.size, dtype=torch.float64)
        correct = self.task.zeros(self.size, dtype=torch.float64)
        for loss, hits in self.train_blocks():
            losses += loss.sum(0, dtype=torch.float64)
            correct += hits.sum(0, dtype=torch.float64)
        samples = len(self.task.train.labels)
        return (losses / samples).tolist(), (correct / samples).tolist()

    def train_blocks(self) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
        """Train one epoch; after each block yield its summed losses and hits, [batch, network]."""
        for block in self.task.blocks:
            batches, _, batch_size = block.labels.shape
            yield self._train_block(block, self._workspace(batches, batch_size))

    def _workspace(self, batches: int, batch_size: int) -> "_Workspace":
        key = (batches, batch_size)
        if key not in self._workspaces:
            self._workspaces[key] = _Workspace(self, *key)
        return self._workspaces[key]

    def _train_block(self, block: Block, w: "_Workspace") -> tuple[torch.Tensor, torch.Tensor]:
        step = -self.task.learning_rate / w.batch_size  # the loss is the mean over the batch
        first = self._first[: block.inputs.shape[1]]
        last_kernel, last_bias = self._last
        torch.mm(block.inputs, first, out=w.outputs)
        for k in range(w.batches):
            if k:  # what the earlier batches of this block have changed in the first layer
                rows = slice(k * w.batch_size, (k + 1) * w.batch_size)
                gram = block.gram[rows, : k * w.batch_size]
                w.batch_outputs[k].addmm_(gram, w.earlier_gradients[k], alpha=step)
            w.batch_outputs[k].clamp_(min=0)
            below = [w.first_activations[k]]
            for (kernel, bias), activation in zip(self._hidden, w.activations, strict=True):
                below.append(torch.baddbmm(bias, below[-1], kernel, out=activation).clamp_(min=0))
            logits = w.batch_logits[k]
            torch.baddbmm(last_bias, last_kernel, below[-1].transpose(1, 2), out=logits)

            error = torch.softmax(logits, 1, out=w.error)
            error.sub_(block.onehot[k])
            gradient = torch.bmm(error.transpose(1, 2), last_kernel, out=w.gradients[-1])
            last_kernel.baddbmm_(error, below[-1], alpha=step)
            last_bias.add_(error.sum(2, keepdim=True), alpha=step)
            for i in reversed(range(len(self._hidden))):
                kernel, bias = self._hidden[i]
                _relu_backward(gradient, below[i + 1], 0, grad_input=gradient)
                upstream = torch.bmm(gradient, kernel.transpose(1, 2), out=w.gradients[i])
                kernel.baddbmm_(below[i].transpose(1, 2), gradient, alpha=step)
                bias.add_(gradient.sum(1, keepdim=True), alpha=step)
                gradient = upstream
            _relu_backward(gradient, below[0], 0, grad_input=w.first_gradients[k])
        first.addmm_(block.inputs.T, w.all_gradients, alpha=step)
        return losses_and_hits(w.logits, block.labels, w.scratch)

    # --- evaluation ------------------------------------------------------------------------

    def evaluate(self, samples: Samples) -> tuple[list[float], list[float]]:
        """Return each network's mean loss and accuracy on the samples."""

        def logits(start: int) -> torch.Tensor:
            return self._forward(samples.inputs[start : start + CHUNK])[1]

        return evaluated(logits, samples.labels, self.size, CHUNK)

    def statistics(
        self, samples: Samples, gatherers: Sequence[Gatherer] = ()
    ) -> list[dict[str, list[torch.Tensor]]]:
        """Return each network's statistics of its remaining nodes over the samples.

        They are those of `dropnet.metrics`; ReLU's activations are their own absolute values.

        Args:
            samples: that are looked at.
            gatherers: one for each network, of what its metric gathers besides; or none.
        """
        sums, zeros = (
            [self.task.zeros(self.size, width, dtype=torch.float64) for width in self._widths]
            for _ in range(2)
        )
        for start in range(0, len(samples.labels), CHUNK):
            activations, logits = self._forward(samples.inputs[start : start + CHUNK])
            for total, zero, activation in zip(sums, zeros, activations, strict=True):
                total += activation.sum(1, dtype=torch.float64)
                zero += (activation == 0).sum(1)
            if gatherers:
                self._gather(samples, start, activations, logits, gatherers)
        means, shares = (
            [t.div_(len(samples.labels)).cpu() for t in all_] for all_ in (sums, zeros)
        )
        return [
            {
                # a node has one position, so that its zeros are its silent samples
                name: [
                    of_layer[n, : widths[n]].clone()
                    for of_layer, widths in zip(values, self._true_widths, strict=True)
                ]
                for name, values in (
                    ("mean_activation", means),
                    ("zero_share", shares),
                    ("silent_share", shares),
                )
            }
            for n in range(self.size)
        ]

    def _gather(
        self,
        samples: Samples,
        start: int,
        activations: list[torch.Tensor],
        logits: torch.Tensor,
        gatherers: Sequence[Gatherer],
    ) -> None:
        """Show each network's gatherer what it does with a chunk of the samples."""
        inputs = samples.inputs[start : start + CHUNK, 1:]
        gradients: list[torch.Tensor] | None = None
        if gatherers[0].gradients:
            labels = samples.labels[start : start + CHUNK].expand(self.size, -1)
            if gatherers[0].gradients == "predictions":
                labels = torch.stack([drawn_labels(own.T, start) for own in logits])
            gradients = self._gradients(activations, logits, labels)
        first = self._first[1:].view(-1, self.size, self._widths[0])
        kernels = [first.permute(1, 2, 0), *(kernel.mT for kernel, _ in self._hidden)]
        for n, gatherer in enumerate(gatherers):
            widths = [layer[n] for layer in self._true_widths]
            below, before = inputs, inputs.shape[1]
            layers = []
            for i, width in enumerate(widths):
                activation = activations[i][n, :, None, :width]
                gradient = None if gradients is None else gradients[i][n, :, None, :width]
                kernel = kernels[i][n, :width, :before]
                layers.append(
                    Observation(activation, gradient, activation, gradient, below, kernel)
                )
                below, before = activation[:, 0], width
            gatherer.observe(layers)

    def _gradients(
        self, activations: list[torch.Tensor], logits: torch.Tensor, labels: torch.Tensor
    ) -> list[torch.Tensor]:
        """Return the gradients of each sample's own loss by the hidden activations.

        Args:
            activations: of the hidden layers, [network, sample, node].
            logits: [network, class, sample].
            labels: [network, sample].
        """
        error = torch.softmax(logits, 1)
        at = labels[:, None]
        error.scatter_add_(1, at, -torch.ones_like(at, dtype=error.dtype))
        gradients = [error.mT @ self._last[0]]
        for (kernel, _), activation in zip(
            reversed(self._hidden), reversed(activations), strict=False
        ):
            gradients.append((gradients[-1] * (activation > 0)) @ kernel.mT)
        return gradients[::-1]

    def _forward(self, inputs: torch.Tensor) -> tuple[list[torch.Tensor], torch.Tensor]:
        """Return the hidden activations and the logits [network, class, sample]."""
        outputs = (inputs @ self._first).clamp_(min=0)
        activations = [outputs.view(len(inputs), self.size, -1).transpose(0, 1)]
        for kernel, bias in self._hidden:
            activations.append(torch.baddbmm(bias, activations[-1], kernel).clamp_(min=0))
        kernel, bias = self._last
        return activations, torch.baddbmm(bias, kernel, activations[-1].transpose(1, 2))


class _Workspace:
    """The buffers, and views of them, in which a stack trains blocks of one shape.

    They are made once, since allocating them for each step would take as long as the arithmetic
    of a narrow network.
    """

    def __init__(self, stack: Stack, batches: int, batch_size: int) -> None:
        task, size, widths = stack.task, stack.size, stack._widths

        def empty(*shape: int) -> torch.Tensor:
            return torch.empty(shape, dtype=task.dtype, device=task.device)

        def by_network(rows: torch.Tensor) -> torch.Tensor:
            return rows.view(batch_size, size, widths[0]).transpose(0, 1)

        self.batches, self.batch_size = batches, batch_size
        self.outputs = empty(batches * batch_size, size * widths[0])
        self.batch_outputs = self.outputs.split(batch_size)
        self.first_activations = [by_network(rows) for rows in self.batch_outputs]
        self.all_gradients = empty(batches * batch_size, size * widths[0])
        self.first_gradients = [by_network(rows) for rows in self.all_gradients.split(batch_size)]
        self.earlier_gradients = [self.all_gradients[: k * batch_size] for k in range(batches)]
        self.activations = [empty(size, batch_size, width) for width in widths[1:]]
        self.gradients = [empty(size, batch_size, width) for width in widths]
        self.logits = empty(batches, size, task.classes, batch_size)
        self.batch_logits = self.logits.unbind(0)
        self.error = empty(size, task.classes, batch_size)
        self.scratch = torch.empty_like(self.logits)
