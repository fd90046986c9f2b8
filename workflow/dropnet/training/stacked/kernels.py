"""Kernels for a stack of convolutional networks of unequal widths: all of them in one launch.

A layer is a product, Sum_k A[row, k] B[k, column]. Rows are positions of images; k runs over the
taps of a 3x3 kernel and the channels of one network, as many as it has. Where the k-th value lies
in memory, seen from a position, is the same for all positions: `places` is the table of it. So that
taps need no test at the border of an image, images and activations are stored with a border of
zeros (`BORDER`).

Every sum is taken in the same order whatever else is in the stack: over k, and over parts of the
samples, in steps that do not depend on the stack, without atomics. Sums within a tile are taken
only over tiles that have the same shape in every stack, as their order follows from it. Zeros at
the end of a sum change nothing, and so a network's digits do not depend on its company.

Arguments: `x` is what a layer reads, `z` what it gives after ReLU and pooling, `g` the gradient of
that; `winner` says which of the 2x2 positions a pooling took; `x_stride`, `z_stride`, `g_stride`
lead from one network's to the next one's; `depths` and `widths` are each network's numbers of k and
of columns, `depth` and FILTERS, CHANNELS, NODES what memory has of them. Shapes are in `memory`.
Capital arguments are constants of a compiled kernel: ROWS, COLUMNS and STEP of k are those of a
tile, GROUP is how many places follow each other.
"""

import triton
import triton.language as tl

#: Rows and columns of zeros: one before an image, two after it.
BORDER = tl.constexpr(3)
#: Channels that lie side by side in memory, so that they can be read at once.
CHANNEL_GROUP = tl.constexpr(4)
#: Of a maximum: what is not a number wins, as it must spoil the loss.
_NAN_WINS = tl.constexpr(tl.PropagateNan.ALL)


@triton.jit
def _product(a, b, sum_, PRECISION: tl.constexpr):
    """Add a matrix product to a sum, in one of the precisions."""
    if PRECISION == "bfloat16":
        sum_ = tl.dot(a.to(tl.bfloat16), b.to(tl.bfloat16), sum_)
    else:  # a return above would not keep the compiler from what follows
        sum_ = tl.dot(a, b, sum_, input_precision=PRECISION)
    return sum_


@triton.jit
def _places(table, at, GROUP: tl.constexpr):
    """Read places; those of GROUP follow each other, which lets their values be read at once."""
    found = tl.load(table + at)
    if GROUP > 1:
        found = tl.max_contiguous(tl.multiple_of(found, GROUP), GROUP)
    return found


@triton.jit
def _inside(row, HEIGHT: tl.constexpr, WIDTH: tl.constexpr, CHANNELS: tl.constexpr):
    """Where positions of images lie, within what one network has; `row` counts them."""
    sample, place = row // (HEIGHT * WIDTH), row % (HEIGHT * WIDTH)
    down, right = place // WIDTH, place % WIDTH
    return ((sample * (HEIGHT + BORDER) + down + 1) * (WIDTH + BORDER) + right + 1) * CHANNELS


_ANY = ["rows", "samples", "blocks"]  # one compiled kernel for all values of these


@triton.jit(do_not_specialize=_ANY[:1])
def convolve(
    x, x_stride, x_batch, batch, kernel, bias, z, z_stride, winner, places, depths, depth, widths,
    rows,
    HEIGHT: tl.constexpr, WIDTH: tl.constexpr, X_HEIGHT: tl.constexpr, X_WIDTH: tl.constexpr,
    CHANNELS: tl.constexpr, FILTERS: tl.constexpr, POOL: tl.constexpr, KEEP: tl.constexpr,
    GROUP: tl.constexpr,
    ROWS: tl.constexpr, COLUMNS: tl.constexpr, STEP: tl.constexpr, PRECISION: tl.constexpr,
):  # fmt: skip
    """Convolution, ReLU and, where POOL, the largest of 2x2 positions; the winners, if to KEEP.

    `batch` is the number of the batch, on the device, and `x_batch` leads from one batch's x to the
    next one's. There are `rows` positions of output, each sample having HEIGHT * WIDTH of them.
    """
    network = tl.program_id(2)
    columns = tl.program_id(1) * COLUMNS + tl.arange(0, COLUMNS)
    if tl.program_id(1) * COLUMNS < tl.load(widths + network):
        FOLD: tl.constexpr = 2 if POOL else 1
        ACROSS: tl.constexpr = (X_WIDTH + BORDER) * CHANNELS  # from one row of x to the next
        row = tl.program_id(0) * ROWS + tl.arange(0, ROWS)
        valid = (row < rows)[:, None]
        sample, place = row // (HEIGHT * WIDTH), row % (HEIGHT * WIDTH)
        down, right = place // WIDTH, place % WIDTH
        x += network.to(tl.int64) * x_stride + tl.load(batch).to(tl.int64) * x_batch
        at = (sample * (X_HEIGHT + BORDER) + down * FOLD + 1) * ACROSS
        at += (right * FOLD + 1) * CHANNELS
        at = at[:, None]
        own = kernel + network.to(tl.int64) * depth * FILTERS + columns[None, :]
        places += network * depth
        zero = tl.zeros((ROWS, COLUMNS), tl.float32)
        s0, s1, s2, s3 = zero, zero, zero, zero
        for k in range(0, tl.load(depths + network), STEP):
            steps = k + tl.arange(0, STEP)
            from_ = x + (at + _places(places, steps, GROUP)[None, :])
            weights = tl.load(own + steps[:, None] * FILTERS)
            read = tl.load(from_, valid, 0.0)
            if POOL:  # all are under way before the first is used
                read1 = tl.load(from_ + CHANNELS, valid, 0.0)
                read2 = tl.load(from_ + ACROSS, valid, 0.0)
                read3 = tl.load(from_ + (ACROSS + CHANNELS), valid, 0.0)
                s1 = _product(read1, weights, s1, PRECISION)
                s2 = _product(read2, weights, s2, PRECISION)
                s3 = _product(read3, weights, s3, PRECISION)
            s0 = _product(read, weights, s0, PRECISION)
        shift = tl.load(bias + network * FILTERS + columns)[None, :]
        best = s0
        to = ((sample * (HEIGHT + BORDER) + down + 1) * (WIDTH + BORDER) + right + 1) * FILTERS
        to = network.to(tl.int64) * z_stride + (to[:, None] + columns[None, :])
        if POOL:  # the first of the largest wins, as in torch
            which = tl.zeros((ROWS, COLUMNS), tl.int32)
            which = tl.where(s1 > best, 1, which)
            best = tl.maximum(best, s1, _NAN_WINS)
            which = tl.where(s2 > best, 2, which)
            best = tl.maximum(best, s2, _NAN_WINS)
            which = tl.where(s3 > best, 3, which)
            best = tl.maximum(best, s3, _NAN_WINS)
            if KEEP:
                tl.store(winner + to, which.to(tl.int8), valid)
        tl.store(z + to, tl.maximum(best + shift, 0.0, _NAN_WINS), valid)


