"""A stack of convolutional networks on a GPU, its steps recorded and replayed.

A GPU needs thousands of independent sums to be busy, more than one small network has, and a kernel
takes some microseconds however little it does. So the networks of a stack run side by side in every
launch (see `kernels` and `operations`), the launches of some steps are captured once as a
CUDA graph, and the graph is replayed without the host: the number of the batch and the sums of
losses and hits are kept on the device. Augmented images are made once an epoch, in the place from
where the graph reads its batches.
"""

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import torch
import triton

from dropnet.networks.cycle import Weights
from dropnet.networks.masks import Masks
from dropnet.training.augmentation import draw, warp
from dropnet.training.gathering import Gatherer, gather
from dropnet.training.stacked import kernels
from dropnet.training.stacked.layout import operations_of
from dropnet.training.stacked.memory import (
    BORDER,
    IMAGES,
    Batch,
    Below,
    Grid,
    Input,
    Output,
    Scratch,
)
from dropnet.training.stacked.operations import Convolution, Nodes, Normalisation, Operation
from dropnet.training.task import BaseTask, Split

CHUNK = 256  # samples evaluated at once, if they are small; fixes the order of summation
JUDGED = 32  # of these, samples whose losses are worked out at once; likewise
POSITIONS_AT_ONCE = 2**18  # of images that are evaluated at once, at most
STEPS = 16  # of a captured graph


#: Is told an operation of a stack, what it has read, and the values that it gave.
Observer = Callable[[Operation, Sequence[Input], torch.Tensor], None]


@dataclass(frozen=True)
class Samples:
    """Images with their border, and their labels.

    Attributes:
        images: float32 [samples, height + 3, width + 3, channels].
        labels: int64 [samples].
    """

    images: torch.Tensor
    labels: torch.Tensor


