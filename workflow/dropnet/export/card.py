"""What is said of an exported network: a JSON card beside its file."""

from collections.abc import Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

from dropnet.export.checking import Agreement
from dropnet.export.onnx_file import IMAGES, LOGITS, OPSET
from dropnet.networks.cycle import Network
from dropnet.networks.sizes import Size
from dropnet.settings import Settings, unit_of
from dropnet.tables.runs import BASELINE

VERSIONS = ("torch", "onnx", "onnxruntime")


def in_a_line(settings: Settings, method: str, network: Network, cycle: int, rounding: int) -> str:
    """Say in a line what a network is."""
    left, of = sum(network.masks.remaining), sum(len(layer) for layer in network.masks.layers)
    unit = unit_of(settings.model)
    how = "unpruned" if method == BASELINE or cycle == 0 else f"pruned by {method}"
    widths = f", widths rounded up to multiples of {rounding}" if rounding > 1 else ""
    return (
        f"{settings.experiment} on {settings.dataset}, {how}: {left} of {of} {unit} remain"
        f" (scale {settings.scale}, seed {network.seed}, cycle {cycle}){widths}"
    )


def make_card(
    path: str | Path,
    settings: Settings,
    method: str,
    network: Network,
    cycle: int,
    rounding: int,
    unpruned_accuracy: float,
    image: Sequence[int],
    size: Size,
    module: Agreement,
    file: Agreement,
    provenance: Mapping[str, Any],
) -> dict[str, Any]:
    """Return the card of a network.

    Args:
        path: of its file, which is written.
        settings: of the run.
        method: of the run, as the tables name it.
        network: as it was trained.
        cycle: its number.
        rounding: what its widths are rounded up to; 1 for not at all.
        unpruned_accuracy: that of the unpruned network of its seed, as the run recorded it.
        image: (channels, height, width).
        size: of the network in the file.
        module: how far torch's module agrees with the engine over the test images.
        file: how far the file does, run by onnxruntime.
        provenance: of the job that trained it.
    """
    return {
        "is": in_a_line(settings, method, network, cycle, rounding),
        "file": Path(path).name,
        "scale": settings.scale,
        "experiment": settings.experiment,
        "dataset": settings.dataset,
        "model": settings.model,
        "method": method,
        "seed": network.seed,
        "cycle": cycle,
        "rounding": rounding,
        "widths": list(settings.widths),
        "remaining": list(network.masks.remaining),
        "fraction_remaining": network.masks.fraction_remaining,
        "input": {
            "name": IMAGES,
            "type": "float32",
            "shape": ["batch", *image],
            "values": "0 to 1: what the data set has, divided by 255",
        },
        "output": {"name": LOGITS, "type": "float32", "shape": ["batch", settings.classes]},
        "accuracy": file.accuracy,
        "recorded_accuracy": network.results.test_accuracy,
        "unpruned_accuracy": unpruned_accuracy,
        "test_images": file.images,
        "largest_logit_difference": {
            "torch": module.largest_difference,
            "onnxruntime": file.largest_difference,
        },
        "ties": file.ties,
        "parameters": size.parameters,
        "multiply_adds": size.multiply_adds,
        "bytes": Path(path).stat().st_size,
        "opset": OPSET,
        "trained": {
            "commit": provenance["git"]["commit"],
            "clean": provenance["git"]["clean"],
            "started": provenance["started"],
            "device": provenance["device"],
            "cpu": provenance["cpu"],
        },
        "versions": {package: version(package) for package in VERSIONS},
    }
