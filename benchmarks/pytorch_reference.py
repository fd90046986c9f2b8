"""A plain PyTorch loop over one masked network of full size, as one writes it without tricks.

The data set is one tensor and there are no loader workers, so nothing is wasted on feeding.
`foreach=True` and `fused=True` were tried for the optimiser and change nothing at this size.
"""

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from common import (
    BATCH_SIZE,
    CLASSES,
    HIDDEN,
    INPUTS,
    LEARNING_RATE,
    Split,
    arguments,
    load_split,
    serve,
    timed,
    write_losses,
)

LARGE_BATCH = 2000  # for evaluation, where the batch size does not change the result
PRODUCT_SIZE = 2048


class MaskedNetwork(nn.Module):
    """Model A; the masks are buffers that multiply the ReLU outputs."""

    def __init__(self, dtype: torch.dtype = torch.float32) -> None:
        super().__init__()
        self.hidden1 = nn.Linear(INPUTS, HIDDEN[0], dtype=dtype)
        self.hidden2 = nn.Linear(HIDDEN[0], HIDDEN[1], dtype=dtype)
        self.output = nn.Linear(HIDDEN[1], CLASSES, dtype=dtype)
        self.register_buffer("mask1", torch.ones(HIDDEN[0], dtype=dtype))
        self.register_buffer("mask2", torch.ones(HIDDEN[1], dtype=dtype))

    def activations(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """The masked ReLU outputs of both hidden layers."""
        first = functional.relu(self.hidden1(images)) * self.mask1
        second = functional.relu(self.hidden2(first)) * self.mask2
        return first, second

    def forward(self, images: Tensor) -> Tensor:
        return self.output(self.activations(images)[1])


def as_tensors(split: Split, dtype: str = "float32") -> tuple[Tensor, Tensor]:
    """Images [n, 784] and labels [n]."""
    return torch.from_numpy(split.images(dtype)), torch.from_numpy(split.labels)


def train_epoch(network: nn.Module, optimiser: torch.optim.Optimizer, data: tuple) -> list[Tensor]:
    """One epoch in the given order; the loss of each batch, before its update."""
    network.train()
    losses, correct = [], torch.zeros((), dtype=torch.int64)
    for images, labels in zip(data[0].split(BATCH_SIZE), data[1].split(BATCH_SIZE), strict=True):
        optimiser.zero_grad()
        logits = network(images)
        loss = functional.cross_entropy(logits, labels)
        loss.backward()
        optimiser.step()
        losses.append(loss.detach())
        correct += (logits.detach().argmax(1) == labels).sum()  # training accuracy, as Keras counts
    return losses


@torch.no_grad()
def evaluate(network: nn.Module, data: tuple) -> tuple[float, float]:
    """Mean loss and accuracy."""
    network.eval()
    loss, correct = 0.0, 0
    for images, labels in zip(data[0].split(LARGE_BATCH), data[1].split(LARGE_BATCH), strict=True):
        logits = network(images)
        loss += float(functional.cross_entropy(logits, labels, reduction="sum"))
        correct += int((logits.argmax(1) == labels).sum())
    return loss / len(data[1]), correct / len(data[1])


@torch.no_grad()
def node_scores(network: MaskedNetwork, images: Tensor) -> list[Tensor]:
    """E|activation| of every hidden node over all images (section 3 of the paper)."""
    network.eval()
    totals = [torch.zeros(width, dtype=images.dtype) for width in HIDDEN]
    for batch in images.split(LARGE_BATCH):
        for total, activations in zip(totals, network.activations(batch), strict=True):
            total += activations.abs().sum(0)
    return [total / len(images) for total in totals]


class Timing:
    """Answers the driver's requests."""

    def __init__(self, path: str) -> None:
        self.train, self.validation, self.test = (
            as_tensors(load_split(path, name)) for name in ("train", "validation", "test")
        )
        self.network = MaskedNetwork()
        self.optimiser = torch.optim.SGD(self.network.parameters(), lr=LEARNING_RATE)
        self.factors = torch.randn(2, PRODUCT_SIZE, PRODUCT_SIZE)

    def settings(self) -> list[str]:
        return ["plain loop"]

    def epoch(self, setting: str) -> dict[str, float]:
        """One epoch with validation."""
        assert setting in self.settings()

        def work() -> None:
            losses = train_epoch(self.network, self.optimiser, self.train)
            torch.stack(losses).mean().item()
            evaluate(self.network, self.validation)

        return timed(work)

    def cycle(self) -> dict[str, float]:
        """What a pruning cycle does besides training: score all nodes, evaluate on the test set."""

        def work() -> None:
            node_scores(self.network, self.train[0])
            evaluate(self.network, self.test)

        return timed(work)

    def product(self) -> dict[str, float]:
        """One float32 matrix product of 2048 x 2048 by 2048 x 2048: the rate the core can reach."""
        spent = timed(lambda: torch.mm(*self.factors))
        return spent | {"gflops": 2 * PRODUCT_SIZE**3 / spent["wall_s"] / 1e9}


def step_losses(problem: dict[str, np.ndarray], samples: Split, dtype: str) -> np.ndarray:
    """The training loss of each batch, before its update, from the problem's weights and masks."""
    data = as_tensors(samples, dtype)
    network = MaskedNetwork(data[0].dtype)
    names = ("hidden1", "hidden2", "output")
    state = {f"mask{layer + 1}": problem[f"mask_{layer}"] for layer in range(len(HIDDEN))}
    for layer, name in enumerate(names):
        state[f"{name}.weight"] = problem[f"kernel_{layer}"].T
        state[f"{name}.bias"] = problem[f"bias_{layer}"]
    network.load_state_dict({name: torch.tensor(value) for name, value in state.items()})
    optimiser = torch.optim.SGD(network.parameters(), lr=LEARNING_RATE)
    return torch.stack(train_epoch(network, optimiser, data)).numpy()


def main() -> None:
    options = arguments(__doc__)
    torch.set_num_threads(1)
    if options.mode == "time":
        timing = Timing(options.data)
        handlers = ("settings", "epoch", "cycle", "product")
        serve({name: getattr(timing, name) for name in handlers})
    else:
        write_losses(options, step_losses)


if __name__ == "__main__":
    main()