class Task(BaseTask):
    """A data set prepared for training convolutional networks on a GPU.

    Attributes:
        batches: what the steps of an epoch read; the training split, unless it is augmented.
        chunk: samples evaluated at once.
    """

    def __init__(self, train: Split, validation: Split, test: Split, *args: Any, **kw: Any) -> None:
        """Prepare the splits, each a pair of uint8 images [n, c, h, w] and labels [n].

        The other arguments are those of `BaseTask`, from `settings` on.
        """
        super().__init__(train[0].shape[1:], *args, **kw)
        if self.device.type == "cuda" and self.device.index is not None:
            torch.cuda.set_device(self.device)  # kernels and graphs go to the current one
        self.train, self.validation, self.test = (
            Samples(self._bordered(images), labels.to(self.device).long())
            for images, labels in (train, validation, test)
        )
        _, height, width = self.image_shape
        self.chunk = max(32, min(CHUNK, POSITIONS_AT_ONCE // (height * width)))
        self.batches = self.train
        if self.augmentation != "none":
            images, labels = self.train.images, self.train.labels
            self.batches = Samples(torch.zeros_like(images), torch.zeros_like(labels))

    def _bordered(self, images: torch.Tensor) -> torch.Tensor:
        count, channels, height, width = images.shape
        bordered = self.zeros(count, height + BORDER, width + BORDER, channels)
        # divided on the processor: a GPU multiplies by the reciprocal, and the last bit is another
        values = torch.arange(256, dtype=self.dtype).div_(255).to(self.device)
        for pixels, rows in zip(images.split(4096), bordered.split(4096), strict=True):
            inside = values[pixels.to(self.device).permute(0, 2, 3, 1).int()]
            rows[:, 1 : 1 + height, 1 : 1 + width] = inside
        return bordered

    def prepare_batches(self, epoch: int) -> None:
        """Put the images of an epoch where the steps read them, in the order of its batches."""
        if self.augmentation == "none":
            return
        _, height, width = self.image_shape
        drawn = draw(epoch, len(self.train.labels), height, width, self.device)
        torch.index_select(self.train.labels, 0, drawn.order, out=self.batches.labels)
        for start in range(0, len(drawn.order), 4096):
            rows = slice(start, start + 4096)
            images = self._inside(self.train.images[drawn.order[rows]])
            self._inside(self.batches.images[rows])[:] = warp(images, drawn.maps[rows])

    def images(self, samples: Samples, start: int, count: int) -> torch.Tensor:
        """Return up to `count` images from the given one on, values from 0 to 1."""
        return self._inside(samples.images[start : start + count])

    def _inside(self, bordered: torch.Tensor) -> torch.Tensor:
        """A view of images without their border, [samples, channels, height, width]."""
        _, height, width = self.image_shape
        return bordered[:, 1 : 1 + height, 1 : 1 + width].permute(0, 3, 1, 2)

    def stack(self, weights: Sequence[Weights], masks: Sequence[Masks]) -> "Stack":
        """Return networks with the given (compacted) weights."""
        return Stack(self, weights, masks)


class Stack:
    """Convolutional networks that are trained side by side.

    Attributes:
        size: number of networks.
        operations: of all networks, each after those that it reads.
    """

    def __init__(self, task: Task, weights: Sequence[Weights], masks: Sequence[Masks]) -> None:
        """Take over networks as `weights.compact` makes them."""
        self.task, self.size, self.masks = task, len(weights), masks
        self._scratch = Scratch(task)
        networks = [task.steps(mask) for mask in masks]
        self.operations = operations_of(task, networks, self._scratch)
        for operation in self.operations:
            for n, own in enumerate(weights):
                operation.load(n, own)
        self._number = torch.zeros(1, dtype=torch.int32, device=task.device)  # of the batch
        self._losses = task.zeros(self.size, dtype=torch.float64)
        self._hits = task.zeros(self.size, dtype=torch.float64)
        self._training: list[Output] = []
        self._evaluation: list[Output] = []
        self._graphs: dict[int, torch.cuda.CUDAGraph] = {}

    def weights(self) -> list[dict[str, torch.Tensor]]:
        """Return copies of the current weights of each network, named as they came."""
        return [
            {
                name: tensor
                for operation in self.operations
                for name, tensor in operation.weights(n).items()
            }
            for n in range(self.size)
        ]

    # --- training --------------------------------------------------------------------------

    def train_epoch(self, epoch: int) -> tuple[list[float], list[float]]:
        """Train one epoch and return each network's mean loss and accuracy over it.

        Both are Keras' running means: every batch counts as it was before its own update.

        Args:
            epoch: its number, 1 for the first; see `BaseTask.augmentation`.
        """
        for sums in (self._number, self._losses, self._hits):
            sums.zero_()
        self.task.prepare_batches(epoch)
        samples, size = len(self.task.batches.labels), self.task.batch_size
        self._steps(samples // size)
        if samples % size:
            self._step(samples % size)
        return (self._losses / samples).tolist(), (self._hits / samples).tolist()

    def _steps(self, count: int) -> None:
        """Take steps of whole batches: on a GPU by replaying what the first one has recorded."""
        if self.task.device.type != "cuda":
            for _ in range(count):
                self._step(self.task.batch_size)
            return
        if not self._graphs and count:
            self._step(self.task.batch_size)  # compiles the kernels
            count -= 1
            self._graphs = {steps: self._captured(steps) for steps in (STEPS, 1)}
        for steps, graph in self._graphs.items():
            for _ in range(count // steps):
                graph.replay()
            count %= steps

    def _captured(self, steps: int) -> "torch.cuda.CUDAGraph":
        """Record some steps; not by torch's context manager, which empties all caches first."""
        graph, side = torch.cuda.CUDAGraph(), torch.cuda.Stream()
        side.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(side):
            graph.capture_begin()
            try:
                for _ in range(steps):
                    self._step(self.task.batch_size)
            except BaseException:  # a stream that goes on recording would spoil what follows
                with suppress(RuntimeError):
                    graph.capture_end()
                raise
            graph.capture_end()
        torch.cuda.current_stream().wait_stream(side)
        return graph

    def _step(self, samples: int) -> None:
        """Train all networks on the next batch, which has so many samples."""
        task, outputs = self.task, self._outputs_in_training()
        size, rate = task.batch_size, task.learning_rate / samples
        images = task.batches.images
        batches = self._forward(
            Input(images, 0, size * images.stride(0), self._number), samples, outputs, True
        )
        last = self._classifier
        kernels.judge[(self.size,)](
            outputs[-1].values, task.batches.labels, self._number, outputs[-1].gradient,
            self._losses, self._hits, samples, size,
            NODES=last.grid.channels, CLASSES=last.nodes, ROWS=triton.next_power_of_2(size),
        )  # fmt: skip
        written: set[int] = set()
        for index in reversed(range(len(self.operations))):
            operation, below = self.operations[index], list[Below | None]()
            for source in operation.sources:
                if source == IMAGES:
                    below.append(None)
                    continue
                relu = self.operations[source].rectified
                below.append(Below(outputs[source].slope(), relu, source in written))
                written.add(source)
            operation.backward(batches[index], below, rate)
        kernels.count[(1,)](self._number)

    @property
    def _classifier(self) -> Nodes:
        last = self.operations[-1]
        assert isinstance(last, Nodes)
        return last

    def _forward(
        self,
        images: Input,
        samples: int,
        outputs: Sequence[Output],
        training: bool,
        observe: Observer | None = None,
    ) -> list[Batch]:
        """Write the outputs of all operations; return what each has read and written."""
        given: list[Input] = []
        batches = []
        for operation, out in zip(self.operations, outputs, strict=True):
            read = [images if s == IMAGES else given[s] for s in operation.sources]
            batches.append(Batch(read, samples, out))
            operation.forward(batches[-1], training)
            stride = operation.stride(out.values, samples)
            given.append(Input(out.values, stride, 0, self._number))
            if observe:
                observe(operation, read, out.values)
        return batches

    def _outputs_in_training(self) -> list[Output]:
        """What a training step writes: made once, as recorded steps keep to it."""
        if not self._training:
            samples = self.task.batch_size
            for operation in self.operations:
                self._scratch.reserve(operation.needs(samples))
                values = self._room_for(operation.grid, samples)
                gradient, winners = torch.zeros_like(values), None
                if operation.winners():
                    winners = torch.zeros_like(values, dtype=torch.int8)
                self._training.append(Output(values, gradient, winners))
        return self._training

    def _room_for(self, grid: Grid, samples: int) -> torch.Tensor:
        """Zeros for the outputs of an operation and their border."""
        return self.task.zeros(*grid.shape(self.size, samples))

    # --- evaluation ------------------------------------------------------------------------

    def evaluate(self, samples: Samples) -> tuple[list[float], list[float]]:
        """Return each network's mean loss and accuracy on the samples."""
        losses, hits = self.task.zeros(2, self.size, dtype=torch.float64)
        last = self._classifier
        for start in range(0, len(samples.labels), self.task.chunk):
            count = self._read(samples, start)
            kernels.assess[(self.size,)](
                self._evaluation[-1].values, samples.labels[start:], losses, hits, count,
                NODES=last.grid.channels, CLASSES=last.nodes, ROWS=JUDGED,
            )  # fmt: skip
        return (losses / len(samples.labels)).tolist(), (hits / len(samples.labels)).tolist()

    def _read(self, samples: Samples, start: int, observe: Observer | None = None) -> int:
        """Evaluate a chunk; return how many samples it has."""
        images = samples.images[start : start + self.task.chunk]
        self._evaluation = self._evaluation or self._outputs_in_evaluation()
        x = Input(images, 0, 0, self._number)
        self._forward(x, len(images), self._evaluation, False, observe)
        return len(images)

    def _outputs_in_evaluation(self) -> list[Output]:
        """What an evaluation writes: outputs of one shape share their place if they can.

        What is left there beyond a network's own channels is in none of its tables.
        """
        readers: dict[int, int] = {}
        for index, operation in enumerate(self.operations):
            readers |= dict.fromkeys(operation.sources, index)
        free: dict[tuple[int, ...], list[Output]] = {}
        outputs: list[Output] = []
        for index, operation in enumerate(self.operations):
            left = free.setdefault(operation.grid.shape(self.size, self.task.chunk), [])
            outputs.append(
                left.pop() if left else Output(self._room_for(operation.grid, self.task.chunk))
            )
            for source in operation.sources:
                if source != IMAGES and readers[source] == index:
                    free[outputs[source].values.shape].append(outputs[source])
        return outputs

    def statistics(
        self, samples: Samples, gatherers: Sequence[Gatherer] = ()
    ) -> list[dict[str, list[torch.Tensor]]]:
        """Return each network's statistics of its remaining filters over the samples.

        They are those of `dropnet.metrics`. What a metric gathers besides is worked out network by
        network.

        Args:
            samples: that are looked at.
            gatherers: one for each network; or none.
        """
        for gatherer, own, masks in zip(gatherers, self.weights(), self.masks, strict=False):
            gather(self.task, own, masks, samples, gatherer)
        chunk, masked = self.task.chunk, [o for o in self.operations if o.mask is not None]
        sums = {
            operation: self.task.zeros(self.size, 3, operation.grid.channels, dtype=torch.float64)
            for operation in masked
        }
        widest = max(operation.grid.channels for operation in masked)
        found = self.task.zeros(self.size * chunk * 3 * widest)
        rooms = {
            operation: self._room_for(operation.whole, chunk)
            for operation in masked
            if isinstance(operation, Convolution) and operation.pool
        }

        def observe(operation: Operation, read: Sequence[Input], activation: torch.Tensor) -> None:
            if operation.mask is None:
                return
            grid, active = operation.grid, activation
            if isinstance(operation, Convolution) and operation.pool:  # from before the pooling
                grid, active = operation.whole, rooms[operation]
                activation = active
                operation.rectify(read[0], count, active)
            elif isinstance(operation, Normalisation):  # what it has read is from the ReLU
                active = read[0].values
            operation.tally(grid, count, activation, active, found, sums[operation])

        for start in range(0, len(samples.labels), chunk):
            count = min(chunk, len(samples.labels) - start)
            self._read(samples, start, observe)
        return [
            {
                name: [
                    (total[n, place, : operation.widths[n]] / len(samples.labels)).cpu()
                    for operation, total in sums.items()
                ]
                for place, name in enumerate(("mean_activation", "zero_share", "silent_share"))
            }
            for n in range(self.size)
        ]
