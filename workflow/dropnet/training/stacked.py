"""The engine of a GPU: all convolutional networks of a stack take each step in the same kernels.

A GPU needs thousands of independent sums to be busy, more than one small network has, and a kernel
takes some microseconds however little it does. So the networks of a stack run side by side in every
launch (see `kernels`), the launches of some steps are captured once as a CUDA graph, and the graph
is replayed without the host: the number of the batch and the sums of losses and hits are kept on
the device.

Networks have unequal widths. In memory all have those of the widest, rounded up; the kernels stop
at a network's own. What is beyond is zero and remains zero. Layouts, `n` the networks of the stack:

    images                     [samples, height + 3, width + 3, channels] with a border of zeros
    activations                [n, samples, height + 3, width + 3, filters] after ReLU and pooling
    their gradients            the same, and so is which of 2x2 positions the pooling took
    kernel of a convolution    [n, taps and channels, filters]; channels in groups of 4
    kernel of a layer of nodes [n, positions and channels, nodes], likewise
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import zip_longest
from typing import Any, NamedTuple

import torch
import triton

from dropnet.networks.cycle import Weights
from dropnet.networks.masks import Masks
from dropnet.networks.models import Conv, Dense, MaxPool
from dropnet.networks.steps import Step, Weighted
from dropnet.training import kernels
from dropnet.training.evaluation import evaluated
from dropnet.training.gathering import Gatherer, gather
from dropnet.training.task import BaseTask, Split

CHUNK = 256  # samples evaluated at once; fixes the order of summation
STEPS = 16  # of a captured graph
SPAN = 256  # inputs of a layer of nodes that one part of its product sums
POSITIONS = 100  # about as many one part of a kernel's gradient sums
#: How the kernels multiply, for each precision of the settings.
PRECISIONS = {"float32": "ieee", "tf32": "tf32", "bfloat16": "bfloat16"}
BORDER, GROUP = kernels.BORDER.value, kernels.CHANNEL_GROUP.value
DEEPEST = 128  # tables are padded to a multiple of it, so that no tile reads beyond them


@dataclass(frozen=True)
class Tiles:
    """How a kernel cuts its product: rows and columns of a tile, the step of the sum, warps."""

    rows: int
    columns: int
    step: int
    warps: int = 4
    stages: int = 3

    def arguments(self) -> dict[str, int]:
        """Return the constants of a launch."""
        return {
            "ROWS": self.rows,
            "COLUMNS": self.columns,
            "STEP": self.step,
            "num_warps": self.warps,
            "num_stages": self.stages,
        }


#: For each kernel, by the columns of its tiles.
TILES = {
    ("convolve", "images", 16): Tiles(32, 16, 16, warps=2),
    ("convolve", "images", 32): Tiles(32, 32, 16, warps=2),
    ("convolve", "images", 64): Tiles(32, 64, 16, warps=4),
    ("convolve", "filters", 16): Tiles(16, 16, 16, warps=2),
    ("convolve", "filters", 32): Tiles(32, 32, 16, warps=2),
    ("convolve", "filters", 64): Tiles(32, 64, 16, warps=4),
    ("of_input", "filters", 16): Tiles(64, 16, 16, warps=4),
    ("of_input", "filters", 32): Tiles(64, 32, 16, warps=4),
    ("of_input", "filters", 64): Tiles(64, 64, 16, warps=4),
    ("of_kernel", "images", 16): Tiles(16, 16, 16, warps=1),
    ("of_kernel", "images", 32): Tiles(16, 32, 16, warps=2),
    ("of_kernel", "images", 64): Tiles(16, 64, 16, warps=2),
    ("of_kernel", "filters", 16): Tiles(64, 16, 16, warps=4),
    ("of_kernel", "filters", 32): Tiles(64, 32, 16, warps=4),
    ("of_kernel", "filters", 64): Tiles(64, 64, 16, warps=4),
    ("connect", "filters", 16): Tiles(32, 16, 32),
    ("connect", "filters", 64): Tiles(32, 64, 32),
}


@dataclass(frozen=True)
class Samples:
    """Images with their border, and their labels.

    Attributes:
        images: float32 [samples, height + 3, width + 3, channels].
        labels: int64 [samples].
    """

    images: torch.Tensor
    labels: torch.Tensor


@dataclass(frozen=True)
class Grid:
    """Where the outputs of a layer lie in memory: [height, width, channels] and the border."""

    height: int
    width: int
    channels: int
    border: int = BORDER

    @property
    def across(self) -> int:
        """From one row to the next."""
        return (self.width + self.border) * self.channels

    @property
    def sample(self) -> int:
        """From one sample to the next."""
        return (self.height + self.border) * self.across

    def places(self) -> torch.Tensor:
        """Where the positions of a sample lie, [height * width]."""
        first = 1 if self.border else 0
        down = (torch.arange(self.height) + first).view(-1, 1) * self.across
        return (down + (torch.arange(self.width) + first) * self.channels).flatten()


class Input(NamedTuple):
    """What a layer reads.

    Attributes:
        values: of one or of all batches.
        network: from one network's values to the next one's; 0 where all share them.
        batch: from one batch's values to the next one's; 0 where there is one batch.
        number: of the batch, int32 [1] on the device.
    """

    values: torch.Tensor
    network: int
    batch: int
    number: torch.Tensor


class Gradient(NamedTuple):
    """The gradient of a convolution's output, and which of 2x2 positions its pooling took."""

    values: torch.Tensor
    winners: torch.Tensor


