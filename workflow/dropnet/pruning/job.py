"""What all jobs that train have in common: inputs, what they keep, where results come from."""

import argparse
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch

from dropnet.files.artifacts import write_json
from dropnet.files.code_files import code_sums, versions_of
from dropnet.files.provenance import Moment, collect
from dropnet.networks.cycle import Cycle
from dropnet.networks.cycle_files import save_cycles
from dropnet.networks.models import MODELS, convolves, engine_of, layers_of
from dropnet.pruning.resume import FinishedCycles
from dropnet.settings import Settings
from dropnet.tables.runs import BASELINE, write_runs
from dropnet.training.data import load_task
from dropnet.training.device import find_device, name_of
from dropnet.training.task import BaseTask


def arguments(description: str, files: Sequence[str]) -> argparse.ArgumentParser:
    """Return a parser of what every such script is given, and of the names of its files."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--settings", type=Settings.from_json, required=True, help="as JSON")
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda or cuda:N")
    parser.add_argument("--finished", required=True, help="folder that keeps what is finished")
    for file in ("dataset", "split", *files, "runs", "networks", "provenance"):
        parser.add_argument(f"--{file}", required=True)
    return parser


class TrainingJob:
    """One job: it trains with one thread, and says where its results come from.

    Attributes:
        finished: cycles that an interrupted attempt has trained.
    """

    def __init__(
        self,
        script: str | Path,
        args: argparse.Namespace,
        inputs: Sequence[str] = (),
        modules: Sequence[str] = (),
        **about: Any,
    ) -> None:
        """Start the job.

        Args:
            script: the job's own.
            args: of `arguments`.
            inputs: files that it reads beside the data set and its split.
            modules: that it imports by name, beside the engine and the model.
            about: what else decides its numbers: the seeds, and the method if it has one; JSON.
        """
        torch.set_num_threads(1)
        self._args, self._about = args, about
        self._device = find_device(
            args.device, args.settings.precision, convolves(layers_of(args.settings))
        )
        settings = json.loads(args.settings.to_json())
        files = [args.dataset, args.split, *inputs]
        self._provenance = collect(settings, files, Moment.now(), name_of(self._device))
        engine = engine_of(args.settings, self._device.type == "cuda")
        model = MODELS[args.settings.model].module
        made_from = {
            "settings": settings,
            **about,
            "device": name_of(self._device),
            "code": code_sums(script, [engine, model, *modules]),
            "inputs": list(self._provenance["inputs"].values()),
            "versions": versions_of("train"),
        }
        self.finished = FinishedCycles(args.finished, made_from)

    def task(self) -> BaseTask:
        """Prepare the data."""
        args = self._args
        return load_task(args.settings, args.dataset, args.split, self._device)

    @property
    def name(self) -> str:
        """Of the job, for its log."""
        seeds = self._about["seeds"]
        return f"{self._args.settings.experiment} {self._method}, seeds {seeds[0]}-{seeds[-1]}"

    @property
    def _method(self) -> str:
        return self._about.get("method", BASELINE)

    def write(self, cycles: Sequence[Cycle]) -> None:
        """Write the networks of all cycles, the provenance and, last, the table."""
        save_cycles(self._args.networks, cycles)
        self._write_provenance()
        write_runs(self._args.runs, self._args.settings, self._method, cycles)

    def _write_provenance(self) -> None:
        """Write it, with the seconds that each cycle took, interrupted attempts included."""
        seconds: Mapping[int, float] = self.finished.seconds
        write_json(
            self._args.provenance,
            {
                **self._provenance,
                **self._about,
                "cycle_seconds": {str(number): round(s, 1) for number, s in seconds.items()},
                "wall_seconds": round(sum(seconds.values()), 1),
            },
        )