@triton.jit(do_not_specialize=_ANY[:1])
def of_input(
    g, winner, g_stride, kernel, x, of_x, x_stride, places, codes, depths, depth, widths, rows,
    HEIGHT: tl.constexpr, WIDTH: tl.constexpr, CHANNELS: tl.constexpr, FILTERS: tl.constexpr,
    POOL: tl.constexpr, RELU: tl.constexpr, ADD: tl.constexpr, GROUP: tl.constexpr,
    ROWS: tl.constexpr, COLUMNS: tl.constexpr, STEP: tl.constexpr, PRECISION: tl.constexpr,
):  # fmt: skip
    """The gradient of a convolution's input; where to ADD, on top of what another reader gave.

    The kernel is turned: [networks, taps and filters, CHANNELS]. If the input is the output of a
    RELU, its gradient is 0 where it is. With a pooling, positions are of four kinds, even or odd by
    row and column, and `places` has a table for each; so has `codes`, which winner a place counts
    for. `rows` are the positions of one kind, and HEIGHT and WIDTH those of the input.
    """
    network = tl.program_id(2)
    columns = tl.program_id(1) * COLUMNS + tl.arange(0, COLUMNS)
    if tl.program_id(1) * COLUMNS < tl.load(widths + network):
        FOLD: tl.constexpr = 2 if POOL else 1
        DOWN: tl.constexpr = (HEIGHT + FOLD - 1) // FOLD
        RIGHT: tl.constexpr = (WIDTH + FOLD - 1) // FOLD
        kind = tl.program_id(0) % (FOLD * FOLD)
        row = tl.program_id(0) // (FOLD * FOLD) * ROWS + tl.arange(0, ROWS)
        sample, place = row // (DOWN * RIGHT), row % (DOWN * RIGHT)
        down, right = place // RIGHT, place % RIGHT
        i, j = down * FOLD + kind // FOLD, right * FOLD + kind % FOLD
        valid = ((row < rows) & (i < HEIGHT) & (j < WIDTH))[:, None]
        at = (
            (sample * (HEIGHT // FOLD + BORDER) + down + 1) * (WIDTH // FOLD + BORDER) + right + 1
        ) * FILTERS
        at = network.to(tl.int64) * g_stride + at[:, None]
        own = kernel + network.to(tl.int64) * depth * CHANNELS + columns[None, :]
        places += (network * (FOLD * FOLD) + kind) * depth
        codes += (network * (FOLD * FOLD) + kind) * depth
        sum_ = tl.zeros((ROWS, COLUMNS), tl.float32)
        for k in range(0, tl.load(depths + network), STEP):
            steps = k + tl.arange(0, STEP)
            from_ = at + _places(places, steps, GROUP)[None, :]
            gradient = tl.load(g + from_, valid, 0.0)
            if POOL:
                won = tl.load(winner + from_, valid, 0)
                gradient = tl.where(won == tl.load(codes + steps)[None, :], gradient, 0.0)
            sum_ = _product(gradient, tl.load(own + steps[:, None] * CHANNELS), sum_, PRECISION)
        to = ((sample * (HEIGHT + BORDER) + i + 1) * (WIDTH + BORDER) + j + 1) * CHANNELS
        to = network.to(tl.int64) * x_stride + (to[:, None] + columns[None, :])
        if RELU:
            sum_ = tl.where(tl.load(x + to, valid, 0.0) > 0, sum_, 0.0)
        if ADD:
            sum_ += tl.load(of_x + to, valid, 0.0)
        tl.store(of_x + to, sum_, valid)


@triton.jit(do_not_specialize=_ANY[1:2])
def of_kernel(
    x, x_stride, x_batch, batch, g, winner, g_stride, parts, firsts, eachs, places, depths, depth,
    widths, samples,
    HEIGHT: tl.constexpr, WIDTH: tl.constexpr, X_HEIGHT: tl.constexpr, X_WIDTH: tl.constexpr,
    CHANNELS: tl.constexpr, FILTERS: tl.constexpr, POOL: tl.constexpr, GROUP: tl.constexpr,
    ROWS: tl.constexpr, COLUMNS: tl.constexpr, STEP: tl.constexpr, PRECISION: tl.constexpr,
):  # fmt: skip
    """The gradients of kernel and bias, in parts of some samples: `eachs` has how many, a network.

    A network's parts begin at its entry in `firsts` and have its own size, in whole tiles. The row
    behind its last one is the gradient of the bias: there the input counts as 1. HEIGHT and WIDTH
    are those of the output after the pooling, X_HEIGHT and X_WIDTH of the input.
    """
    network, block = tl.program_id(2), tl.program_id(1)
    ACROSS_KERNEL: tl.constexpr = (FILTERS + COLUMNS - 1) // COLUMNS
    first_row = tl.program_id(0) // ACROSS_KERNEL * ROWS
    first_column = tl.program_id(0) % ACROSS_KERNEL * COLUMNS
    own_depth, width = tl.load(depths + network), tl.load(widths + network)
    each = tl.load(eachs + network)
    if (first_column < width) & (first_row <= own_depth) & (block * each < samples):
        FOLD: tl.constexpr = 2 if POOL else 1
        ACROSS: tl.constexpr = (X_WIDTH + BORDER) * CHANNELS
        row, columns = first_row + tl.arange(0, ROWS), first_column + tl.arange(0, COLUMNS)
        taps = _places(places + network * depth, row, GROUP)[:, None]
        of_bias = (row == own_depth)[:, None]
        x += network.to(tl.int64) * x_stride + tl.load(batch).to(tl.int64) * x_batch
        sum_ = tl.zeros((ROWS, COLUMNS), tl.float32)
        end = tl.minimum((block + 1) * each, samples) * HEIGHT * WIDTH
        for first in range(block * each * HEIGHT * WIDTH, end, STEP):
            position = first + tl.arange(0, STEP)
            valid = position < end
            sample, place = position // (HEIGHT * WIDTH), position % (HEIGHT * WIDTH)
            down, right = place // WIDTH, place % WIDTH
            at = (sample * (X_HEIGHT + BORDER) + down * FOLD + 1) * ACROSS
            at += (right * FOLD + 1) * CHANNELS
            from_ = x + (at[None, :] + taps)
            of = ((sample * (HEIGHT + BORDER) + down + 1) * (WIDTH + BORDER) + right + 1) * FILTERS
            of = network.to(tl.int64) * g_stride + (of[:, None] + columns[None, :])
            gradient = tl.load(g + of, valid[:, None], 0.0)
            if POOL:
                won = tl.load(winner + of, valid[:, None], 0)
                for corner in tl.static_range(4):
                    read = from_ + (corner // 2 * ACROSS + corner % 2 * CHANNELS)
                    read = tl.where(of_bias, 1.0, tl.load(read, valid[None, :], 0.0))
                    own = tl.where(won == corner, gradient, 0.0)
                    sum_ = _product(read, own, sum_, PRECISION)
            else:
                read = tl.where(of_bias, 1.0, tl.load(from_, valid[None, :], 0.0))
                sum_ = _product(read, gradient, sum_, PRECISION)
        across = (width + COLUMNS - 1) // COLUMNS * COLUMNS
        down_ = (own_depth + ROWS) // ROWS * ROWS
        to = parts + tl.load(firsts + network) + block.to(tl.int64) * (down_ * across)
        tl.store(to + (row[:, None] * across + columns[None, :]), sum_)


@triton.jit(do_not_specialize=_ANY[1:2])
def update(
    kernel, turned, bias, parts, firsts, eachs, depths, depth, inputs, turned_depth, widths,
    samples, rate, CHANNELS: tl.constexpr, FILTERS: tl.constexpr, TURN: tl.constexpr,
    ROWS: tl.constexpr, COLUMNS: tl.constexpr, BLOCK: tl.constexpr,
):  # fmt: skip
    """Subtract rate times the sum of all parts; where TURN, keep the turned kernel like the kernel.

    `inputs` are the channels of each network as its rows count them; ROWS and COLUMNS are those of
    the tiles that the parts were made of.
    """
    network = tl.program_id(1)
    entry = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    row, column = entry // FILTERS, entry % FILTERS
    own_depth, width = tl.load(depths + network), tl.load(widths + network)
    if tl.program_id(0) * BLOCK < (own_depth + 1) * FILTERS:
        used = (row < own_depth) & (column < width)
        of_bias = (row == own_depth) & (column < width)
        across = (width + COLUMNS - 1) // COLUMNS * COLUMNS
        size = (own_depth + ROWS) // ROWS * ROWS * across
        sum_ = tl.zeros((BLOCK,), tl.float32)
        part = parts + tl.load(firsts + network)
        each = tl.load(eachs + network)
        for _ in range(0, (samples + each - 1) // each):
            sum_ += tl.load(part + (row * across + column), used | of_bias, 0.0)
            part += size
        at = network.to(tl.int64) * (depth * FILTERS) + entry
        new = tl.load(kernel + at, used, 0.0) - rate * sum_
        tl.store(kernel + at, new, used)
        if TURN:
            channels = tl.maximum(tl.load(inputs + network), 1)
            tap, channel = row // channels, row % channels
            filters = (width + CHANNEL_GROUP - 1) // CHANNEL_GROUP * CHANNEL_GROUP
            to = ((8 - tap) * filters + column) * CHANNELS + channel
            tl.store(turned + network.to(tl.int64) * (turned_depth * CHANNELS) + to, new, used)
        at_bias = bias + network * FILTERS + column
        tl.store(at_bias, tl.load(at_bias, of_bias, 0.0) - rate * sum_, of_bias)


@triton.jit(do_not_specialize=_ANY[1:])
def connect(
    x, x_stride, x_sample, kernel, parts, places, depths, depth, samples, blocks,
    NODES: tl.constexpr, SPAN: tl.constexpr, GROUP: tl.constexpr,
    ROWS: tl.constexpr, COLUMNS: tl.constexpr, STEP: tl.constexpr, PRECISION: tl.constexpr,
):  # fmt: skip
    """A layer of nodes, its product in parts of SPAN inputs: [networks, blocks, samples, NODES]."""
    network = tl.program_id(2)
    block, tile = tl.program_id(1) % blocks, tl.program_id(1) // blocks
    row = tl.program_id(0) * ROWS + tl.arange(0, ROWS)
    columns = tile * COLUMNS + tl.arange(0, COLUMNS)
    own_depth = tl.load(depths + network)
    if (block * SPAN < own_depth) | (block == 0):
        valid = (row < samples)[:, None]
        at = network.to(tl.int64) * x_stride + (row * x_sample)[:, None]
        own = kernel + network.to(tl.int64) * depth * NODES + columns[None, :]
        places += network * depth
        sum_ = tl.zeros((ROWS, COLUMNS), tl.float32)
        for k in range(block * SPAN, tl.minimum((block + 1) * SPAN, own_depth), STEP):
            steps = k + tl.arange(0, STEP)
            read = tl.load(x + (at + _places(places, steps, GROUP)[None, :]), valid, 0.0)
            sum_ = _product(read, tl.load(own + steps[:, None] * NODES), sum_, PRECISION)
        to = ((network.to(tl.int64) * blocks + block) * samples + row) * NODES
        tl.store(parts + (to[:, None] + columns[None, :]), sum_, valid)


@triton.jit(do_not_specialize=_ANY[1:])
def gather(
    parts, bias, z, depths, samples, blocks,
    NODES: tl.constexpr, SPAN: tl.constexpr, RELU: tl.constexpr, ROWS: tl.constexpr,
):  # fmt: skip
    """Add up the parts of a fully connected layer and its bias: [networks, samples, NODES]."""
    network = tl.program_id(1)
    row, columns = tl.program_id(0) * ROWS + tl.arange(0, ROWS), tl.arange(0, NODES)
    valid = (row < samples)[:, None]
    sum_ = tl.zeros((ROWS, NODES), tl.float32) + tl.load(bias + network * NODES + columns)[None, :]
    used = tl.maximum((tl.load(depths + network) + SPAN - 1) // SPAN, 1)
    for block in range(0, used):
        at = ((network.to(tl.int64) * blocks + block) * samples + row) * NODES
        sum_ += tl.load(parts + (at[:, None] + columns[None, :]), valid, 0.0)
    if RELU:
        sum_ = tl.maximum(sum_, 0.0, _NAN_WINS)
    to = (network.to(tl.int64) * samples + row) * NODES
    tl.store(z + (to[:, None] + columns[None, :]), sum_, valid)


@triton.jit
def _judged(logits, labels, row, network, samples, NODES: tl.constexpr, CLASSES: tl.constexpr):
    """Of some rows of logits: softmax minus the one-hot label, the loss, and whether it is a hit.

    The prediction is the first class with the largest logit; logits that are not all numbers
    predict nothing.
    """
    columns = tl.arange(0, NODES)[None, :]
    present, used = row < samples, columns < CLASSES
    label = tl.load(labels + row, present, 0)
    at = (network * samples + row)[:, None] * NODES + columns
    values = tl.load(logits + at, present[:, None] & used, float("-inf"))
    values = tl.where(present[:, None], values, 0.0)
    largest = tl.max(values, 1)
    shares = tl.exp(values - largest[:, None])
    total = tl.sum(shares, 1)
    is_label = columns == label[:, None]
    error = tl.where(used, shares / total[:, None] - is_label.to(tl.float32), 0.0)
    # a value that is not finite must spoil the loss: a maximum may pass over it
    spoilt = tl.sum(tl.where(used, values, 0.0), 1) * 0.0
    of_label = tl.sum(tl.where(is_label, values, 0.0), 1)
    loss = tl.where(present, tl.log(total) + largest - of_label + spoilt, 0.0)
    predicted = tl.min(tl.where(values == largest[:, None], columns, NODES), 1)
    hit = present & (predicted == label) & (spoilt == 0.0)
    return error, loss.to(tl.float64), hit.to(tl.float64)


@triton.jit(do_not_specialize=_ANY[1:2])
def judge(
    logits, labels, batch, error, losses, hits, samples, batch_size,
    NODES: tl.constexpr, CLASSES: tl.constexpr, ROWS: tl.constexpr,
):  # fmt: skip
    """The gradient of a batch's logits; add to the epoch's sums of losses and hits (float64)."""
    network, row = tl.program_id(0), tl.arange(0, ROWS)
    labels += tl.load(batch) * batch_size
    own, loss, hit = _judged(logits, labels, row, network, samples, NODES, CLASSES)
    at = (network * samples + row)[:, None] * NODES + tl.arange(0, NODES)[None, :]
    tl.store(error + at, own, (row < samples)[:, None])
    tl.store(losses + network, tl.load(losses + network) + tl.sum(loss, 0))
    tl.store(hits + network, tl.load(hits + network) + tl.sum(hit, 0))


@triton.jit(do_not_specialize=_ANY[1:2])
def assess(
    logits, labels, losses, hits, samples,
    NODES: tl.constexpr, CLASSES: tl.constexpr, ROWS: tl.constexpr,
):  # fmt: skip
    """Add to the sums of losses and hits of an evaluation (float64), ROWS samples at a time."""
    network = tl.program_id(0)
    of_losses = tl.zeros((ROWS,), tl.float64)
    of_hits = tl.zeros((ROWS,), tl.float64)
    for first in range(0, samples, ROWS):
        row = first + tl.arange(0, ROWS)
        _, loss, hit = _judged(logits, labels, row, network, samples, NODES, CLASSES)
        of_losses += loss
        of_hits += hit
    tl.store(losses + network, tl.load(losses + network) + tl.sum(of_losses, 0))
    tl.store(hits + network, tl.load(hits + network) + tl.sum(of_hits, 0))


@triton.jit(do_not_specialize=_ANY[1:2])
def disconnect(
    x, x_stride, x_sample, error, kernel, bias, of_x, places, depths, depth, samples, rate,
    NODES: tl.constexpr, RELU: tl.constexpr, GROUP: tl.constexpr, ROWS: tl.constexpr,
    COLUMNS: tl.constexpr, STEP: tl.constexpr, PRECISION: tl.constexpr,
):  # fmt: skip
    """The backward pass of a fully connected layer: the gradient of its input, and the update.

    If the input is the output of a RELU, its gradient is 0 where it is. They lie alike in memory.
    """
    network = tl.program_id(1)
    steps = tl.program_id(0) * STEP + tl.arange(0, STEP)
    own_depth = tl.load(depths + network)
    if (tl.program_id(0) * STEP < own_depth) | (tl.program_id(0) == 0):
        place = _places(places + network * depth, steps, GROUP)[None, :]
        used = steps < own_depth
        rows = kernel + (network.to(tl.int64) * depth * NODES + steps[:, None] * NODES)
        error += network.to(tl.int64) * samples * NODES
        x += network.to(tl.int64) * x_stride
        of_x += network.to(tl.int64) * x_stride
        for first in range(0, samples, ROWS):  # all of it before any weight changes
            row = first + tl.arange(0, ROWS)
            valid = (row < samples)[:, None]
            of_read = tl.zeros((ROWS, STEP), tl.float32)
            for column in range(0, NODES, COLUMNS):
                columns = (column + tl.arange(0, COLUMNS))[None, :]
                own = tl.load(error + (row[:, None] * NODES + columns), valid, 0.0)
                weights = tl.load(rows + columns)
                of_read = _product(own, tl.trans(weights), of_read, PRECISION)
            where = (row * x_sample)[:, None] + place
            if RELU:
                read = tl.load(x + where, valid & used[None, :], 0.0)
                of_read = tl.where(read > 0, of_read, 0.0)
            tl.store(of_x + where, of_read, valid & used[None, :])
        tl.debug_barrier()
        for column in range(0, NODES, COLUMNS):
            columns = column + tl.arange(0, COLUMNS)
            sum_ = tl.zeros((STEP, COLUMNS), tl.float32)
            of_bias = tl.zeros((COLUMNS,), tl.float32)
            for first in range(0, samples, ROWS):
                row = first + tl.arange(0, ROWS)
                valid = (row < samples)[:, None]
                own = tl.load(error + (row[:, None] * NODES + columns[None, :]), valid, 0.0)
                where = (row * x_sample)[:, None] + place
                read = tl.load(x + where, valid & used[None, :], 0.0)
                sum_ = _product(tl.trans(read), own, sum_, PRECISION)
                of_bias += tl.sum(own, 0)
            at = rows + columns[None, :]
            tl.store(at, tl.load(at) - rate * sum_, used[:, None])
            if tl.program_id(0) == 0:
                at_bias = bias + network * NODES + columns
                tl.store(at_bias, tl.load(at_bias) - rate * of_bias)


@triton.jit(do_not_specialize=_ANY[:1])
def add(
    body, body_stride, shortcut, shortcut_stride, z, z_stride, of_body, of_shortcut, widths, rows,
    HEIGHT: tl.constexpr, WIDTH: tl.constexpr, BODY: tl.constexpr, SHORTCUT: tl.constexpr,
    FILTERS: tl.constexpr, ROWS: tl.constexpr, COLUMNS: tl.constexpr,
):  # fmt: skip
    """The sum of two paths.

    `of_body` and `of_shortcut` say which channel of a path each channel of the sum is, [networks,
    FILTERS]; -1: none.
    """
    network = tl.program_id(2)
    columns = tl.program_id(1) * COLUMNS + tl.arange(0, COLUMNS)
    if tl.program_id(1) * COLUMNS < tl.load(widths + network):
        row = tl.program_id(0) * ROWS + tl.arange(0, ROWS)
        valid = (row < rows)[:, None]
        channel = tl.load(of_body + network * FILTERS + columns)[None, :]
        at = network.to(tl.int64) * body_stride + (
            _inside(row, HEIGHT, WIDTH, BODY)[:, None] + channel
        )
        sum_ = tl.load(body + at, valid & (channel >= 0), 0.0)
        channel = tl.load(of_shortcut + network * FILTERS + columns)[None, :]
        at = network.to(tl.int64) * shortcut_stride + (
            _inside(row, HEIGHT, WIDTH, SHORTCUT)[:, None] + channel
        )
        sum_ += tl.load(shortcut + at, valid & (channel >= 0), 0.0)
        at = _inside(row, HEIGHT, WIDTH, FILTERS)[:, None] + columns[None, :]
        tl.store(z + (network.to(tl.int64) * z_stride + at), sum_, valid)


@triton.jit(do_not_specialize=_ANY[:1])
def of_path(
    g, g_stride, x, of_x, x_stride, channels, widths, rows,
    HEIGHT: tl.constexpr, WIDTH: tl.constexpr, CHANNELS: tl.constexpr, FILTERS: tl.constexpr,
    RELU: tl.constexpr, ROWS: tl.constexpr, COLUMNS: tl.constexpr,
):  # fmt: skip
    """The gradient of one path of a sum; `channels` of the sum are its own, [networks, CHANNELS].

    If the path is the output of a RELU, its gradient is 0 where it is.
    """
    network = tl.program_id(2)
    columns = tl.program_id(1) * COLUMNS + tl.arange(0, COLUMNS)
    if tl.program_id(1) * COLUMNS < tl.load(widths + network):
        row = tl.program_id(0) * ROWS + tl.arange(0, ROWS)
        valid = (row < rows)[:, None]
        channel = tl.load(channels + network * CHANNELS + columns)[None, :]
        at = _inside(row, HEIGHT, WIDTH, FILTERS)[:, None] + channel
        at = network.to(tl.int64) * g_stride + at
        gradient = tl.load(g + at, valid & (channel >= 0), 0.0)
        to = _inside(row, HEIGHT, WIDTH, CHANNELS)[:, None] + columns[None, :]
        to = network.to(tl.int64) * x_stride + to
        if RELU:
            gradient = tl.where(tl.load(x + to, valid, 0.0) > 0, gradient, 0.0)
        tl.store(of_x + to, gradient, valid)


@triton.jit(do_not_specialize=_ANY[:1])
def pool(
    x, x_stride, z, z_stride, winner, widths, rows,
    HEIGHT: tl.constexpr, WIDTH: tl.constexpr, X_HEIGHT: tl.constexpr, X_WIDTH: tl.constexpr,
    FILTERS: tl.constexpr, KEEP: tl.constexpr, ROWS: tl.constexpr, COLUMNS: tl.constexpr,
):  # fmt: skip
    """The largest of 2x2 positions; the winners, if to KEEP. Sizes as in `of_kernel`."""
    network = tl.program_id(2)
    columns = (tl.program_id(1) * COLUMNS + tl.arange(0, COLUMNS))[None, :]
    if tl.program_id(1) * COLUMNS < tl.load(widths + network):
        ACROSS: tl.constexpr = (X_WIDTH + BORDER) * FILTERS
        row = tl.program_id(0) * ROWS + tl.arange(0, ROWS)
        valid = (row < rows)[:, None]
        sample, place = row // (HEIGHT * WIDTH), row % (HEIGHT * WIDTH)
        at = (sample * (X_HEIGHT + BORDER) + place // WIDTH * 2 + 1) * ACROSS
        at += (place % WIDTH * 2 + 1) * FILTERS
        at = x + (network.to(tl.int64) * x_stride + (at[:, None] + columns))
        best = tl.load(at, valid, 0.0)
        which = tl.zeros((ROWS, COLUMNS), tl.int32)
        for corner in tl.static_range(1, 4):  # the first of the largest wins, as in torch
            other = tl.load(at + (corner // 2 * ACROSS + corner % 2 * FILTERS), valid, 0.0)
            # what is not a number wins as well: it must spoil the loss
            better = (other > best) | (other != other)
            which = tl.where(better, corner, which)
            best = tl.where(better, other, best)
        to = _inside(row, HEIGHT, WIDTH, FILTERS)[:, None] + columns
        to = network.to(tl.int64) * z_stride + to
        tl.store(z + to, best, valid)
        if KEEP:
            tl.store(winner + to, which.to(tl.int8), valid)


@triton.jit(do_not_specialize=_ANY[:1])
def unpool(
    g, winner, g_stride, x, of_x, x_stride, widths, rows,
    HEIGHT: tl.constexpr, WIDTH: tl.constexpr, X_HEIGHT: tl.constexpr, X_WIDTH: tl.constexpr,
    FILTERS: tl.constexpr, RELU: tl.constexpr, ROWS: tl.constexpr, COLUMNS: tl.constexpr,
):  # fmt: skip
    """The gradient of what `pool` read; `rows` are the positions of that."""
    network = tl.program_id(2)
    columns = (tl.program_id(1) * COLUMNS + tl.arange(0, COLUMNS))[None, :]
    if tl.program_id(1) * COLUMNS < tl.load(widths + network):
        row = tl.program_id(0) * ROWS + tl.arange(0, ROWS)
        sample, place = row // (X_HEIGHT * X_WIDTH), row % (X_HEIGHT * X_WIDTH)
        i, j = place // X_WIDTH, place % X_WIDTH
        pooled = ((row < rows) & (i // 2 < HEIGHT) & (j // 2 < WIDTH))[:, None]
        at = (sample * (HEIGHT + BORDER) + i // 2 + 1) * (WIDTH + BORDER) + j // 2 + 1
        at = network.to(tl.int64) * g_stride + (at[:, None] * FILTERS + columns)
        won = tl.load(winner + at, pooled, -1) == (i % 2 * 2 + j % 2)[:, None]
        gradient = tl.where(won, tl.load(g + at, pooled, 0.0), 0.0)
        to = _inside(row, X_HEIGHT, X_WIDTH, FILTERS)[:, None] + columns
        to = network.to(tl.int64) * x_stride + to
        valid = (row < rows)[:, None]
        if RELU:
            gradient = tl.where(tl.load(x + to, valid, 0.0) > 0, gradient, 0.0)
        tl.store(of_x + to, gradient, valid)


@triton.jit(do_not_specialize=_ANY[1:2])
def average(
    x, x_stride, z, z_stride, widths, samples,
    HEIGHT: tl.constexpr, WIDTH: tl.constexpr, FILTERS: tl.constexpr,
    ROWS: tl.constexpr, COLUMNS: tl.constexpr,
):  # fmt: skip
    """The mean over all positions of each sample: [networks, samples, FILTERS]."""
    network = tl.program_id(2)
    columns = (tl.program_id(1) * COLUMNS + tl.arange(0, COLUMNS))[None, :]
    if tl.program_id(1) * COLUMNS < tl.load(widths + network):
        sample = tl.program_id(0) * ROWS + tl.arange(0, ROWS)
        valid = (sample < samples)[:, None]
        x += network.to(tl.int64) * x_stride
        sum_ = tl.zeros((ROWS, COLUMNS), tl.float32)
        for place in range(0, HEIGHT * WIDTH):
            at = _inside(sample * (HEIGHT * WIDTH) + place, HEIGHT, WIDTH, FILTERS)
            sum_ += tl.load(x + (at[:, None] + columns), valid, 0.0)
        to = network.to(tl.int64) * z_stride + (sample[:, None] * FILTERS + columns)
        tl.store(z + to, sum_ / (HEIGHT * WIDTH), valid)


@triton.jit(do_not_specialize=_ANY[1:2])
def activity(
    x, x_stride, active, active_stride, found, widths, samples,
    HEIGHT: tl.constexpr, WIDTH: tl.constexpr, FILTERS: tl.constexpr,
    ROWS: tl.constexpr, COLUMNS: tl.constexpr,
):  # fmt: skip
    """What each filter does with each sample: [networks, samples, 3, FILTERS].

    These are the sum of |x| over all positions, and at how many of them `active`, what a ReLU gave,
    and `x` are not 0. Row by row of the image, as long sums of float32 lose digits.
    """
    network = tl.program_id(2)
    columns = (tl.program_id(1) * COLUMNS + tl.arange(0, COLUMNS))[None, :]
    if tl.program_id(1) * COLUMNS < tl.load(widths + network):
        sample = tl.program_id(0) * ROWS + tl.arange(0, ROWS)
        valid = (sample < samples)[:, None]
        x += network.to(tl.int64) * x_stride
        active += network.to(tl.int64) * active_stride
        zero = tl.zeros((ROWS, COLUMNS), tl.float32)
        size, fired, spoke = zero, zero, zero
        for down in range(0, HEIGHT):
            of_row = zero
            for right in range(0, WIDTH):
                at = _inside((sample * HEIGHT + down) * WIDTH + right, HEIGHT, WIDTH, FILTERS)
                own = tl.load(x + (at[:, None] + columns), valid, 0.0)
                of_relu = tl.load(active + (at[:, None] + columns), valid, 0.0)
                of_row += tl.abs(own)
                fired += (of_relu != 0).to(tl.float32)
                spoke += (own != 0).to(tl.float32)
            size += of_row
        to = (network.to(tl.int64) * samples + sample[:, None]) * (3 * FILTERS) + columns
        tl.store(found + to, size, valid)
        tl.store(found + (to + FILTERS), fired, valid)
        tl.store(found + (to + 2 * FILTERS), spoke, valid)


@triton.jit(do_not_specialize=_ANY[1:2])
def tally(
    found, sums, widths, samples, POSITIONS: tl.constexpr, FILTERS: tl.constexpr,
    COLUMNS: tl.constexpr,
):  # fmt: skip
    """Add what `activity` found to the sums over samples (float64): [networks, 3, FILTERS].

    They are those of the mean of |x|, of the share of positions where the ReLU gave 0, and of the
    samples for which x is 0 everywhere.
    """
    network = tl.program_id(1)
    columns = tl.program_id(0) * COLUMNS + tl.arange(0, COLUMNS)
    if tl.program_id(0) * COLUMNS < tl.load(widths + network):
        means = tl.zeros((COLUMNS,), tl.float64)
        zeros = tl.zeros((COLUMNS,), tl.float64)
        silent = tl.zeros((COLUMNS,), tl.float64)
        at = found + network.to(tl.int64) * samples * (3 * FILTERS) + columns
        for _ in range(0, samples):
            means += tl.load(at).to(tl.float64) / POSITIONS
            zeros += 1.0 - tl.load(at + FILTERS).to(tl.float64) / POSITIONS
            silent += (tl.load(at + 2 * FILTERS) == 0).to(tl.float64)
            at += 3 * FILTERS
        to = sums + network * (3 * FILTERS) + columns
        tl.store(to, tl.load(to) + means)
        tl.store(to + FILTERS, tl.load(to + FILTERS) + zeros)
        tl.store(to + 2 * FILTERS, tl.load(to + 2 * FILTERS) + silent)


@triton.jit(do_not_specialize=_ANY[:1])
def spread(
    g, g_stride, x, of_x, x_stride, widths, rows,
    HEIGHT: tl.constexpr, WIDTH: tl.constexpr, FILTERS: tl.constexpr, RELU: tl.constexpr,
    ROWS: tl.constexpr, COLUMNS: tl.constexpr,
):  # fmt: skip
    """The gradient of what `average` read; `rows` are the positions of that."""
    network = tl.program_id(2)
    columns = (tl.program_id(1) * COLUMNS + tl.arange(0, COLUMNS))[None, :]
    if tl.program_id(1) * COLUMNS < tl.load(widths + network):
        row = tl.program_id(0) * ROWS + tl.arange(0, ROWS)
        valid = (row < rows)[:, None]
        at = (row // (HEIGHT * WIDTH))[:, None] * FILTERS + columns
        gradient = tl.load(g + (network.to(tl.int64) * g_stride + at), valid, 0.0)
        gradient = gradient / (HEIGHT * WIDTH)
        to = _inside(row, HEIGHT, WIDTH, FILTERS)[:, None] + columns
        to = network.to(tl.int64) * x_stride + to
        if RELU:
            gradient = tl.where(tl.load(x + to, valid, 0.0) > 0, gradient, 0.0)
        tl.store(of_x + to, gradient, valid)


@triton.jit(do_not_specialize=_ANY[::2])
def moments(
    x, x_stride, parts, widths, rows, blocks,
    HEIGHT: tl.constexpr, WIDTH: tl.constexpr, FILTERS: tl.constexpr,
    ROWS: tl.constexpr, COLUMNS: tl.constexpr,
):  # fmt: skip
    """Of each block of ROWS positions the mean, and the sum of squares of what differs from it.

    The parts are [networks, blocks, 2, FILTERS].
    """
    network, block = tl.program_id(2), tl.program_id(0)
    columns = tl.program_id(1) * COLUMNS + tl.arange(0, COLUMNS)
    if tl.program_id(1) * COLUMNS < tl.load(widths + network):
        row = block * ROWS + tl.arange(0, ROWS)
        valid = (row < rows)[:, None]
        at = _inside(row, HEIGHT, WIDTH, FILTERS)[:, None] + columns[None, :]
        values = tl.load(x + (network.to(tl.int64) * x_stride + at), valid, 0.0)
        mean = tl.sum(values, 0) / tl.minimum(rows - block * ROWS, ROWS)
        off = tl.where(valid, values - mean[None, :], 0.0)
        to = parts + (network * blocks + block) * (2 * FILTERS) + columns
        tl.store(to, mean)
        tl.store(to + FILTERS, tl.sum(off * off, 0))


@triton.jit(do_not_specialize=_ANY[::2])
def settle(
    parts, mean, scale, moving_mean, moving_variance, widths, rows, blocks, share, epsilon,
    FILTERS: tl.constexpr, ROWS: tl.constexpr, COLUMNS: tl.constexpr, PARTS: tl.constexpr,
):  # fmt: skip
    """From `moments`: mean and 1 / sqrt(variance + epsilon) of a batch, and the moving averages.

    These take in a `share` of the new mean, and of the new variance, the unbiased one.
    """
    network = tl.program_id(1)
    columns = tl.program_id(0) * COLUMNS + tl.arange(0, COLUMNS)
    if tl.program_id(0) * COLUMNS < tl.load(widths + network):
        total = tl.zeros((COLUMNS,), tl.float32)
        for first in range(0, blocks, PARTS):
            block = first + tl.arange(0, PARTS)
            count = tl.maximum(tl.minimum(rows - block * ROWS, ROWS), 0).to(tl.float32)[:, None]
            at = (network * blocks + block)[:, None] * (2 * FILTERS) + columns[None, :]
            total += tl.sum(count * tl.load(parts + at, count > 0, 0.0), 0)
        of_batch = total / rows
        squares = tl.zeros((COLUMNS,), tl.float32)
        for first in range(0, blocks, PARTS):
            block = first + tl.arange(0, PARTS)
            count = tl.maximum(tl.minimum(rows - block * ROWS, ROWS), 0).to(tl.float32)[:, None]
            at = (network * blocks + block)[:, None] * (2 * FILTERS) + columns[None, :]
            off = tl.load(parts + at, count > 0, 0.0) - of_batch[None, :]
            own = tl.load(parts + at + FILTERS, count > 0, 0.0)
            squares += tl.sum(own + count * off * off, 0)
        at = network * FILTERS + columns
        tl.store(mean + at, of_batch)
        tl.store(scale + at, 1.0 / tl.sqrt_rn(squares / rows + epsilon))
        new = share * of_batch + (1 - share) * tl.load(moving_mean + at)
        tl.store(moving_mean + at, new)
        new = share * (squares / (rows - 1)) + (1 - share) * tl.load(moving_variance + at)
        tl.store(moving_variance + at, new)


@triton.jit(do_not_specialize=_ANY[:1])
def normalise(
    x, x_stride, z, mean, scale, gamma, beta, widths, rows,
    HEIGHT: tl.constexpr, WIDTH: tl.constexpr, FILTERS: tl.constexpr,
    ROWS: tl.constexpr, COLUMNS: tl.constexpr,
):  # fmt: skip
    """(x - mean) * scale * gamma + beta. Beyond a network's own filters gamma and beta are 0."""
    network = tl.program_id(2)
    columns = tl.program_id(1) * COLUMNS + tl.arange(0, COLUMNS)
    if tl.program_id(1) * COLUMNS < tl.load(widths + network):
        row = tl.program_id(0) * ROWS + tl.arange(0, ROWS)
        valid = (row < rows)[:, None]
        own = network * FILTERS + columns
        times = (tl.load(scale + own) * tl.load(gamma + own))[None, :]
        at = _inside(row, HEIGHT, WIDTH, FILTERS)[:, None] + columns[None, :]
        at = network.to(tl.int64) * x_stride + at
        values = tl.load(x + at, valid, 0.0) - tl.load(mean + own)[None, :]
        tl.store(z + at, values * times + tl.load(beta + own)[None, :], valid)


@triton.jit(do_not_specialize=_ANY[::2])
def of_normal(
    g, x, x_stride, mean, parts, widths, rows, blocks,
    HEIGHT: tl.constexpr, WIDTH: tl.constexpr, FILTERS: tl.constexpr,
    ROWS: tl.constexpr, COLUMNS: tl.constexpr,
):  # fmt: skip
    """Of each block of ROWS positions the sums of g and of g * (x - mean).

    The parts are [networks, blocks, 2, FILTERS].
    """
    network, block = tl.program_id(2), tl.program_id(0)
    columns = tl.program_id(1) * COLUMNS + tl.arange(0, COLUMNS)
    if tl.program_id(1) * COLUMNS < tl.load(widths + network):
        row = block * ROWS + tl.arange(0, ROWS)
        valid = (row < rows)[:, None]
        at = _inside(row, HEIGHT, WIDTH, FILTERS)[:, None] + columns[None, :]
        at = network.to(tl.int64) * x_stride + at
        gradient = tl.load(g + at, valid, 0.0)
        off = tl.load(x + at, valid, 0.0) - tl.load(mean + network * FILTERS + columns)[None, :]
        to = parts + (network * blocks + block) * (2 * FILTERS) + columns
        tl.store(to, tl.sum(gradient, 0))
        tl.store(to + FILTERS, tl.sum(gradient * off, 0))


@triton.jit(do_not_specialize=_ANY[::2])
def update_normal(
    parts, scale, gamma, beta, terms, widths, rows, blocks, rate,
    FILTERS: tl.constexpr, COLUMNS: tl.constexpr, PARTS: tl.constexpr,
):  # fmt: skip
    """Update gamma and beta, and write the terms [networks, 3, FILTERS] of the input's gradient.

    With the terms a, b, c it is a * (g - b - (x - mean) * c).
    """
    network = tl.program_id(1)
    columns = tl.program_id(0) * COLUMNS + tl.arange(0, COLUMNS)
    if tl.program_id(0) * COLUMNS < tl.load(widths + network):
        of_beta = tl.zeros((COLUMNS,), tl.float32)
        with_x = tl.zeros((COLUMNS,), tl.float32)
        for first in range(0, blocks, PARTS):
            block = first + tl.arange(0, PARTS)
            there = (block < blocks)[:, None]
            at = (network * blocks + block)[:, None] * (2 * FILTERS) + columns[None, :]
            of_beta += tl.sum(tl.load(parts + at, there, 0.0), 0)
            with_x += tl.sum(tl.load(parts + at + FILTERS, there, 0.0), 0)
        own = network * FILTERS + columns
        times, before = tl.load(scale + own), tl.load(gamma + own)
        to = terms + network * (3 * FILTERS) + columns
        tl.store(to, times * before)
        tl.store(to + FILTERS, of_beta / rows)
        tl.store(to + 2 * FILTERS, with_x * times * times / rows)
        used = columns < tl.load(widths + network)
        tl.store(gamma + own, before - rate * (with_x * times), used)
        tl.store(beta + own, tl.load(beta + own) - rate * of_beta, used)


@triton.jit(do_not_specialize=_ANY[:1])
def unnormalise(
    g, x, of_x, x_stride, mean, terms, widths, rows,
    HEIGHT: tl.constexpr, WIDTH: tl.constexpr, FILTERS: tl.constexpr, RELU: tl.constexpr,
    ROWS: tl.constexpr, COLUMNS: tl.constexpr,
):  # fmt: skip
    """The gradient of what `normalise` read, from the terms of `update_normal`."""
    network = tl.program_id(2)
    columns = tl.program_id(1) * COLUMNS + tl.arange(0, COLUMNS)
    if tl.program_id(1) * COLUMNS < tl.load(widths + network):
        row = tl.program_id(0) * ROWS + tl.arange(0, ROWS)
        valid = (row < rows)[:, None]
        own = terms + network * (3 * FILTERS) + columns
        at = _inside(row, HEIGHT, WIDTH, FILTERS)[:, None] + columns[None, :]
        at = network.to(tl.int64) * x_stride + at
        read = tl.load(x + at, valid, 0.0)
        off = read - tl.load(mean + network * FILTERS + columns)[None, :]
        gradient = tl.load(g + at, valid, 0.0) - tl.load(own + FILTERS)[None, :]
        gradient -= off * tl.load(own + 2 * FILTERS)[None, :]
        gradient *= tl.load(own)[None, :]
        if RELU:
            gradient = tl.where(read > 0, gradient, 0.0)
        tl.store(of_x + at, gradient, valid)


@triton.jit
def count(batch):
    """Go on to the next batch."""
    tl.store(batch, tl.load(batch) + 1)
