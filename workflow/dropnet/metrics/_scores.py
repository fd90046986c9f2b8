"""What metrics return is checked before anything is dropped by it: it may be anybody's code."""

import traceback
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import torch

from dropnet.errors import UserError, of_the_machine
from dropnet.networks.cycle import Statistics

LONGEST = 300  # characters of an error's own words
LARGEST = 1e6  # number in a sound network: of much larger ones squares are beyond single precision


@contextmanager
def blamed_on(metric: str, file: str) -> Iterator[None]:
    """Turn an error of a metric into a UserError that names the metric, and the line of its file.

    What the machine refuses is let through, and so is what is an error of the user already.
    """
    try:
        yield
    except (Exception, SystemExit) as error:  # it may not end the job, either
        if isinstance(error, UserError) or of_the_machine(error):
            raise
        lines = [
            f", line {frame.lineno}"
            for frame in traceback.extract_tb(error.__traceback__)
            if frame.filename == file
        ]
        where = f"{file}{lines[-1] if lines else ''}"
        said = str(error)[:LONGEST]
        raise UserError(f"metric {metric!r}: {where}: {type(error).__name__}: {said}") from error


def checked(
    metric: str,
    what: str,
    scores: object,
    known: Statistics,
    weights: Iterable[torch.Tensor] = (),
) -> list[torch.Tensor]:
    """Return the scores, or statistics, of a metric if they are one number for each remaining node.

    A network that diverged has statistics that are not numbers, or activations or weights beyond
    `LARGEST`, and its scores need not be any either: those rank above all others. Infinite ones are
    numbers.

    Args:
        metric: its name, for the error.
        what: came from it, e.g. "importance".
        scores: that came, for each masked layer.
        known: the statistics that they are made from.
        weights: likewise.

    Raises:
        UserError: if they are anything else.
    """
    sizes = [len(values) for values in known["mean_activation"]]
    blamed = f"metric {metric!r}: {what}"
    if not isinstance(scores, Sequence) or isinstance(scores, str) or len(scores) != len(sizes):
        many = f" of {len(scores)}" if isinstance(scores, Sequence | dict) else ""
        raise UserError(
            f"{blamed}: a {type(scores).__name__}{many} came;"
            f" needed: a list of {len(sizes)} tensors, one for each masked layer"
        )
    healthy = all(bool(values.isfinite().all()) for of in known.values() for values in of)
    # comparisons with nan are False
    sound = (bool((v.abs() <= LARGEST).all()) for v in (*known["mean_activation"], *weights))
    healthy = healthy and all(sound)
    for layer, (values, size) in enumerate(zip(scores, sizes, strict=True), start=1):
        needed = f"needed: a tensor of {size} finite floats, one for each remaining node"
        came = _trouble(values, size, healthy)
        if came:
            raise UserError(f"{blamed}, layer {layer}: {came} came; {needed}")
    return list(scores)


def by_name(metric: str, function: str, found: object) -> dict[Any, Any]:
    """Return, as a dict of its own, what a metric's `gather` or `measure` returned.

    Args:
        metric: its name, for the error.
        function: that it came from.
        found: that came.

    Raises:
        UserError: if it is no mapping.
    """
    if not isinstance(found, Mapping):
        raise UserError(
            f"metric {metric!r}: {function}: a {type(found).__name__} came; needed: a dict of"
            " tensors by name"
        )
    return dict(found)


def check_sums(
    metric: str, sums: dict[Any, Any], layers: Sequence[object], shapes: dict[str, list[torch.Size]]
) -> None:
    """Refuse what a metric's `gather` returned, unless they are tensors by name.

    Args:
        metric: its name, for the error.
        sums: that came.
        layers: what it was given, one for each masked layer.
        shapes: of what came for earlier samples, by name; those of new names are added.

    Raises:
        UserError: if they are anything else.
    """
    for name, values in sums.items():
        of_layers = values if isinstance(values, list | tuple) else None
        tensors = [values] if of_layers is None else of_layers
        if not all(isinstance(tensor, torch.Tensor) for tensor in tensors) or (
            of_layers is not None and len(of_layers) != len(layers)
        ):
            kind = type(values).__name__ if of_layers is None else f"list of {len(of_layers)}"
            raise UserError(
                f"metric {metric!r}: gather: {name}: a {kind} came; needed: a tensor, or a list of"
                f" {len(layers)} tensors, one for each masked layer"
            )
        came = [tensor.shape for tensor in tensors]
        if shapes.setdefault(name, came) != came:
            first, now = ([list(shape) for shape in of] for of in (shapes[name], came))
            raise UserError(
                f"metric {metric!r}: gather: {name}: tensors of the shapes {now} came, and"
                f" {first} for earlier samples; needed: sums over samples, always of one shape"
            )


def _trouble(values: object, size: int, healthy: bool) -> str | None:
    """Say what came instead of so many numbers; None if it is those."""
    if not isinstance(values, torch.Tensor):
        return f"a {type(values).__name__}"
    if not values.is_floating_point() or values.device.type != "cpu" or values.is_sparse:
        return f"a tensor of {values.dtype} on {values.device}"
    if values.shape != (size,):
        return f"a tensor of the shape {list(values.shape)}"
    if healthy and bool(values.isnan().any()):
        return f"nan, for node {int(values.isnan().nonzero()[0])} of those remaining (from 0 on),"
    return None
