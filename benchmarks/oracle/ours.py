"""This project's oracle, called as the workflow calls it."""

from typing import Any

import torch

from benchmarks.oracle.workload import WIDTHS
from benchmarks.sides.ours import as_tensors, write_network
from benchmarks.sides.protocol import data_of_command_line, load_split, serve, timed
from dropnet.metrics.oracle import measure
from dropnet.networks.cycle import Weights
from dropnet.networks.masks import Masks
from dropnet.networks.weights import initial_weights
from dropnet.settings import Settings
from dropnet.training.engines import make_task
from dropnet.training.gathering import Trained
from dropnet.training.task import BaseTask, Split


class Oracle:
    """Answers the driver's requests."""

    def __init__(self, data: str) -> None:
        self.train = as_tensors(load_split(data, "train"))
        self.tasks: dict[str, BaseTask] = {}
        self.weights: dict[str, Weights] = {}

    def repeat(self, copies: int) -> None:
        """Have so many times the images."""
        images, labels = self.train
        self.train = images.repeat(copies, 1, 1, 1), labels.repeat(copies)

    def prepare(self, model: str, settings: str, images: int, out: str | None = None) -> None:
        """Train a network for an epoch on the first images, and write it for the other sides."""
        full = Masks.full(WIDTHS[model])
        task = self._task(settings, tuple(part[:images] for part in self.train))
        stack = task.stack([initial_weights(task.steps(), 0)], [full])
        stack.train_epoch(1)
        self.weights[model] = stack.weights()[0]
        self.tasks[model] = self._task(settings, self.train)
        if out:
            write_network(out, self.weights[model], full)

    def _task(self, settings: str, train: Split) -> BaseTask:
        one = tuple(part[:1] for part in self.train)
        return make_task(train, one, one, Settings.from_json(settings))

    def losses(self, model: str) -> dict[str, Any]:
        """The loss without each node of the network, and the seconds that this took."""
        found = {}

        def work() -> None:
            task, weights = self.tasks[model], self.weights[model]
            found.update(measure(Trained(task, weights, {}, Masks.full(WIDTHS[model]), {})))

        seconds = timed(work)
        return seconds | {"losses": torch.cat(found["loss_without"]).tolist()}


def main() -> None:
    torch.set_num_threads(1)
    serve(Oracle(data_of_command_line(__doc__)))


if __name__ == "__main__":
    main()
