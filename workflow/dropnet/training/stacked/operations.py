"""The operations of a stack: what they keep, and which kernels they launch.

An operation is that of all networks of the stack. In memory all have the width of the widest,
rounded up; the kernels stop at a network's own. In training, what is beyond is zero and remains
zero; in an evaluation, whose outputs share their room, it is in no table of a kernel (`memory`).
"""

from collections.abc import Sequence
from typing import Any

import torch
import triton

from dropnet.networks.cycle import Weights
from dropnet.networks.models import Conv, Dense
from dropnet.networks.steps import Sum, Weighted
from dropnet.training.operations import NORM_EPSILON, NORM_MOMENTUM
from dropnet.training.stacked import kernels
from dropnet.training.stacked.memory import GROUP, IMAGES, Batch, Below, Grid, Input, Scratch
from dropnet.training.stacked.tiles import BLOCK, PARTS_AT_ONCE, ROWS, SPAN, SUMMED, TILES, Tiles
from dropnet.training.task import BaseTask

POSITIONS = 100  # about as many one part of a kernel's gradient sums, at least
PARTS = 160  # about as many tiles a network's gradient of a kernel is cut into, at most
DEEPEST = 128  # tables are padded to a multiple of it, so that no tile reads beyond them


def _up(number: int, multiple: int) -> int:
    """Round up to a multiple."""
    return -(-number // multiple) * multiple


def _columns(widths: Sequence[int]) -> int:
    """The columns of a tile for layers of these widths."""
    return min(64, _wide(widths))


def _wide(widths: Sequence[int]) -> int:
    """The channels in memory for these widths: few different numbers, few kernels to compile."""
    wide: int = triton.next_power_of_2(max(16, *widths))
    return wide


class Operation:
    """One of the operations of all networks of a stack.

    Attributes:
        sources: the operations that it reads, by their position in the stack.
        grid: where its output lies.
        widths: of the output, of each network.
        rectified: its output is that of a ReLU.
        mask: index of the mask that acts on its output, if one does.
    """

    rectified = False
    mask: int | None = None

    def __init__(
        self, task: BaseTask, sources: Sequence[int], grid: Grid, widths: Sequence[int]
    ) -> None:
        """Start an operation."""
        self.task, self.sources, self.grid = task, list(sources), grid
        self.widths, self.size = list(widths), len(widths)
        self.widths_table = self.table(self.widths)

    def load(self, n: int, weights: Weights) -> None:
        """Take over the weights of a network, if there are any."""

    def weights(self, n: int) -> dict[str, torch.Tensor]:
        """Return copies of the weights of a network."""
        return {}

    def forward(self, batch: Batch, training: bool) -> None:
        """Write the output for a batch."""
        raise NotImplementedError

    def backward(self, batch: Batch, below: Sequence[Below | None], rate: float) -> None:
        """Update the weights, and write the gradients of what was read.

        Args:
            batch: as in the forward pass; the gradient of its output is complete.
            below: what to write for each source; None for the images.
            rate: of the update.
        """
        raise NotImplementedError

    def stride(self, values: torch.Tensor, samples: int) -> int:
        """From one network's output for some samples to the next one's."""
        return values.stride(0)

    def winners(self) -> bool:
        """Say whether its output has winners."""
        return False

    def needs(self, samples: int) -> int:
        """The numbers that it needs in training, for a moment."""
        return 0

    def tally(
        self,
        grid: Grid,
        samples: int,
        activation: torch.Tensor,
        active: torch.Tensor,
        found: torch.Tensor,
        sums: torch.Tensor,
    ) -> None:
        """Add to the sums over samples that statistics are made of.

        Args:
            grid: where activations lie.
            samples: of the chunk.
            activation: of its filters, what the mask acts on.
            active: what the ReLU gave; it may be the same.
            found: room for what each filter does with each sample.
            sums: float64 [networks, 3, channels in memory]; see `kernels.tally`.
        """
        self.launch(
            kernels.activity, grid, samples, activation, activation.stride(0), active,
            active.stride(0), found, self.widths_table, samples, FILTERS=grid.channels,
        )  # fmt: skip
        columns = min(64, grid.channels)
        kernels.tally[grid.channels // columns, self.size](
            found, sums, self.widths_table, samples, POSITIONS=grid.positions,
            FILTERS=grid.channels, COLUMNS=columns,
        )  # fmt: skip

    def table(self, numbers: Sequence[int], dtype: torch.dtype = torch.int32) -> torch.Tensor:
        """A number for each network, on the device."""
        return torch.tensor(numbers, dtype=dtype, device=self.task.device)

    def tables(
        self,
        own: Sequence[torch.Tensor],
        depth: int,
        dtype: torch.dtype = torch.int32,
        beyond: int = 0,
    ) -> torch.Tensor:
        """A row of numbers for each network, on the device; `beyond` behind a network's own."""
        padded = torch.full((len(own), depth), beyond, dtype=dtype)
        for row, values in zip(padded, own, strict=True):
            row[: len(values)] = values
        return padded.to(self.task.device)

    def launch(self, kernel: Any, grid: Grid, rows: int, *arguments: Any, **more: Any) -> None:
        """Launch a kernel over rows, and the channels of a grid, that are all independent."""
        columns = min(64, grid.channels)
        kernel[triton.cdiv(rows, ROWS), grid.channels // columns, self.size](
            *arguments, HEIGHT=grid.height, WIDTH=grid.width, ROWS=ROWS, COLUMNS=columns, **more
        )


class _Layer(Operation):
    """An operation with a kernel and a bias.

    Attributes:
        inputs: the number of channels of each network's input.
        rows: the same as the rows of the kernel count them.
        kernel: [n, depth, channels in memory], and bias [n, channels in memory].
    """

    def __init__(
        self,
        task: BaseTask,
        steps: Sequence[Weighted],
        source: int,
        below: Grid,
        grid: Grid,
        inputs: Sequence[int],
        positions: int,
        group: int,
    ) -> None:
        """Lay out the layer of all networks.

        Args:
            task: the data.
            steps: the layer of each network.
            source: what it reads.
            below: where that lies.
            grid: where the output lies.
            inputs: channels of each network's input.
            positions: of the input that one output sees, each with all channels.
            group: how many channels of the input lie side by side.
        """
        super().__init__(task, [source], grid, [len(step.outputs) for step in steps])
        self.name, self.below, self.group, self.positions = steps[0].name, below, group, positions
        self.inputs = list(inputs)
        self.rows = [_up(count, group) for count in inputs]
        # one row more: a convolution's parts have the gradient of the bias there
        self.depth = _up(positions * max(1, *self.rows) + 1, DEEPEST)
        self.depths = self.table([positions * count for count in self.rows])
        self.kernel = task.zeros(self.size, self.depth, grid.channels)
        self.bias = task.zeros(self.size, grid.channels)

    def own_kernel(self, n: int, outputs: int) -> torch.Tensor:
        """A view of a network's kernel, [positions, channels, outputs]."""
        rows = self.kernel[n, : self.positions * self.rows[n], :outputs]
        return rows.view(self.positions, self.rows[n], outputs)[:, : self.inputs[n]]


class Convolution(_Layer):
    """A convolution with a ReLU, and the pooling that follows it."""

    rectified = True

    def __init__(
        self,
        task: BaseTask,
        steps: Sequence[Weighted],
        source: int,
        below: Grid,
        pool: bool,
        scratch: Scratch,
    ) -> None:
        """Lay out the layer of all networks.

        Args:
            task: the data.
            steps: the layer of each network.
            source: what it reads.
            below: where that lies.
            pool: a pooling follows and belongs to it.
            scratch: for the parts of the gradients.
        """
        self.pool, self.first, self.room = pool, source == IMAGES, scratch
        fold = 2 if pool else 1
        widths = [len(step.outputs) for step in steps]
        self.columns, wide = _columns(widths), _wide(widths)
        grid = Grid(below.height // fold, below.width // fold, wide)
        self.whole = Grid(below.height, below.width, wide)  # before the pooling
        inputs = [len(step.inputs) for step in steps]
        group = 1 if self.first else GROUP
        super().__init__(task, steps, source, below, grid, inputs, 9, group)
        conv = steps[0].layer
        assert isinstance(conv, Conv)
        self.mask = None if conv.batch_norm else steps[0].mask
        self.entries = 9 * max(1, *self.rows)
        self.rows_table = self.table(self.rows)
        self._cut()
        taps = torch.tensor([(i, j) for i in (-1, 0, 1) for j in (-1, 0, 1)])
        at = (taps * torch.tensor([below.across, below.channels])).sum(1, keepdim=True)
        own = [(at + torch.arange(count)).flatten() for count in self.rows]
        self.places = self.tables(own, self.depth)
        if not self.first:
            self._turn(taps, fold)

    def _cut(self) -> None:
        """Cut the sums of the gradients into parts of some samples each.

        There are enough of them to keep a GPU busy, also for a narrow network, and not more, as
        each takes the memory of a kernel. A network's own shapes alone decide.
        """
        tiles = self.tiles("of_kernel", self.columns)
        # not `tiles.columns`, which is the widest network's
        tall = [triton.cdiv(9 * rows + 1, tiles.rows) for rows in self.rows]
        wide = [triton.cdiv(max(1, width), 64) for width in self.widths]
        parts = [triton.cdiv(PARTS, down * right) for down, right in zip(tall, wide, strict=True)]
        least = max(1, POSITIONS // self.grid.positions)
        batch = self.task.batch_size
        self.each = [max(least, triton.cdiv(batch, count)) for count in parts]
        self.eachs = self.table(self.each)
        firsts, numbers = [], 0
        for n, (down, each) in enumerate(zip(tall, self.each, strict=True)):
            firsts.append(numbers)
            across = _up(self.widths[n], tiles.columns)
            numbers += triton.cdiv(batch, each) * down * tiles.rows * across
        self.firsts = self.table(firsts, torch.int64)
        self._numbers = numbers

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

    def winners(self) -> bool:
        """Say whether its output has winners."""
        return self.pool

    def needs(self, samples: int) -> int:
        """The numbers that the parts of its gradients take, for a whole batch."""
        return self._numbers

    def forward(self, batch: Batch, training: bool) -> None:
        """Write the output for some samples, and the winners in training."""
        read, samples, out = batch
        self._convolve(read[0], samples, out.values, out.winners, self.grid, self.pool)

    def rectify(self, x: Input, samples: int, active: torch.Tensor) -> None:
        """Write what the ReLU gives, before any pooling, for some samples."""
        self._convolve(x, samples, active, None, self.whole, False)

    def _convolve(
        self,
        x: Input,
        samples: int,
        z: torch.Tensor,
        winner: torch.Tensor | None,
        grid: Grid,
        pool: bool,
    ) -> None:
        rows = samples * grid.positions
        tiles = self.tiles("convolve", self.columns)
        across = grid.channels // tiles.columns
        kernels.convolve[triton.cdiv(rows, tiles.rows), across, self.size](
            *x, self.kernel, self.bias, z, z.stride(0), z if winner is None else winner,
            self.places, self.depths, self.depth, self.widths_table, rows,
            HEIGHT=grid.height, WIDTH=grid.width, X_HEIGHT=self.below.height,
            X_WIDTH=self.below.width, CHANNELS=self.below.channels, FILTERS=grid.channels,
            POOL=pool, KEEP=winner is not None, GROUP=self.group,
            PRECISION=precision_of(self.task), **tiles.arguments(),
        )  # fmt: skip

    def backward(self, batch: Batch, below: Sequence[Below | None], rate: float) -> None:
        """Write the gradient of the input, unless it is that of the images; update the weights."""
        read, samples, out = batch
        gradient = out.slope()
        winner = gradient if out.winners is None else out.winners
        self._of_kernel(read[0], samples, gradient, winner)
        if below[0] is not None:
            self._of_input(read[0], samples, gradient, winner, below[0])
        self._update(samples, rate)

    def _of_kernel(
        self, x: Input, samples: int, gradient: torch.Tensor, winner: torch.Tensor
    ) -> None:
        tiles = self.tiles("of_kernel", self.columns)
        across = self.grid.channels // tiles.columns
        parts = triton.cdiv(samples, min(self.each))
        kernels.of_kernel[triton.cdiv(self.entries + 1, tiles.rows) * across, parts, self.size](
            *x, gradient, winner, gradient.stride(0), self.room(), self.firsts, self.eachs,
            self.places, self.depths, self.depth, self.widths_table, samples,
            HEIGHT=self.grid.height, WIDTH=self.grid.width, X_HEIGHT=self.below.height,
            X_WIDTH=self.below.width, CHANNELS=self.below.channels, FILTERS=self.grid.channels,
            POOL=self.pool, GROUP=self.group,
            PRECISION=precision_of(self.task), **tiles.arguments(),
        )  # fmt: skip

    def _update(self, samples: int, rate: float) -> None:
        tiles = self.tiles("of_kernel", self.columns)
        kernels.update[triton.cdiv((self.entries + 1) * self.grid.channels, 512), self.size](
            self.kernel, self.kernel if self.first else self.turned, self.bias,
            self.room(), self.firsts, self.eachs, self.depths, self.depth, self.rows_table,
            0 if self.first else self.turned_depth, self.widths_table, samples, rate,
            CHANNELS=self.below.channels, FILTERS=self.grid.channels, TURN=not self.first,
            ROWS=tiles.rows, COLUMNS=tiles.columns, BLOCK=512,
        )  # fmt: skip

    def tiles(self, kernel: str, columns: int) -> Tiles:
        """How a kernel cuts its product in this layer."""
        return TILES[kernel, "images" if self.first else "filters", columns]

    def _of_input(
        self, x: Input, samples: int, gradient: torch.Tensor, winner: torch.Tensor, below: Below
    ) -> None:
        tiles = self.tiles("of_input", self.input_columns)
        fold = 2 if self.pool else 1
        height, width = self.below.height, self.below.width
        rows = samples * triton.cdiv(height, fold) * triton.cdiv(width, fold)
        kernels.of_input[
            triton.cdiv(rows, tiles.rows) * fold * fold,
            self.below.channels // tiles.columns,
            self.size,
        ](
            gradient, winner, gradient.stride(0), self.turned, x.values, below.gradient,
            below.gradient.stride(0), self.back, self.codes, self.turned_depths,
            self.turned_depth, self.inputs_table, rows,
            HEIGHT=height, WIDTH=width, CHANNELS=self.below.channels, FILTERS=self.grid.channels,
            POOL=self.pool, RELU=below.relu, ADD=below.adds, GROUP=GROUP,
            PRECISION=precision_of(self.task), **tiles.arguments(),
        )  # fmt: skip


class Normalisation(Operation):
    """A batch normalisation of what a convolution's ReLU gives.

    Batches are normalised by their biased variance, the moving average is that of the unbiased one.

    Attributes:
        gamma: [n, channels in memory]; so are beta, and the moving mean and variance.
    """

    def __init__(
        self,
        task: BaseTask,
        steps: Sequence[Weighted],
        source: int,
        below: Grid,
        scratch: Scratch,
    ) -> None:
        """Lay out the normalisation behind the convolution of these steps."""
        super().__init__(task, [source], below, [len(step.outputs) for step in steps])
        self.name, self.mask, self.room = steps[0].name, steps[0].mask, scratch
        self.gamma, self.beta, self.mean, self.variance, self.of_batch, self.scale = (
            task.zeros(self.size, below.channels) for _ in range(6)
        )
        self.terms = task.zeros(self.size, 3, below.channels)

    @property
    def _own(self) -> dict[str, torch.Tensor]:
        return {
            f"{self.name}.gamma": self.gamma,
            f"{self.name}.beta": self.beta,
            f"{self.name}.mean": self.mean,
            f"{self.name}.variance": self.variance,
        }

    def load(self, n: int, weights: Weights) -> None:
        """Take over the weights of a network."""
        for name, tensor in self._own.items():
            tensor[n, : self.widths[n]] = weights[name].to(self.task.device)

    def weights(self, n: int) -> dict[str, torch.Tensor]:
        """Return copies of the weights of a network."""
        return {
            name: tensor[n, : self.widths[n]].to("cpu", copy=True)
            for name, tensor in self._own.items()
        }

    def needs(self, samples: int) -> int:
        """The numbers that the parts of its sums take."""
        return self.size * self._blocks(samples) * 2 * self.grid.channels

    def _blocks(self, samples: int) -> int:
        blocks: int = triton.cdiv(samples * self.grid.positions, BLOCK)
        return blocks

    def forward(self, batch: Batch, training: bool) -> None:
        """Write the output: by the moments of these samples in training, else by the averages."""
        read, samples, out = batch
        x, grid = read[0].values, self.grid
        rows, blocks = samples * grid.positions, self._blocks(samples)
        if training:
            kernels.moments[blocks, grid.channels // SUMMED["COLUMNS"], self.size](
                x, x.stride(0), self.room(), self.widths_table, rows, blocks,
                HEIGHT=grid.height, WIDTH=grid.width, FILTERS=grid.channels, **SUMMED,
            )  # fmt: skip
            kernels.settle[grid.channels // SUMMED["COLUMNS"], self.size](
                self.room(), self.of_batch, self.scale, self.mean, self.variance,
                self.widths_table, rows, blocks, 1 - NORM_MOMENTUM, NORM_EPSILON,
                FILTERS=grid.channels, PARTS=PARTS_AT_ONCE, **SUMMED,
            )  # fmt: skip
            mean, scale = self.of_batch, self.scale
        else:
            mean, scale = self.mean, torch.rsqrt(self.variance + NORM_EPSILON)
        self.launch(
            kernels.normalise, grid, rows, x, x.stride(0), out.values, mean, scale, self.gamma,
            self.beta, self.widths_table, rows, FILTERS=grid.channels,
        )  # fmt: skip

    def backward(self, batch: Batch, below: Sequence[Below | None], rate: float) -> None:
        """Write the gradient of the input, and update gamma and beta."""
        read, samples, out = batch
        x, grid = read[0].values, self.grid
        rows, blocks = samples * grid.positions, self._blocks(samples)
        kernels.of_normal[blocks, grid.channels // SUMMED["COLUMNS"], self.size](
            out.slope(), x, x.stride(0), self.of_batch, self.room(), self.widths_table, rows,
            blocks, HEIGHT=grid.height, WIDTH=grid.width, FILTERS=grid.channels, **SUMMED,
        )  # fmt: skip
        kernels.update_normal[grid.channels // SUMMED["COLUMNS"], self.size](
            self.room(), self.scale, self.gamma, self.beta, self.terms, self.widths_table, rows,
            blocks, rate, FILTERS=grid.channels, COLUMNS=SUMMED["COLUMNS"], PARTS=PARTS_AT_ONCE,
        )  # fmt: skip
        into = only(below)
        self.launch(
            kernels.unnormalise, grid, rows, out.slope(), x, into.gradient, x.stride(0),
            self.of_batch, self.terms, self.widths_table, rows, FILTERS=grid.channels,
            RELU=into.relu,
        )  # fmt: skip


class Pooling(Operation):
    """The largest of 2x2 positions, of what no convolution has pooled itself."""

    def __init__(self, task: BaseTask, source: int, below: Grid, widths: Sequence[int]) -> None:
        """Lay out the pooling of a source."""
        self.below = below
        grid = Grid(below.height // 2, below.width // 2, below.channels)
        super().__init__(task, [source], grid, widths)

    def winners(self) -> bool:
        """Say whether its output has winners."""
        return True

    def forward(self, batch: Batch, training: bool) -> None:
        """Write the output for some samples, and the winners in training."""
        read, samples, out = batch
        x, z, rows = read[0].values, out.values, samples * self.grid.positions
        winner = z if out.winners is None else out.winners
        self.launch(
            kernels.pool, self.grid, rows, x, x.stride(0), z, z.stride(0), winner,
            self.widths_table, rows, X_HEIGHT=self.below.height, X_WIDTH=self.below.width,
            FILTERS=self.grid.channels, KEEP=out.winners is not None,
        )  # fmt: skip

    def backward(self, batch: Batch, below: Sequence[Below | None], rate: float) -> None:
        """Write the gradient of the input."""
        read, samples, out = batch
        x, into, rows = read[0].values, only(below), samples * self.below.positions
        gradient = out.slope()
        self.launch(
            kernels.unpool, self.grid, rows, gradient, out.winners, gradient.stride(0), x,
            into.gradient, x.stride(0), self.widths_table, rows, X_HEIGHT=self.below.height,
            X_WIDTH=self.below.width, FILTERS=self.grid.channels, RELU=into.relu,
        )  # fmt: skip


class Adding(Operation):
    """Two paths that are added; a channel that is pruned on one of them is that of the other."""

    def __init__(
        self,
        task: BaseTask,
        steps: Sequence[Sum],
        body: tuple[int, Grid],
        shortcut: tuple[int, Grid],
    ) -> None:
        """Lay out the sum.

        Args:
            task: the data.
            steps: the sum of each network.
            body: the operation that ends that path, and where its output lies.
            shortcut: likewise; for the identity what both paths have read.
        """
        widths = [step.width for step in steps]
        self.paths = [body[1], shortcut[1]]
        grid = Grid(body[1].height, body[1].width, _wide(widths))
        super().__init__(task, [body[0], shortcut[0]], grid, widths)
        at = [[step.body_at for step in steps], [step.shortcut_at for step in steps]]
        self.own = [self.table([len(own) for own in path]) for path in at]
        # which channel of the sum each one of a path is, and the other way round
        self.parts = [
            self.tables(path, below.channels, beyond=-1)
            for path, below in zip(at, self.paths, strict=True)
        ]
        self.wholes = []
        for path in at:
            whole = torch.full((self.size, grid.channels), -1, dtype=torch.int32)
            for row, own in zip(whole, path, strict=True):
                row[own] = torch.arange(len(own), dtype=torch.int32)
            self.wholes.append(whole.to(task.device))

    def forward(self, batch: Batch, training: bool) -> None:
        """Write the output for some samples."""
        read, samples, out = batch
        body, shortcut = (x.values for x in read)
        z, rows = out.values, samples * self.grid.positions
        self.launch(
            kernels.add, self.grid, rows, body, body.stride(0), shortcut, shortcut.stride(0), z,
            z.stride(0), *self.wholes, self.widths_table, rows, BODY=self.paths[0].channels,
            SHORTCUT=self.paths[1].channels, FILTERS=self.grid.channels,
        )  # fmt: skip

    def backward(self, batch: Batch, below: Sequence[Below | None], rate: float) -> None:
        """Write the gradients of both paths."""
        read, samples, out = batch
        gradient, rows = out.slope(), samples * self.grid.positions
        for x, into, grid, channels, own in zip(
            read, below, self.paths, self.parts, self.own, strict=True
        ):
            assert into is not None
            assert not into.adds
            self.launch(
                kernels.of_path, grid, rows, gradient, gradient.stride(0), x.values,
                into.gradient, x.values.stride(0), channels, own, rows,
                CHANNELS=grid.channels, FILTERS=self.grid.channels, RELU=into.relu,
            )  # fmt: skip


class Averaging(Operation):
    """The mean over all positions."""

    def __init__(self, task: BaseTask, source: int, below: Grid, widths: Sequence[int]) -> None:
        """Lay out the mean of a source."""
        self.below = below
        super().__init__(task, [source], Grid(1, 1, below.channels, border=0), widths)

    def forward(self, batch: Batch, training: bool) -> None:
        """Write the output for some samples."""
        read, samples, out = batch
        x, z = read[0].values, out.values
        self.launch(
            kernels.average, self.below, samples, x, x.stride(0), z, z.stride(0),
            self.widths_table, samples, FILTERS=self.grid.channels,
        )  # fmt: skip

    def backward(self, batch: Batch, below: Sequence[Below | None], rate: float) -> None:
        """Write the gradient of the input."""
        read, samples, out = batch
        x, into, rows = read[0].values, only(below), samples * self.below.positions
        gradient = out.slope()
        self.launch(
            kernels.spread, self.below, rows, gradient, gradient.stride(0), x, into.gradient,
            x.stride(0), self.widths_table, rows, FILTERS=self.grid.channels, RELU=into.relu,
        )  # fmt: skip


class Nodes(_Layer):
    """A fully connected layer, with or without a ReLU."""

    def __init__(
        self,
        task: BaseTask,
        steps: Sequence[Weighted],
        source: int,
        below: Grid,
        inputs: Sequence[int],
    ) -> None:
        """Lay out the layer of all networks.

        Args:
            task: the data.
            steps: the layer of each network.
            source: what it reads.
            below: where that lies.
            inputs: channels of each network's input.
        """
        layer = steps[0].layer
        assert isinstance(layer, Dense)
        self.rectified, self.nodes = layer.relu, layer.nodes
        self._scratch: dict[int, torch.Tensor] = {}
        grid = Grid(1, 1, max(16, triton.next_power_of_2(self.nodes)), border=0)
        super().__init__(task, steps, source, below, grid, inputs, below.positions, GROUP)
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

    def stride(self, values: torch.Tensor, samples: int) -> int:
        """From one network's output for some samples to the next one's: there is no gap."""
        return samples * values.shape[2]

    def forward(self, batch: Batch, training: bool) -> None:
        """Write the output for some samples."""
        read, samples, out = batch
        x, parts = read[0], self._parts(samples)
        tiles = TILES["connect", "filters", self.columns]
        across = self.grid.channels // tiles.columns
        kernels.connect[triton.cdiv(samples, tiles.rows), self.blocks * across, self.size](
            x.values, x.network, self.below.sample, self.kernel, parts, self.places, self.depths,
            self.depth, samples, self.blocks,
            NODES=self.grid.channels, SPAN=SPAN, GROUP=GROUP,
            PRECISION=precision_of(self.task), **tiles.arguments(),
        )  # fmt: skip
        rows = 32 if self.grid.channels <= 64 else 8
        kernels.gather[triton.cdiv(samples, rows), self.size](
            parts, self.bias, out.values, self.depths, samples, self.blocks,
            NODES=self.grid.channels, SPAN=SPAN, RELU=self.rectified, ROWS=rows,
        )  # fmt: skip

    def backward(self, batch: Batch, below: Sequence[Below | None], rate: float) -> None:
        """Write the gradient of the input, and update the weights."""
        read, samples, out = batch
        x, into = read[0], only(below)
        step = 32 if self.grid.channels <= 64 else 16
        kernels.disconnect[triton.cdiv(self.positions * max(1, *self.rows), step), self.size](
            x.values, x.network, self.below.sample, out.slope(), self.kernel, self.bias,
            into.gradient, self.places, self.depths, self.depth, samples, rate,
            NODES=self.grid.channels, RELU=into.relu, GROUP=GROUP, ROWS=32,
            COLUMNS=min(256, self.grid.channels), STEP=step,
            PRECISION=precision_of(self.task), num_warps=4,
        )  # fmt: skip

    def _parts(self, samples: int) -> torch.Tensor:
        """Room for the parts of the product, made once for each number of samples."""
        if samples not in self._scratch:
            shape = (self.size, self.blocks, samples, self.grid.channels)
            self._scratch[samples] = self.task.zeros(*shape)
        return self._scratch[samples]


#: How the kernels multiply, for each precision of the settings.
PRECISIONS = {"float32": "ieee", "tf32": "tf32", "bfloat16": "bfloat16"}


def precision_of(task: BaseTask) -> str:
    """Return how the kernels multiply."""
    return PRECISIONS[task.settings.precision]


def only(below: Sequence[Below | None]) -> Below:
    """Return where the gradient of the one source goes, which nobody else reads."""
    (into,) = below
    assert into is not None
    assert not into.adds
    return into
