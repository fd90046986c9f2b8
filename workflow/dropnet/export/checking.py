"""Whether an exported network is the one that was trained: over all test images."""

from collections.abc import Callable
from dataclasses import dataclass

import torch

from dropnet.errors import UserError

TOLERANCE = 1e-4  # of a logit
#: Logits closer than this are equal but for rounding: which is larger depends on the order in which
#: sums are taken.
TIE = 1e-5
LARGE = 100  # where an image has logits larger than this, both are larger in proportion
CHUNK = 500  # images at once

Logits = Callable[[torch.Tensor], torch.Tensor]


@dataclass(frozen=True)
class Agreement:
    """How far a network's predictions are those of the one that was trained.

    Attributes:
        images: that were predicted.
        hits: of them, correct predictions.
        largest_difference: of a logit.
        ties: predictions that differ because two logits are equal but for rounding.
    """

    images: int
    hits: int
    largest_difference: float
    ties: int

    @property
    def accuracy(self) -> float:
        """The share of correct predictions."""
        return self.hits / self.images


def all_logits(network: Logits, images: torch.Tensor) -> torch.Tensor:
    """Return the logits [n, classes] of uint8 images [n, channels, height, width]."""
    with torch.no_grad():
        return torch.cat([network(chunk.float().div_(255)) for chunk in images.split(CHUNK)])


def compare(
    name: str, logits: torch.Tensor, trained: torch.Tensor, labels: torch.Tensor
) -> Agreement:
    """Hold a network's logits to those of the engine.

    A network that has diverged has logits that are no numbers; they have to be the same ones.

    Args:
        name: of the network, for the error.
        logits: [n, classes].
        trained: those of the engine, likewise.
        labels: of the images, [n].

    Raises:
        UserError: if a prediction differs, or a logit by more than `TOLERANCE`.
    """
    numbers = trained.isfinite().all(1)
    scale = (trained.abs().amax(1) / LARGE).clamp(min=1)
    differences = (logits - trained).abs().amax(1)
    largest = float((differences / scale)[numbers].max()) if numbers.any() else 0.0
    if not torch.equal(numbers, logits.isfinite().all(1)) or largest > TOLERANCE:
        raise UserError(
            f"{name}: its logits are not those of the network that was trained: they differ by up"
            f" to {largest:.2g}, allowed: {TOLERANCE:g}"
        )
    predictions, expected = logits.argmax(1), trained.argmax(1)
    other = numbers & (predictions != expected)
    gaps = trained.amax(1) - trained.gather(1, predictions[:, None]).squeeze(1)
    wrong = int((other & (gaps > TIE * scale)).sum())
    if wrong:
        raise UserError(
            f"{name}: {wrong} of {len(labels)} predictions are not those of the network that was"
            " trained"
        )
    return Agreement(
        images=len(labels),
        hits=int((numbers & (predictions == labels)).sum()),
        largest_difference=largest,
        ties=int(other.sum()),
    )
