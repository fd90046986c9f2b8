"""runs.csv: one row for each seed and cycle.

Of the tables, jobs that train load this module alone: an edit of another retrains nothing.
"""

from collections.abc import Iterable, Iterator
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dropnet.files.csv_rows import COUNT, FRACTION, LOSS, TEXT, WIDTHS, Reader, write_rows
from dropnet.settings import Settings

if TYPE_CHECKING:
    from dropnet.networks.cycle import Cycle

#: The columns, and how their cells are read. From `train_accuracy` on: `networks.cycle.Results`.
RUNS: dict[str, Reader] = {
    "experiment": TEXT,
    "dataset": TEXT,
    "method": TEXT,
    "seed": COUNT,
    "cycle": COUNT,
    "fraction_remaining": FRACTION,
    "remaining": WIDTHS,
    "train_accuracy": FRACTION,
    "train_loss": LOSS,
    "val_accuracy": FRACTION,
    "val_loss": LOSS,
    "test_accuracy": FRACTION,
    "test_loss": LOSS,
    "epochs": COUNT,
}

BASELINE = "baseline"  # the name of the job that no method has


def write_runs(
    path: str | Path, settings: Settings, method: str, cycles: Iterable["Cycle"]
) -> None:
    """Write the rows of a method's cycles to `path`, by cycle and then seed."""
    write_rows(path, RUNS, _rows(settings, method, cycles))


def _rows(settings: Settings, method: str, cycles: Iterable["Cycle"]) -> Iterator[dict[str, Any]]:
    for cycle in cycles:
        for network in cycle.networks:
            yield {
                "experiment": settings.experiment,
                "dataset": settings.dataset,
                "method": method,
                "seed": network.seed,
                "cycle": cycle.number,
                "fraction_remaining": network.masks.fraction_remaining,
                "remaining": "|".join(map(str, network.masks.remaining)),
                **asdict(network.results),
            }
