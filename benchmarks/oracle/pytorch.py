"""The oracle in plain PyTorch: one batched pass over the training images for each candidate."""

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from benchmarks.convolutional.pytorch import ModelB
from benchmarks.convolutional.pytorch import as_tensors as pictures
from benchmarks.fully_connected.pytorch import ModelA
from benchmarks.fully_connected.pytorch import as_tensors as vectors
from benchmarks.oracle.workload import WIDTHS
from benchmarks.sides.protocol import (
    data_of_command_line,
    load_network,
    load_split,
    serve,
    timed,
)
from benchmarks.sides.pytorch import take_over

BATCHES = {"A": (1000, 4000, 54000), "B": (100, 500)}  # tried, the fastest is taken
MODELS = {"A": ModelA, "B": ModelB}


class Oracle:
    """Answers the driver's requests."""

    def __init__(self, data: str) -> None:
        train = load_split(data, "train")
        self.samples = {"A": vectors(train), "B": pictures(train)}
        self.models: dict[str, nn.Module] = {}

    def load(self, model: str, network: str) -> None:
        """Take over a trained network."""
        masked = MODELS[model](WIDTHS[model]).to(memory_format=torch.channels_last).eval()
        take_over(masked, load_network(network))
        self.models[model] = masked

    def batches(self, model: str) -> list[int]:
        """The batch sizes worth a try."""
        return list(BATCHES[model])

    def losses(self, model: str, which: list[list[int]], batch: int) -> dict[str, Any]:
        """The losses without some (layer, node), and the seconds that these took."""
        network = self.models[model]
        images, labels = self.samples[model]
        found = []

        def work() -> None:
            for layer, node in which:
                network.masks[layer][node] = 0
                found.append(mean_loss(network, images, labels, batch))
                network.masks[layer][node] = 1

        return timed(work) | {"losses": found}


@torch.inference_mode()
def mean_loss(model: nn.Module, images: Tensor, labels: Tensor, batch_size: int) -> float:
    """The mean loss, and nothing else."""
    total = 0.0
    for x, y in zip(images.split(batch_size), labels.split(batch_size), strict=True):
        total += functional.cross_entropy(model(x), y, reduction="sum").item()
    return total / len(labels)


def main() -> None:
    torch.set_num_threads(1)
    serve(Oracle(data_of_command_line(__doc__)))


if __name__ == "__main__":
    main()