class Task(BaseTask):
    """A data set prepared for training chains of convolutions on a GPU."""

    def __init__(self, train: Split, validation: Split, test: Split, *args: Any, **kw: Any) -> None:
        """Prepare the splits, each a pair of uint8 images [n, c, h, w] and labels [n].

        The other arguments are those of `BaseTask`, from `settings` on.
        """
        super().__init__(train[0].shape[1:], *args, **kw)
        self.precision = PRECISIONS[self.settings.precision]
        self.train, self.validation, self.test = (
            Samples(self._bordered(images), labels.to(self.device).long())
            for images, labels in (train, validation, test)
        )

    def _bordered(self, images: torch.Tensor) -> torch.Tensor:
        count, channels, height, width = images.shape
        bordered = self.zeros(count, height + BORDER, width + BORDER, channels)
        for pixels, rows in zip(images.split(4096), bordered.split(4096), strict=True):
            inside = pixels.to(self.device).permute(0, 2, 3, 1).to(self.dtype).div_(255)
            rows[:, 1 : 1 + height, 1 : 1 + width] = inside
        return bordered

    def images(self, samples: Samples, start: int, count: int) -> torch.Tensor:
        """Return up to `count` images from the given one on, values from 0 to 1."""
        _, height, width = self.image_shape
        rows = samples.images[start : start + count, 1 : 1 + height, 1 : 1 + width]
        return rows.permute(0, 3, 1, 2)

    def stack(self, weights: Sequence[Weights], masks: Sequence[Masks]) -> "Stack":
        """Return networks with the given (compacted) weights."""
        return Stack(self, weights, masks)


