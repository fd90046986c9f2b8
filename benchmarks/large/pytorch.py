"""A plain PyTorch loop over a large network of full size."""

import torch

from benchmarks.sides.modules import plain_network
from benchmarks.sides.protocol import data_of_command_line, load_split, serve, timed
from benchmarks.sides.pytorch import LAYOUTS, optimiser_of, train_epoch
from dropnet.networks.models import layers_of
from dropnet.settings import Settings


class Large:
    """Answers the driver's requests."""

    def __init__(self, data: str) -> None:
        split = load_split(data, "train")
        self.images = torch.from_numpy(split.images()).permute(0, 3, 1, 2)
        self.labels = torch.from_numpy(split.labels)

    def settings(self) -> list[str]:
        return list(LAYOUTS)

    def epoch(self, settings: str, layout: str) -> dict[str, float]:
        """Train on all images once; not the first epoch.

        The masks that the others of these loops multiply by are left out, in their favour.
        """
        layers = layers_of(Settings.from_json(settings))
        _, channels, side, _ = self.images.shape
        model = plain_network(layers, channels, side).to(memory_format=LAYOUTS[layout])
        images = self.images.contiguous(memory_format=LAYOUTS[layout])
        optimiser = optimiser_of(model)

        def work() -> None:
            torch.stack(train_epoch(model, optimiser, images, self.labels)).mean().item()

        work()
        return timed(work)


def main() -> None:
    torch.set_num_threads(1)
    serve(Large(data_of_command_line(__doc__)))


if __name__ == "__main__":
    main()
