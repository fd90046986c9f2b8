"""A cycle's training and its scores, worked out as a job does."""

from collections.abc import Sequence

import torch

from benchmarks.sides.ours import as_tensors
from benchmarks.sides.protocol import data_of_command_line, load_split, serve, timed
from dropnet.metrics import METRICS
from dropnet.networks.masks import Masks
from dropnet.networks.models import masked_widths
from dropnet.networks.weights import initial_weights
from dropnet.settings import Settings
from dropnet.training.engines import make_task
from dropnet.training.gathering import Trained
from dropnet.training.task import BaseTask, Stack


class Criteria:
    """Answers the driver's requests."""

    task: BaseTask
    stack: Stack

    def __init__(self, data: str) -> None:
        self.train, self.validation = (
            as_tensors(load_split(data, name)) for name in ("train", "validation")
        )

    def prepare(self, settings: str, networks: int, images: int) -> None:
        """Have so many unpruned networks, and so many training images."""
        train = self.train[0][:images], self.train[1][:images]
        own = Settings.from_json(settings)
        self.task = make_task(train, self.validation, self.validation, own)
        self.initial = [initial_weights(self.task.steps(), seed) for seed in range(networks)]
        self.masks: Sequence[Masks] = [Masks.full(masked_widths(self.task.layers))] * networks
        self.stack = self.task.stack(self.initial, self.masks)

    def epoch(self) -> dict[str, float]:
        """Train and validate for an epoch."""

        def work() -> None:
            self.stack.train_epoch(1)
            self.stack.evaluate(self.task.validation)

        return timed(work)

    def scores(self, metric: str) -> dict[str, float]:
        """Work out the importance of all nodes, and the statistics that every cycle has."""
        chosen = METRICS[metric]

        def work() -> None:
            gatherers = chosen.gatherers(len(self.masks))
            known = self.stack.statistics(self.task.train, gatherers)
            samples = len(self.task.train.labels)
            for n, weights in enumerate(self.stack.weights()):
                means = gatherers[n].means(samples) if gatherers else {}
                trained = Trained(
                    self.task, weights, self.initial[n], self.masks[n], known[n], means
                )
                measured = chosen.measured(trained) if chosen.measures else known[n]
                chosen.importance(measured)

        return timed(work)


def main() -> None:
    torch.set_num_threads(1)
    serve(Criteria(data_of_command_line(__doc__)))


if __name__ == "__main__":
    main()
