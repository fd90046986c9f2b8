"""This project's oracle, called as the workflow calls it."""

import argparse
import json
from typing import Any

import numpy as np
import torch

from common import LEARNING_RATE, serve, timed
from dropnet.metrics.oracle import measure
from dropnet.networks.masks import Masks
from dropnet.networks.models import MODELS
from dropnet.networks.weights import initial_weights
from dropnet.training.engines import make_task
from dropnet.training.task import BaseTask
from oracle_common import CLASSES, WIDTHS, load_training

NAMES = {"A": "FC", "B": "Conv"}
BATCH_SIZE = 32


class Timing:
    """Answers the driver's requests."""

    def __init__(self, data: str, copies: int = 1) -> None:
        images, labels = load_training(data)
        self.train = (
            torch.from_numpy(images)[:, None].repeat(copies, 1, 1, 1),
            torch.from_numpy(labels).repeat(copies),
        )
        self.tasks: dict[str, BaseTask] = {}
        self.weights: dict[str, Any] = {}

    def prepare(self, model: str, images: int, out: str | None = None) -> None:
        """Train a network for an epoch on the first images, and write its weights."""
        few = tuple(part[:1] for part in self.train)
        layers = MODELS[NAMES[model]](WIDTHS[model], CLASSES)
        first = tuple(part[:images] for part in self.train)
        task = make_task(first, few, few, layers, BATCH_SIZE, LEARNING_RATE)
        stack = task.stack([initial_weights(task.steps(), 0)], [Masks.full(WIDTHS[model])])
        stack.train_epoch(1)
        self.weights[model] = stack.weights()[0]
        self.tasks[model] = make_task(self.train, few, few, layers, BATCH_SIZE, LEARNING_RATE)
        if out:
            np.savez(out, **self._plain(model))

    def _plain(self, model: str) -> dict[str, np.ndarray]:
        kinds = {"kernel": [], "bias": []}
        for name, tensor in self.weights[model].items():
            tensor = tensor.permute(2, 3, 1, 0) if tensor.dim() == 4 else tensor
            kinds[name.split(".")[1]].append(tensor.numpy())
        return {f"{kind}_{n}": w for kind, ws in kinds.items() for n, w in enumerate(ws)}

    def losses(self, model: str) -> dict[str, Any]:
        """The loss without each node of the network, and the seconds that this took."""
        found = {}

        def work() -> None:
            full = Masks.full(WIDTHS[model])
            found.update(measure(self.tasks[model], self.weights[model], full))

        seconds = timed(work)
        return seconds | {"losses": torch.cat(found["loss_without"]).tolist()}


def main() -> None:
    torch.set_num_threads(1)
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", required=True)
    parser.add_argument("--memory", help="a model: measure it once and end")
    parser.add_argument("--copies", type=int, default=1, help="of the images")
    parser.add_argument("--without", action="store_true", help="prepare the data, and no more")
    options = parser.parse_args()
    timing = Timing(options.data, options.copies)
    if options.memory:
        timing.prepare(options.memory, images=BATCH_SIZE)
        if not options.without:
            print(json.dumps(timing.losses(options.memory)["wall_s"]))
        return
    serve({"prepare": timing.prepare, "losses": timing.losses})


if __name__ == "__main__":
    main()
