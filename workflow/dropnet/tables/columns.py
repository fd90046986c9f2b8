"""runs.csv: one row for each seed and cycle."""

import csv
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from dropnet.files.artifacts import atomic_path
from dropnet.settings import Settings

if TYPE_CHECKING:
    from dropnet.networks.cycle import Cycle

COLUMNS = (
    "experiment",
    "dataset",
    "method",
    "seed",
    "cycle",
    "fraction_remaining",
    "remaining",
    "train_accuracy",
    "train_loss",
    "val_accuracy",
    "val_loss",
    "test_accuracy",
    "test_loss",
    "epochs",
)

BASELINE = "baseline"  # the name of the job that no method has

AGREEMENT_COLUMNS = (
    "experiment",
    "method",
    "seed",
    "fraction_remaining",
    "agreement",
    "chance",
)

SIZE_COLUMNS = ("experiment", "method", "seed", "cycle", "parameters", "multiply_adds")

#: What a figure may show, a column of the runs -> the curve's split and the name of its values.
#: Epochs are those run on the training split.
QUANTITIES = {
    "train_accuracy": ("train", "accuracy"),
    "val_accuracy": ("val", "accuracy"),
    "test_accuracy": ("test", "accuracy"),
    "train_loss": ("train", "loss"),
    "val_loss": ("val", "loss"),
    "test_loss": ("test", "loss"),
    "epochs": ("train", "epochs"),
}


def write_runs(
    path: str | Path, settings: Settings, method: str, cycles: Iterable["Cycle"]
) -> None:
    """Write the rows of a run to `path`, by cycle and then seed; floats in shortest exact form."""
    with atomic_path(path) as temporary, temporary.open("w", encoding="utf-8", newline="") as file:
        table = csv.writer(file, lineterminator="\n")
        table.writerow(COLUMNS)
        for cycle in cycles:
            for network in cycle.networks:
                results = network.results
                table.writerow(
                    [
                        settings.experiment,
                        settings.dataset,
                        method,
                        network.seed,
                        cycle.number,
                        network.masks.fraction_remaining,
                        "|".join(map(str, network.masks.remaining)),
                        results.train_accuracy,
                        results.train_loss,
                        results.val_accuracy,
                        results.val_loss,
                        results.test_accuracy,
                        results.test_loss,
                        results.epochs,
                    ]
                )