def _up(number: int, multiple: int) -> int:
    """Round up to a multiple."""
    return -(-number // multiple) * multiple


def _columns(widths: Sequence[int]) -> int:
    """The columns of a tile for layers of these widths."""
    widest = max(widths)
    return 16 if widest <= 16 else 32 if widest <= 32 else 64


class _Layer:
    """A layer with weights, of all networks of a stack.

    Attributes:
        below: where its input lies; `grid`: where its output does.
        inputs: the number of channels of each network's input; `widths`: of its output.
        rows: the same numbers as the rows of the kernel count them.
        kernel: [n, depth, channels in memory], and bias [n, channels in memory].
    """

    positions: int  # of the input that one output sees, each with all channels

    def __init__(
        self, task: Task, name: str, below: Grid, grid: Grid, inputs: Sequence[int], group: int
    ) -> None:
        self.task, self.name, self.below, self.grid = task, name, below, grid
        self.inputs, self.group, self.size = list(inputs), group, len(inputs)
        self.rows = [_up(count, group) for count in inputs]
        self.depth = _up(self.positions * max(1, *self.rows), DEEPEST)
        self.depths = self.table([self.positions * count for count in self.rows])
        self.kernel = task.zeros(self.size, self.depth, grid.channels)
        self.bias = task.zeros(self.size, grid.channels)

    def table(self, numbers: Sequence[int]) -> torch.Tensor:
        """A number for each network, on the device."""
        return torch.tensor(numbers, dtype=torch.int32, device=self.task.device)

    def tables(
        self, own: Sequence[torch.Tensor], depth: int, dtype: torch.dtype = torch.int32
    ) -> torch.Tensor:
        """A row of numbers for each network, on the device; 0 beyond a network's own."""
        padded = torch.zeros(len(own), depth, dtype=dtype)
        for row, values in zip(padded, own, strict=True):
            row[: len(values)] = values
        return padded.to(self.task.device)

    def own_kernel(self, n: int, outputs: int) -> torch.Tensor:
        """A view of a network's kernel, [positions, channels, outputs]."""
        rows = self.kernel[n, : self.positions * self.rows[n], :outputs]
        return rows.view(self.positions, self.rows[n], outputs)[:, : self.inputs[n]]


class Convolution(_Layer):
    """A convolution with a ReLU, and the pooling that follows it."""

    positions = 9

    def __init__(
        self, task: Task, steps: Sequence[Weighted], below: Grid, pool: bool, first: bool
    ) -> None:
        """Lay out the layer of all networks.

        Args:
            task: the data.
            steps: the layer of each network.
            below: where its input lies.
            pool: a pooling follows.
            first: the input are the images, which all networks share.
        """
        self.pool, self.first = pool, first
        self._scratch: tuple[torch.Tensor, torch.Tensor] | None = None
        self.widths = [len(step.outputs) for step in steps]
        self.columns = _columns(self.widths)
        fold = 2 if pool else 1
        wide = _up(max(1, *self.widths), self.columns)
        grid = Grid(below.height // fold, below.width // fold, wide)
        self.rectified = Grid(below.height, below.width, wide)
        inputs = [len(step.inputs) for step in steps]
        super().__init__(task, steps[0].name, below, grid, inputs, 1 if first else GROUP)
        self.entries = 9 * max(1, *self.rows)
        self.each = max(1, POSITIONS // (grid.height * grid.width))
        self.widths_table, self.rows_table = self.table(self.widths), self.table(self.rows)
        taps = torch.tensor([(i, j) for i in (-1, 0, 1) for j in (-1, 0, 1)])
        at = (taps * torch.tensor([below.across, below.channels])).sum(1, keepdim=True)
        own = [(at + torch.arange(count)).flatten() for count in self.rows]
        self.places = self.tables(own, self.depth)
        if not first:
            self._turn(taps, fold)

    def _turn(self, taps: torch.Tensor, fold: int) -> None:
        """Lay out the turned kernel, for the gradient of the input, and its tables.

        A position of the input is seen by the outputs around it. With a pooling, which outputs
        these are, and which of their winners counts, differs between even and odd rows and
        columns: four kinds of position.
        """
        filters = [_up(width, GROUP) for width in self.widths]
        self.turned_depth = _up(9 * max(1, *filters), DEEPEST)
        self.turned_depths = self.table([9 * count for count in filters])
        self.turned = self.task.zeros(self.size, self.turned_depth, self.below.channels)
        self.inputs_table = self.table(self.inputs)
        self.input_columns = _columns(self.inputs)
        strides = torch.tensor([self.grid.across, self.grid.channels])
        places, codes = [], []
        for kind in [(i, j) for i in range(fold) for j in range(fold)]:
            seen = taps + torch.tensor(kind)
            at = ((seen // fold) * strides).sum(1, keepdim=True)
            corner = ((seen % fold) * torch.tensor([2, 1])).sum(1, keepdim=True)
            places.append([(at + torch.arange(count)).flatten() for count in filters])
            codes.append([corner.expand(9, count).flatten() for count in filters])
        depth = self.turned_depth
        self.back = torch.stack([self.tables(own, depth) for own in places], 1)
        self.codes = torch.stack([self.tables(own, depth, torch.int8) for own in codes], 1)

    def load(self, n: int, weights: Weights) -> None:
        """Take over the weights of a network."""
        kernel = weights[f"{self.name}.kernel"].to(self.task.device)
        rows = kernel.permute(2, 3, 1, 0).flatten(0, 1)
        self.own_kernel(n, self.widths[n])[:] = rows
        if not self.first:
            filters = _up(self.widths[n], GROUP)
            turned = self.turned[n, : 9 * filters].view(9, filters, self.below.channels)
            turned[:, : self.widths[n], : self.inputs[n]] = rows.flip(0).transpose(1, 2)
        self.bias[n, : self.widths[n]] = weights[f"{self.name}.bias"].to(self.task.device)

    def weights(self, n: int) -> dict[str, torch.Tensor]:
        """Return copies of the weights of a network."""
        rows = self.own_kernel(n, self.widths[n]).cpu()
        return {
            f"{self.name}.kernel": rows.view(3, 3, *rows.shape[1:])
            .permute(3, 2, 0, 1)
            .contiguous(),
            f"{self.name}.bias": self.bias[n, : self.widths[n]].to("cpu", copy=True),
        }

    def forward(
        self, x: Input, samples: int, z: torch.Tensor, winner: torch.Tensor | None = None
    ) -> None:
        """Write the output for some samples, and the winners if they are asked for."""
        self._convolve(x, samples, z, winner, self.grid, self.pool)

    def rectify(self, x: Input, samples: int, active: torch.Tensor) -> None:
        """Write what the ReLU gives, before any pooling, for some samples."""
        self._convolve(x, samples, active, None, self.rectified, False)

    def _convolve(
        self,
        x: Input,
        samples: int,
        z: torch.Tensor,
        winner: torch.Tensor | None,
        grid: Grid,
        pool: bool,
    ) -> None:
        rows = samples * grid.height * grid.width
        tiles = self.tiles("convolve", self.columns)
        across = grid.channels // tiles.columns
        kernels.convolve[triton.cdiv(rows, tiles.rows), across, self.size](
            *x, self.kernel, self.bias, z, z.stride(0), z if winner is None else winner,
            self.places, self.depths, self.depth, self.widths_table, rows,
            HEIGHT=grid.height, WIDTH=grid.width, X_HEIGHT=self.below.height,
            X_WIDTH=self.below.width, CHANNELS=self.below.channels, FILTERS=grid.channels,
            POOL=pool, KEEP=winner is not None, GROUP=self.group,
            PRECISION=self.task.precision, **tiles.arguments(),
        )  # fmt: skip

    def backward(
        self, x: Input, samples: int, of: Gradient, of_x: torch.Tensor | None, rate: float
    ) -> None:
        """Write the gradient of the input, if there is room for it, and update the weights.

        Args:
            x: the input.
            samples: of the batch.
            of: the gradient of the output.
            of_x: takes the gradient of the input; None for that of the images.
            rate: of the update.
        """
        self._of_kernel(x, samples, of)
        if of_x is not None:
            self._of_input(x, samples, of, of_x)
        self._update(samples, rate)

    def blocks(self, samples: int) -> int:
        """The number of parts in which the gradients are summed over the samples."""
        return triton.cdiv(samples, self.each)

    def _of_kernel(self, x: Input, samples: int, of: Gradient) -> None:
        tiles = self.tiles("of_kernel", self.columns)
        across = self.grid.channels // tiles.columns
        blocks = self.blocks(samples)
        kernels.of_kernel[triton.cdiv(self.entries, tiles.rows) * across, blocks, self.size](
            *x, *of, of.values.stride(0), *self.scratch(blocks), self.places, self.depths,
            self.depth, self.widths_table, samples, blocks,
            HEIGHT=self.grid.height, WIDTH=self.grid.width, X_HEIGHT=self.below.height,
            X_WIDTH=self.below.width, CHANNELS=self.below.channels, FILTERS=self.grid.channels,
            POOL=self.pool, SAMPLES=self.each, GROUP=self.group,
            PRECISION=self.task.precision, **tiles.arguments(),
        )  # fmt: skip

    def _update(self, samples: int, rate: float) -> None:
        blocks = self.blocks(samples)
        kernels.update[triton.cdiv(self.entries * self.grid.channels, 512), self.size](
            self.kernel, self.kernel if self.first else self.turned, self.bias,
            *self.scratch(blocks), self.depths, self.depth, self.rows_table,
            0 if self.first else self.turned_depth, self.widths_table, blocks, rate,
            CHANNELS=self.below.channels, FILTERS=self.grid.channels, TURN=not self.first,
            BLOCK=512,
        )  # fmt: skip

    def tiles(self, kernel: str, columns: int) -> Tiles:
        """How a kernel cuts its product in this layer."""
        return TILES[kernel, "images" if self.first else "filters", columns]

    def _of_input(self, x: Input, samples: int, of: Gradient, of_x: torch.Tensor) -> None:
        tiles = self.tiles("of_input", self.input_columns)
        fold = 2 if self.pool else 1
        height, width = self.below.height, self.below.width
        rows = samples * triton.cdiv(height, fold) * triton.cdiv(width, fold)
        kernels.of_input[
            triton.cdiv(rows, tiles.rows) * fold * fold,
            self.below.channels // tiles.columns,
            self.size,
        ](
            *of, of.values.stride(0), self.turned, x.values, of_x, of_x.stride(0), self.back,
            self.codes, self.turned_depths, self.turned_depth, self.inputs_table, rows,
            HEIGHT=height, WIDTH=width, CHANNELS=self.below.channels, FILTERS=self.grid.channels,
            POOL=self.pool, GROUP=GROUP,
            PRECISION=self.task.precision, **tiles.arguments(),
        )  # fmt: skip

    def scratch(self, blocks: int) -> tuple[torch.Tensor, torch.Tensor]:
        """Room for the parts of the gradients; made once, as a captured graph keeps its place."""
        if self._scratch is None or len(self._scratch[0]) < self.size * blocks:
            self._scratch = (
                self.task.zeros(self.size * blocks, self.depth, self.grid.channels),
                self.task.zeros(self.size * blocks, self.grid.channels),
            )
        return self._scratch


class Nodes(_Layer):
    """A fully connected layer whose input is the output of a ReLU."""

    def __init__(
        self, task: Task, steps: Sequence[Weighted], below: Grid, inputs: Sequence[int]
    ) -> None:
        """Lay out the layer of all networks.

        Args:
            task: the data.
            steps: the layer of each network.
            below: where its input lies.
            inputs: channels of each network's input.
        """
        layer = steps[0].layer
        assert isinstance(layer, Dense)
        self.relu, self.nodes = layer.relu, layer.nodes
        self._scratch: dict[int, torch.Tensor] = {}
        self.positions = below.height * below.width
        self.widths = [self.nodes] * len(steps)
        grid = Grid(1, 1, max(16, triton.next_power_of_2(self.nodes)), border=0)
        super().__init__(task, steps[0].name, below, grid, inputs, GROUP)
        at = below.places().view(-1, 1)
        own = [(at + torch.arange(count)).flatten() for count in self.rows]
        self.places = self.tables(own, self.depth)
        self.columns = min(64, grid.channels)
        self.blocks = triton.cdiv(self.depth, SPAN)

    def load(self, n: int, weights: Weights) -> None:
        """Take over the weights of a network."""
        kernel = weights[f"{self.name}.kernel"].to(self.task.device)
        own = self.own_kernel(n, self.nodes)
        own[:] = kernel.view(own.shape)
        self.bias[n, : self.nodes] = weights[f"{self.name}.bias"].to(self.task.device)

    def weights(self, n: int) -> dict[str, torch.Tensor]:
        """Return copies of the weights of a network."""
        return {
            f"{self.name}.kernel": self.own_kernel(n, self.nodes).cpu().flatten(0, 1).contiguous(),
            f"{self.name}.bias": self.bias[n, : self.nodes].to("cpu", copy=True),
        }

    def forward(self, x: Input, samples: int, z: torch.Tensor) -> None:
        """Write the output for some samples."""
        parts = self.scratch(samples)
        tiles = TILES["connect", "filters", self.columns]
        across = self.grid.channels // tiles.columns
        kernels.connect[triton.cdiv(samples, tiles.rows), self.blocks * across, self.size](
            x.values, x.network, self.below.sample, self.kernel, parts, self.places, self.depths,
            self.depth, samples, self.blocks,
            NODES=self.grid.channels, SPAN=SPAN, GROUP=GROUP,
            PRECISION=self.task.precision, **tiles.arguments(),
        )  # fmt: skip
        rows = 32 if self.grid.channels <= 64 else 8
        kernels.gather[triton.cdiv(samples, rows), self.size](
            parts, self.bias, z, self.depths, samples, self.blocks,
            NODES=self.grid.channels, SPAN=SPAN, RELU=self.relu, ROWS=rows,
        )  # fmt: skip

    def backward(
        self, x: Input, samples: int, error: torch.Tensor, of_x: torch.Tensor, rate: float
    ) -> None:
        """Write the gradient of the input, and update the weights."""
        step = 32 if self.grid.channels <= 64 else 16
        kernels.disconnect[triton.cdiv(self.positions * max(1, *self.rows), step), self.size](
            x.values, x.network, self.below.sample, error, self.kernel, self.bias, of_x,
            self.places, self.depths, self.depth, samples, rate,
            NODES=self.grid.channels, GROUP=GROUP, ROWS=32, STEP=step,
            PRECISION=self.task.precision, num_warps=4,
        )  # fmt: skip

    def scratch(self, samples: int) -> torch.Tensor:
        """Room for the parts of the product, made once for each number of samples."""
        if samples not in self._scratch:
            shape = (self.size, self.blocks, samples, self.grid.channels)
            self._scratch[samples] = self.task.zeros(*shape)
        return self._scratch[samples]


@dataclass(frozen=True)
class Room:
    """What a training step writes, a tensor a layer: made once, as recorded steps keep to it.

    Attributes:
        outputs: of all layers, those of the convolutions first.
        gradients: of the outputs.
        winners: of the convolutions: which of 2x2 positions was taken; whatever without a pooling.
    """

    outputs: list[torch.Tensor]
    gradients: list[torch.Tensor]
    winners: list[torch.Tensor]


class Stack:
    """Chains of convolutions that are trained side by side.

    Attributes:
        size: number of networks.
    """

    def __init__(self, task: Task, weights: Sequence[Weights], masks: Sequence[Masks]) -> None:
        """Take over networks as `weights.compact` makes them."""
        self.task, self.size, self.masks = task, len(weights), masks
        self._convolutions, self._nodes = _layers(task, [task.steps(mask) for mask in masks])
        self._layers: list[Convolution | Nodes] = [*self._convolutions, *self._nodes]
        for layer in self._layers:
            for n, own in enumerate(weights):
                layer.load(n, own)
        self._number = torch.zeros(1, dtype=torch.int32, device=task.device)  # of the batch
        self._losses = task.zeros(self.size, dtype=torch.float64)
        self._hits = task.zeros(self.size, dtype=torch.float64)
        self._outputs_for: dict[int, list[torch.Tensor]] = {}
        self._room: Room | None = None
        self._graphs: dict[int, torch.cuda.CUDAGraph] = {}

    def weights(self) -> list[dict[str, torch.Tensor]]:
        """Return copies of the current weights of each network, named as they came."""
        return [
            {name: tensor for layer in self._layers for name, tensor in layer.weights(n).items()}
            for n in range(self.size)
        ]

    # --- training --------------------------------------------------------------------------

    def train_epoch(self, epoch: int) -> tuple[list[float], list[float]]:
        """Train one epoch and return each network's mean loss and accuracy over it.

        Both are Keras' running means: every batch counts as it was before its own update.

        Args:
            epoch: its number, 1 for the first; every epoch is like the others here.
        """
        for sums in (self._number, self._losses, self._hits):
            sums.zero_()
        samples, size = len(self.task.train.labels), self.task.batch_size
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
            for _ in range(steps):
                self._step(self.task.batch_size)
            graph.capture_end()
        torch.cuda.current_stream().wait_stream(side)
        return graph

    def _step(self, samples: int) -> None:
        """Train all networks on the next batch, which has so many samples."""
        task, room = self.task, self._training_room()
        size, rate = task.batch_size, task.learning_rate / samples
        images = task.train.images
        x = Input(images, 0, size * images.stride(0), self._number)
        *read, logits = self._forward(x, samples, room.outputs, room.winners)
        last = self._nodes[-1]
        kernels.judge[(self.size,)](
            logits.values, task.train.labels, self._number, room.gradients[-1], self._losses,
            self._hits, samples, size,
            NODES=last.grid.channels, CLASSES=last.nodes, ROWS=triton.next_power_of_2(size),
        )  # fmt: skip
        below = [None, *room.gradients]
        for index in reversed(range(len(self._layers))):
            layer, of, of_x = self._layers[index], room.gradients[index], below[index]
            if isinstance(layer, Convolution):
                gradient = Gradient(of, room.winners[index])
                layer.backward(read[index], samples, gradient, of_x, rate)
            else:
                assert of_x is not None  # there are convolutions below
                layer.backward(read[index], samples, of, of_x, rate)
        kernels.count[(1,)](self._number)

    def _forward(
        self,
        x: Input,
        samples: int,
        outputs: Sequence[torch.Tensor],
        winners: Sequence[torch.Tensor | None],
    ) -> list[Input]:
        """Write the outputs of all layers; return what each has read, and the logits."""
        read = [x]
        for layer, z, winner in zip_longest(self._layers, outputs, winners):
            if isinstance(layer, Convolution):
                layer.forward(read[-1], samples, z, winner)
                read.append(Input(z, z.stride(0), 0, self._number))
            else:
                layer.forward(read[-1], samples, z)
                read.append(Input(z, samples * z.shape[2], 0, self._number))
        return read

    def _training_room(self) -> Room:
        if self._room is None:
            outputs = self._outputs(self.task.batch_size)
            images = outputs[: len(self._convolutions)]
            self._room = Room(
                outputs=outputs,
                gradients=[torch.zeros_like(z) for z in outputs],
                winners=[torch.zeros_like(z, dtype=torch.int8) for z in images],
            )
        return self._room

    def _outputs(self, samples: int) -> list[torch.Tensor]:
        """Room for the outputs of all layers for so many samples."""
        if samples not in self._outputs_for:
            images = [self._room_for(layer.grid, samples) for layer in self._convolutions]
            nodes = [
                self.task.zeros(self.size, samples, layer.grid.channels) for layer in self._nodes
            ]
            self._outputs_for[samples] = images + nodes
        return self._outputs_for[samples]

    # --- evaluation ------------------------------------------------------------------------

    def evaluate(self, samples: Samples) -> tuple[list[float], list[float]]:
        """Return each network's mean loss and accuracy on the samples."""

        def logits(start: int) -> torch.Tensor:
            return self._logits(samples, start).transpose(1, 2)

        return evaluated(logits, samples.labels, self.size, CHUNK)

    def _logits(self, samples: Samples, start: int) -> torch.Tensor:
        """Return the logits [n, samples, classes] of a chunk."""
        count, (*_, logits) = self._read(samples, start)
        values = logits.values.view(-1)[: self.size * logits.network].view(self.size, count, -1)
        return values[:, :, : self._nodes[-1].nodes]

    def _read(self, samples: Samples, start: int) -> tuple[int, list[Input]]:
        """Evaluate a chunk: how many samples it has, what each layer has read, and the logits."""
        images = samples.images[start : start + CHUNK]
        x = Input(images, 0, 0, self._number)
        return len(images), self._forward(x, len(images), self._outputs(CHUNK), ())

    def _room_for(self, grid: Grid, samples: int) -> torch.Tensor:
        """Zeros for the outputs of a layer and their border."""
        height, width = grid.height + grid.border, grid.width + grid.border
        return self.task.zeros(self.size, samples, height, width, grid.channels)

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
            there = {name: tensor.to(self.task.device) for name, tensor in own.items()}
            gather(self.task, there, masks, samples, gatherer)
        sums: dict[str, dict[Convolution, torch.Tensor]] = {
            "mean_activation": {},
            "zero_share": {},
            "silent_share": {},
        }

        rooms = [self._room_for(layer.rectified, CHUNK) for layer in self._convolutions]
        for start in range(0, len(samples.labels), CHUNK):
            count, read = self._read(samples, start)
            for layer, x, room in zip(self._convolutions, read, rooms, strict=False):
                layer.rectify(x, count, room)
                active = room[:, :count]
                positions = layer.rectified.height * layer.rectified.width
                fired = (active != 0).sum((2, 3))
                for name, values in (
                    ("mean_activation", active.sum((2, 3)) / positions),
                    ("zero_share", 1 - fired / positions),
                    ("silent_share", fired == 0),
                ):
                    total = values.sum(1, dtype=torch.float64)
                    sums[name][layer] = sums[name].get(layer, 0) + total
        count = len(samples.labels)
        return [
            {
                name: [(total[n, : layer.widths[n]] / count).cpu() for layer, total in of.items()]
                for name, of in sums.items()
            }
            for n in range(self.size)
        ]


def _layers(
    task: Task, networks: Sequence[Sequence[Step]]
) -> tuple[list[Convolution], list[Nodes]]:
    """Lay out the layers of all networks, given as the steps of each."""
    channels, height, width = task.image_shape
    grid = Grid(height, width, channels)
    convolutions: list[Convolution] = []
    nodes: list[Nodes] = []
    layers = [
        [step for step in steps if isinstance(step, Weighted)]
        for steps in zip(*networks, strict=True)
    ]
    for index, steps in enumerate(layers):
        if not steps:
            continue
        if isinstance(steps[0].layer, Conv):
            pool = isinstance(networks[0][index + 1], MaxPool)
            convolutions.append(Convolution(task, steps, grid, pool, first=not convolutions))
            grid, widths = convolutions[-1].grid, convolutions[-1].widths
        else:
            nodes.append(Nodes(task, steps, grid, widths))
            grid, widths = nodes[-1].grid, nodes[-1].widths
    return convolutions, nodes
