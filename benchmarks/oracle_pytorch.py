"""The oracle in plain PyTorch: one batched pass over the training images for each candidate."""

from typing import Any

import torch
from torch.nn import functional

from common import serve_timing, timed
from oracle_common import WIDTHS, load_training, load_weights

BATCHES = {"A": (1000, 4000, 54000), "B": (100, 500)}  # tried, the fastest is taken


class Timing:
    """Answers the driver's requests."""

    def __init__(self, data: str) -> None:
        images, labels = load_training(data)
        self.images = torch.from_numpy(images).float().div_(255)[:, None]
        self.labels = torch.from_numpy(labels)
        self.weights: dict[str, dict[str, torch.Tensor]] = {}

    def load(self, model: str, weights: str) -> None:
        """Take over a trained network."""
        own = {name: torch.from_numpy(w) for name, w in load_weights(weights).items()}
        self.weights[model] = {
            name: w.permute(3, 2, 0, 1).contiguous(memory_format=torch.channels_last)
            if w.dim() == 4
            else w
            for name, w in own.items()
        }

    def batches(self, model: str) -> list[int]:
        """The batch sizes worth a try."""
        return list(BATCHES[model])

    def losses(self, model: str, which: list[list[int]], batch: int) -> dict[str, Any]:
        """The losses without some (layer, node), and the seconds that these took."""
        found = []

        def work() -> None:
            for layer, node in which:
                masks = [torch.ones(width) for width in WIDTHS[model]]
                masks[layer][node] = 0
                found.append(self._loss(model, masks, batch))

        return timed(work) | {"losses": found}

    @torch.inference_mode()
    def _loss(self, model: str, masks: list[torch.Tensor], batch: int) -> float:
        total = 0.0
        forward = self._dense if model == "A" else self._convolutional
        for start in range(0, len(self.labels), batch):
            logits = forward(self.images[start : start + batch], self.weights[model], masks)
            labels = self.labels[start : start + batch]
            total += functional.cross_entropy(logits, labels, reduction="sum").item()
        return total / len(self.labels)

    @staticmethod
    def _dense(x: torch.Tensor, w: dict[str, torch.Tensor], masks: list) -> torch.Tensor:
        x = x.flatten(1)
        for layer, mask in enumerate(masks):
            x = torch.relu(x @ w[f"kernel_{layer}"] + w[f"bias_{layer}"]) * mask
        return x @ w["kernel_2"] + w["bias_2"]

    @staticmethod
    def _convolutional(x: torch.Tensor, w: dict[str, torch.Tensor], masks: list) -> torch.Tensor:
        x = x.contiguous(memory_format=torch.channels_last)
        for layer, mask in enumerate(masks):
            x = functional.conv2d(x, w[f"kernel_{layer}"], w[f"bias_{layer}"], padding=1)
            x = functional.max_pool2d(torch.relu(x) * mask.view(1, -1, 1, 1), 2)
        return x.permute(0, 2, 3, 1).flatten(1) @ w["kernel_2"] + w["bias_2"]


def main() -> None:
    torch.set_num_threads(1)
    serve_timing(__doc__, Timing, ("load", "batches", "losses"))


if __name__ == "__main__":
    main()
