"""Prune the networks of an experiment with one method, and survive interruptions.

A finished cycle is kept on disk at once. A run that is started again replays Algorithm 1 and finds
those cycles already trained, so that it goes on where it was interrupted, with the same numbers.
"""

import json
import time
from collections.abc import Callable, Sequence
from hashlib import sha256
from pathlib import Path

from dropnet.masks import Masks
from dropnet.metrics import METRICS
from dropnet.models import MODELS, masked_widths
from dropnet.networks import Cycle, Weights
from dropnet.progress import Progress
from dropnet.pruning import prune_iteratively
from dropnet.schedule import remaining_counts
from dropnet.settings import Settings
from dropnet.store import load_cycles, save_cycles
from dropnet.training.task import BaseTask as Task
from dropnet.training.train import train_cycle
from dropnet.weights import compact


class FinishedCycles:
    """The finished cycles of a run that is not complete yet, one file each.

    Attributes:
        folder: where they lie; it survives the job.
        seconds: how long each cycle took to train, by its number.
    """

    def __init__(self, folder: str | Path, made_from: object) -> None:
        """Open the folder; cycles that were made from anything else do not count.

        Args:
            folder: may be missing.
            made_from: JSON of all that decides the numbers: settings, code, inputs, versions.
        """
        self.folder = Path(folder)
        self.key = sha256(json.dumps(made_from, sort_keys=True).encode()).hexdigest()
        self.seconds: dict[int, float] = {}

    def get(self, number: int, masks: Sequence[Masks]) -> Cycle | None:
        """Return a finished cycle, or None if it has to be trained."""
        path = self._path(number)
        if not path.exists():
            return None
        (cycle,), about = load_cycles(path)
        if about["key"] != self.key or [n.masks for n in cycle.networks] != list(masks):
            path.unlink()  # made by other code, settings or inputs
            return None
        self.seconds[number] = about["seconds"]
        return cycle

    def put(self, cycle: Cycle, seconds: float) -> None:
        """Keep a cycle that has just been trained."""
        self.seconds[cycle.number] = seconds
        save_cycles(self._path(cycle.number), [cycle], {"key": self.key, "seconds": seconds})

    def _path(self, number: int) -> Path:
        return self.folder / f"cycle{number}.safetensors"


def prune(
    settings: Settings,
    method: str,
    task: Callable[[], Task],
    initial: Sequence[Weights],
    unpruned: Cycle,
    finished: FinishedCycles,
    name: str,
) -> list[Cycle]:
    """Run Algorithm 1 with a method and return all its cycles, the unpruned one first.

    Args:
        settings: of the experiment.
        method: a key of METRICS.
        task: prepares the data; called only if something is left to train.
        initial: theta0 of each network, at full size.
        unpruned: cycle 0, trained by `train_unpruned`.
        finished: cycles trained by an interrupted session.
        name: of the run, for its log.
    """
    seeds = [network.seed for network in unpruned.networks]
    metric = METRICS[method]
    layers = MODELS[settings.model](settings.widths, settings.classes)
    counts = remaining_counts(
        masked_widths(layers), settings.prune_fraction, settings.stop_fraction, metric.per_layer
    )
    prepared: list[Task] = []

    fractions = [count / counts[0] for count in counts[1:]]
    with Progress(name, fractions, settings.max_epochs) as progress:

        def train(number: int, masks: list[Masks]) -> Cycle:
            cycle = finished.get(number, masks)
            resumed = cycle is not None
            if cycle is None:
                prepared[:] = prepared or [task()]
                started = time.monotonic()
                steps = [prepared[0].steps(m) for m in masks]
                rewound = [compact(w, s) for w, s in zip(initial, steps, strict=True)]
                cycle = train_cycle(
                    prepared[0], number, seeds, masks, rewound,
                    settings.max_epochs, settings.patience, progress.epoch,
                )  # fmt: skip
                finished.put(cycle, time.monotonic() - started)
            progress.cycle(cycle, resumed)
            return cycle

        return list(
            prune_iteratively(
                unpruned,
                train,
                metric,
                settings.prune_fraction,
                settings.stop_fraction,
                settings.selection,
            )
        )
