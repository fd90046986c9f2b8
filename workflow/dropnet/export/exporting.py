"""From a run to files: a network at its pruned size, and with its widths rounded up."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch

from dropnet.errors import UserError
from dropnet.export import onnx_file
from dropnet.export.card import in_a_line, make_card
from dropnet.export.checking import TIE, all_logits, compare
from dropnet.export.choice import choose
from dropnet.export.module import NetworkModule
from dropnet.export.widths import round_up
from dropnet.files.artifacts import write_json
from dropnet.networks.cycle import Cycle
from dropnet.networks.models import layers_of
from dropnet.networks.sizes import size_of
from dropnet.networks.steps import steps_of
from dropnet.settings import Settings
from dropnet.training.operations import channels_last, operations_of

ROUNDINGS = (1, 8, 16)  # what widths are rounded up to


def file_of(path: str | Path, rounding: int) -> Path:
    """Return where a network with rounded widths goes, by the path of that of the exact size."""
    path = Path(path)
    return path if rounding == 1 else path.with_stem(f"{path.stem}_by{rounding}")


def export(
    path: str | Path,
    settings: Settings,
    method: str,
    cycles: Sequence[Cycle],
    seed: int,
    cycle: int | None,
    test: tuple[torch.Tensor, torch.Tensor],
    provenance: Mapping[str, Any],
) -> None:
    """Write a network of a run, of the exact size and for each of `ROUNDINGS`, with their cards.

    Args:
        path: of the network of the exact size; a card has its network's name.
        settings: of the run.
        method: of the run, as the tables name it.
        cycles: of the run.
        seed: of the network.
        cycle: its number; None for the smallest within a point (see `choice`).
        test: the test set, uint8 images [n, channels, height, width] and labels [n].
        provenance: of the job that trained it.

    Raises:
        UserError: if the run has no such network, or what was written does not predict what the
            trained network does.
    """
    number, network = choose(cycles, seed, cycle)
    _, unpruned = choose(cycles, seed, min(one.number for one in cycles))
    images, labels = test[0], test[1].long()
    channels, height, width = images.shape[1:]
    steps = steps_of(layers_of(settings), (channels, height, width), network.masks)
    engine = operations_of(steps, network.weights, torch.float32)
    trained = all_logits(lambda x: engine.forward(channels_last(x)), images)
    for rounding in ROUNDINGS:
        own = file_of(path, rounding)
        rounded, weights = round_up(steps, network.weights, images.shape[1:], rounding)
        module = NetworkModule(rounded, weights, images.shape[1:])
        says = in_a_line(settings, method, network, number, rounding)
        of_module = compare(f"{own} in torch", all_logits(module, images), trained, labels)
        onnx_file.write(own, module, images.shape[1:], says)
        try:
            of_file = compare(str(own), _logits_of_file(own, images), trained, labels)
            if settings.precision == "float32":
                _check_recorded(own, of_file.hits, network.results.test_accuracy, trained, labels)
        except UserError:
            own.unlink()
            raise
        card = make_card(
            own,
            settings,
            method,
            network,
            number,
            rounding,
            unpruned.results.test_accuracy,
            (channels, height, width),
            size_of(rounded, height, width),
            of_module,
            of_file,
            provenance,
        )
        write_json(own.with_suffix(".json"), card)


def _logits_of_file(path: Path, images: torch.Tensor) -> torch.Tensor:
    session = onnx_file.start(path)
    return all_logits(
        lambda chunk: torch.from_numpy(onnx_file.logits_of(session, chunk.numpy())), images
    )


def _check_recorded(
    path: Path, hits: int, recorded: float, trained: torch.Tensor, labels: torch.Tensor
) -> None:
    """Refuse a file whose accuracy is not what the run recorded, but for ties."""
    highest = trained.topk(2).values
    ties = int((highest[:, 0] - highest[:, 1] <= TIE).sum())
    if abs(hits - recorded * len(labels)) > ties + 0.5:
        raise UserError(
            f"{path}: {hits} of {len(labels)} predictions are correct, but the run recorded an"
            f" accuracy of {recorded:.4f}: the data set is not the one that it was tested on;"
            " delete results of it and run again"
        )
