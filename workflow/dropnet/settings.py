"""The settings of one experiment at one scale, as the training scripts receive them."""

import json
from dataclasses import asdict, dataclass


def unit_of(model: str) -> str:
    """Return what drops out of a network of this model: "nodes" or "filters"."""
    return "nodes" if model == "FC" else "filters"


@dataclass(frozen=True)
class Settings:
    """Everything that decides the numbers of an experiment, but for its seeds and its method.

    Attributes:
        experiment: name of the experiment, e.g. "FC40-FC40".
        scale: name of the scale it runs at, e.g. "paper".
        dataset: name of the data set, e.g. "MNIST".
        data: SHA-256 of its arrays, as configured; None for whatever is found.
        classes: number of classes of the data set.
        model: family of the network, a key of `dropnet.networks.models.MODELS`.
        widths: nodes or filters of each masked layer, in order.
        prune_fraction: share p of the remaining nodes dropped in a cycle, 0 <= p <= 1; 0 drops one
            a cycle.
        stop_fraction: the run ends with the first cycle at or below this fraction remaining.
        selection: how a global metric picks what goes, one of `dropnet.metrics.SELECTIONS`.
        precision: of the convolutions' arithmetic, "float32", "tf32" (on a GPU) or "bfloat16".
        augmentation: of training images, "none" or "affine", see `dropnet.training.augmentation`.
        train_images: first N images of the official training order; None takes them all.
        test_images: first N images of the official test order; None takes them all.
        batch_size: samples in a batch; the last, partial batch is kept.
        learning_rate: of plain SGD.
        max_epochs: upper bound of the epochs in a cycle.
        patience: epochs without a new lowest validation loss before training stops.
    """

    experiment: str
    scale: str
    dataset: str
    data: str | None
    classes: int
    model: str
    widths: tuple[int, ...]
    prune_fraction: float
    stop_fraction: float
    selection: str
    precision: str
    augmentation: str
    train_images: int | None
    test_images: int | None
    batch_size: int
    learning_rate: float
    max_epochs: int
    patience: int

    def to_json(self) -> str:
        """Return the settings as one line of JSON with sorted keys."""
        return json.dumps(asdict(self), sort_keys=True)

    @classmethod
    def from_json(cls, text: str) -> "Settings":
        """Read what `to_json` wrote."""
        content = json.loads(text)
        return cls(**{**content, "widths": tuple(content["widths"])})
