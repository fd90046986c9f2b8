"""Channels that leave a sparse reconstruction of the next layer first (He et al., 2017).

What arrives at the next layer is the sum over channels c of their contributions X_c W_c. Factors
b_c on these are found by the LASSO, min 1/2N norm(Y - sum b_c X_c W_c)^2 + lambda norm_1(b), along
its whole path. A node's or filter's score is the largest lambda at which its factor is not 0, over
that at which all are: 1 for the last to leave as lambda grows. It is worked out on 300 training
images, and 10 positions of each where a convolution reads them. Invariant when a node's incoming
weights are scaled and its outgoing ones by the inverse. The reference then adapts the weights,
which a rewind would undo; comparing layers by the share of their largest lambda is ours. For
networks whose layers follow each other, none of them normalised.
"""

from collections.abc import Iterator, Sequence

import torch
from torch.nn import functional

from dropnet.networks.cycle import Statistics
from dropnet.randomness import generator
from dropnet.training.gathering import Trained, network_of
from dropnet.training.operations import Convolution, Nodes, Operation

NETWORKS = "chains"

IMAGES = 300
POSITIONS = 10


def importance(statistics: Statistics) -> list[torch.Tensor]:
    """Return the lambdas."""
    return list(statistics["leaves_at"])


def measure(trained: Trained) -> Statistics:
    """Return `leaves_at`."""
    with torch.no_grad():
        return {"leaves_at": _of_layers(trained)}


def _of_layers(trained: Trained) -> list[torch.Tensor]:
    task = trained.task
    operations = network_of(task, trained.weights, trained.masks).operations
    x = task.images(task.train, 0, IMAGES).to(task.dtype)
    found = []
    for place, operation in enumerate(operations):
        x = operation.forward(x)
        if getattr(operation, "mask", None) is not None:
            gram, rows = products(x, operations[place + 1 :])
            found.append(leaves_at(gram, rows))
    return found


def products(x: torch.Tensor, behind: Sequence[Operation]) -> tuple[torch.Tensor, int]:
    """Return the products of what channels contribute to the next layer, and of how many numbers.

    Args:
        x: the channels as the next layer gets them, [sample, channel, height, width] or [sample,
            node].
        behind: the operations that follow.
    """
    channels = x.shape[1]
    total, rows = torch.zeros(channels, channels, dtype=torch.float64), 0
    if channels == 0:
        return total, rows
    for contributions in _contributions(x, behind):
        total += (contributions.T @ contributions).double().cpu()
        rows += len(contributions)
    return total, rows


def _contributions(x: torch.Tensor, behind: Sequence[Operation]) -> Iterator[torch.Tensor]:
    """What the channels contribute to each output of the next layer, [row, channel]."""
    reader = next(op for op in behind if isinstance(op, Convolution | Nodes))
    samples, channels = x.shape[:2]
    if isinstance(reader, Convolution):
        patches = functional.unfold(x, 3, padding=1).view(samples, channels, 9, -1)
        random = torch.rand(samples, patches.shape[3], generator=generator("lasso positions"))
        at = random.argsort(1)[:, :POSITIONS].to(x.device)
        chosen = patches.gather(3, at[:, None, None].expand(-1, channels, 9, -1))
        rows = chosen.permute(0, 3, 1, 2).flatten(0, 1)  # [row, channel, 9]
        kernels = reader.kernel.flatten(2)  # [output, channel, 9]
    else:
        rows = x.reshape(samples, channels, -1)  # [row, channel, position]
        outputs = reader.kernel.shape[1]
        # a layer of nodes reads positions first
        kernels = reader.kernel.view(rows.shape[2], channels, outputs).permute(2, 1, 0)
    for kernel in kernels:
        yield (rows * kernel).sum(2)


def leaves_at(gram: torch.Tensor, rows: int) -> torch.Tensor:
    """Return for each channel the largest lambda at which its factor is not 0, as a share; or nan.

    Args:
        gram: products of contributions, summed over rows, [channel, channel].
        rows: how many.
    """
    if not gram.isfinite().all():
        return torch.full_like(gram.diagonal(), torch.nan)
    scores = torch.zeros(len(gram), dtype=torch.float64)
    if not gram.diagonal().any():
        return scores
    from sklearn.linear_model import lars_path_gram

    # what is reconstructed is the sum of all contributions
    lambdas, _, factors = lars_path_gram(
        gram.sum(1).numpy(), gram.numpy(), n_samples=rows, method="lasso"
    )
    for channel, path in enumerate(factors != 0):
        if path.any():  # it enters between the knot before, where it is 0, and this one
            scores[channel] = float(lambdas[max(0, int(path.argmax()) - 1)] / lambdas[0])
    return scores
