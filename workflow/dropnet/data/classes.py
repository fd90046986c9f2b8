"""Classes that a choice of images lacks: by chance, or because the files are sorted by class."""

from typing import TYPE_CHECKING

from dropnet.errors import UserError

if TYPE_CHECKING:
    import torch

NO_CHANCE = 10  # images expected of a class; that none comes has a probability of e^-10
SHOWN = 10  # classes that a message names


def check_classes(what: str, chosen: "torch.Tensor", labels: "torch.Tensor") -> str | None:
    """Say which classes are missing among images that were chosen; None if none is.

    The same for images to train on, to validate and to test with.

    Args:
        what: they are, for the line, e.g. "train_images: 300".
        chosen: their labels, uint8 [n].
        labels: of all images that they were chosen from, uint8 [m].

    Raises:
        UserError: if chance cannot be why: a class was to be expected NO_CHANCE times, or half of
            all images are of classes that are missing.
    """
    import torch

    of_all = torch.bincount(labels)
    expected = of_all * len(chosen) / len(labels)
    missing = (of_all > 0) & (torch.bincount(chosen, minlength=len(of_all)) == 0)
    classes = missing.nonzero().flatten().tolist()
    if not classes:
        return None
    named = ", ".join(map(str, classes[:SHOWN])) + (", ..." if len(classes) > SHOWN else "")
    line = f"{what}: {len(classes)} of {int((of_all > 0).sum())} classes are missing ({named})"
    most, together = expected[missing].max(), expected[missing].sum()
    if most >= NO_CHANCE or together >= len(chosen) / 2:
        raise UserError(
            f"{line}, as where files are sorted by class; allowed: more images, or files in which"
            " the classes are mixed"
        )
    return line
