"""This project's convolutional engine on the large networks."""

import torch

from benchmarks.sides.ours import as_tensors, random_masks
from benchmarks.sides.protocol import data_of_command_line, load_split, serve, timed
from dropnet.networks.models import masked_widths
from dropnet.networks.weights import compact, initial_weights
from dropnet.settings import Settings
from dropnet.training.engines import make_task


class Large:
    """Answers the driver's requests."""

    def __init__(self, data: str) -> None:
        self.train = as_tensors(load_split(data, "train"))

    def epoch(self, settings: str, remaining: float) -> dict[str, float]:
        """Train on all images once, with a share of each layer's filters; not its first epoch."""
        task = make_task(self.train, self.train, self.train, Settings.from_json(settings))
        masks = random_masks(masked_widths(task.layers), remaining, seed=0)
        weights = compact(initial_weights(task.steps(), 0), task.steps(masks))
        stack = task.stack([weights], [masks])
        stack.train_epoch(1)
        return timed(lambda: stack.train_epoch(2))


def main() -> None:
    torch.set_num_threads(1)
    serve(Large(data_of_command_line(__doc__)))


if __name__ == "__main__":
    main()
