"""A plain PyTorch loop over one masked convolutional network of full size."""

import torch
from torch import Tensor, nn
from torch.nn import functional

from common import LEARNING_RATE, serve_timing, timed
from conv_common import BATCH_SIZE, CLASSES, FILTERS, load_images

PRODUCT_SIZE = 2048
LAYOUTS = {
    "plain loop": torch.contiguous_format,
    "plain loop, channels last": torch.channels_last,
}


class MaskedNetwork(nn.Module):
    """Model B; the masks are buffers that multiply the ReLU outputs, before the pooling."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(1, FILTERS[0], 3, padding="same")
        self.conv2 = nn.Conv2d(FILTERS[0], FILTERS[1], 3, padding="same")
        self.output = nn.Linear(49 * FILTERS[1], CLASSES)
        self.register_buffer("mask1", torch.ones(FILTERS[0], 1, 1))
        self.register_buffer("mask2", torch.ones(FILTERS[1], 1, 1))

    def forward(self, images: Tensor) -> Tensor:
        first = functional.max_pool2d(functional.relu(self.conv1(images)) * self.mask1, 2)
        second = functional.max_pool2d(functional.relu(self.conv2(first)) * self.mask2, 2)
        return self.output(second.flatten(1))


class Timing:
    """Answers the driver's requests."""

    def __init__(self, data: str) -> None:
        self.data = {}
        for name in ("train", "validation"):
            images, labels = load_images(data, f"mnist_{name}")
            floats = torch.from_numpy(images).permute(0, 3, 1, 2).contiguous() / 255
            self.data[name] = (floats, torch.from_numpy(labels))
        self.factors = torch.randn(2, PRODUCT_SIZE, PRODUCT_SIZE)

    def settings(self) -> list[str]:
        return list(LAYOUTS)

    def epoch(self, setting: str) -> dict[str, float]:
        """One epoch with validation."""
        network = MaskedNetwork().to(memory_format=LAYOUTS[setting])
        optimiser = torch.optim.SGD(network.parameters(), lr=LEARNING_RATE)
        layout = LAYOUTS[setting]

        def work() -> None:
            for images, labels in self._batches("train"):
                optimiser.zero_grad()
                logits = network(images.to(memory_format=layout))
                functional.cross_entropy(logits, labels).backward()
                optimiser.step()
                (logits.detach().argmax(1) == labels).sum()
            with torch.no_grad():
                for images, labels in self._batches("validation"):
                    functional.cross_entropy(network(images.to(memory_format=layout)), labels)

        return timed(work)

    def _batches(self, name: str):
        images, labels = self.data[name]
        return zip(images.split(BATCH_SIZE), labels.split(BATCH_SIZE), strict=True)

    def product(self) -> float:
        """GFLOP/s of one float32 matrix product of 2048 x 2048 by 2048 x 2048."""
        spent = timed(lambda: torch.mm(*self.factors))
        return 2 * PRODUCT_SIZE**3 / spent["wall_s"] / 1e9


def main() -> None:
    torch.set_num_threads(1)
    serve_timing(__doc__, Timing, ("settings", "epoch", "product"))


if __name__ == "__main__":
    main()
