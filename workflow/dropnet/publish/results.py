"""The finished experiments of a scale in results/ and figures/, complete and in agreement."""

import json
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import pandas as pd

from dropnet.config.methods import Method
from dropnet.config.plan import Figure, Job, Plan, ScalePlan
from dropnet.errors import UserError, nearest
from dropnet.files.artifacts import read_json
from dropnet.files.csv_tables import table_text
from dropnet.publish.record import ENVIRONMENT, Record
from dropnet.tables.aggregate import combine, curve, read_runs
from dropnet.tables.columns import AGREEMENT

KINDS = ("png", "svg")
OF_JOB = ("settings", "inputs", "git", "wall_seconds", *ENVIRONMENT)  # keys of its provenance


@dataclass(frozen=True)
class Finished:
    """The experiments of a scale whose training jobs are all done, and their files.

    Paths are relative to the project's folder, the working directory.

    Attributes:
        plan: of the scale.
        experiments: the finished ones.
        left_out: the others of the scale.
    """

    plan: ScalePlan
    experiments: list[str]
    left_out: list[str]

    @classmethod
    def find(cls, plan: Plan, scale: str) -> "Finished":
        """Look which experiments of a scale are finished.

        Raises UserError if the scale is not configured, if no experiment is finished, or if a
        table or a figure of a finished one is missing.
        """
        configured = plan.config["scales"]
        if scale not in configured:
            allowed = ", ".join(configured)
            hint = nearest(scale, configured)
            raise UserError(f"scale: {scale!r} is not configured{hint}; allowed: {allowed}")
        at_scale = plan.at(scale)
        every = at_scale.experiments
        missing = {name: _absent(cls(at_scale, [name], []).job_files) for name in every}
        done = [name for name in every if not missing[name]]
        finished = cls(at_scale, done, [name for name in every if missing[name]])
        absent = _absent(finished.other_files) if done else missing[every[0]]
        if absent:
            others = f" and {len(absent) - 1} more" if len(absent) > 1 else ""
            raise UserError(f"{absent[0]}{others}: missing; make figures SCALE={scale} makes it")
        return finished

    @property
    def scale(self) -> str:
        """Its name."""
        return self.plan.scale

    @property
    def folder(self) -> Path:
        """results/<scale>/."""
        return Path("results", self.scale)

    @property
    def jobs(self) -> list[Job]:
        """The training jobs."""
        return list(self.plan.jobs(*self.experiments))

    @property
    def job_files(self) -> list[Path]:
        """What the training jobs leave behind: tables, and where they come from."""
        tables = [self.folder / job.folder / f"runs_seeds{job.seeds}.csv" for job in self.jobs]
        return [*tables, *map(self.provenance_of, self.jobs)]

    @property
    def other_files(self) -> list[Path]:
        """What follows from these and has to be there as well."""
        return [*self.curves.values(), *self.pictures, *self.agreements, *self.sizes]

    @property
    def figures(self) -> dict[str, Figure]:
        """The figures that show the experiments, by name."""
        every = self.plan.figures.items()
        return {name: figure for name, figure in every if figure.experiment in self.experiments}

    @property
    def curves(self) -> dict[str, Path]:
        """What each figure is drawn from."""
        return {name: self.folder / "curves" / f"{name}.csv" for name in self.figures}

    @property
    def pictures(self) -> list[Path]:
        """The figures, in each of `KINDS`."""
        return [Path("figures", self.scale, f"{f}.{kind}") for f in self.figures for kind in KINDS]

    @property
    def agreements(self) -> list[Path]:
        """Tables of how far masks agree with the oracle's, of experiments that have one."""
        return [
            self.folder / name / "agreement.csv"
            for name in sorted(self.experiments)
            if "oracle" in self._methods[name]
        ]

    @property
    def sizes(self) -> list[Path]:
        """Tables of the networks' sizes."""
        return [self.folder / name / "sizes.csv" for name in sorted(self.experiments)]

    def provenance_of(self, job: Job) -> Path:
        """Return where a job has written what it was made from."""
        return self.folder / job.folder / f"provenance_seeds{job.seeds}.json"

    def tables(self) -> dict[str, str]:
        """Return the text of runs.csv, curves.csv, sizes.csv and agreement.csv.

        Raises UserError if a figure was drawn from a curve that is not what the runs give now.
        """
        return {
            "runs.csv": table_text(self._runs),
            "curves.csv": self._curves_text(),
            "sizes.csv": _joined(self.sizes),
            "agreement.csv": _joined(self.agreements) or f"{','.join(AGREEMENT)}\n",
        }

    @cached_property
    def _runs(self) -> pd.DataFrame:
        pruning = [job for job in self.jobs if job.method]
        files = [self.folder / job.folder / f"runs_seeds{job.seeds}.csv" for job in pruning]
        return read_runs(files, self._methods)

    @property
    def _methods(self) -> dict[str, list[str]]:
        """The names of the methods of each experiment."""
        methods = self.plan.plan.experiments
        return {name: [method.name for method in methods[name]] for name in self.experiments}

    def _curves_text(self) -> str:
        accuracies = []
        for name, path in self.curves.items():
            figure = self.figures[name]
            of_figure = curve(
                self._runs[self._runs["experiment"] == figure.experiment],
                name,
                figure.shows,
                figure.runs,
                figure.stop_fraction,
            )
            if path.read_text(encoding="utf-8") != table_text(of_figure):
                message = "does not follow from the present runs; make figures again"
                raise UserError(f"{path}: {message}")
            if figure.shows.endswith("_accuracy"):
                accuracies.append(of_figure)
        return table_text(combine(accuracies))

    def record(self) -> Record:
        """Return where all of it comes from.

        Raises UserError if a job had other settings than the configured ones, or if two of them
        read different files under one name.
        """
        inputs: dict[str, str] = {}
        jobs = []
        for job in self.jobs:
            path = self.provenance_of(job)
            made = read_json(path, OF_JOB)
            if made["settings"] != self._settings(job.experiment, job.method):
                message = "made with other settings than config.yaml's; make it again"
                raise UserError(f"{path}: {message}")
            if job.method is None:  # reads the data alone
                for file, checksum in made["inputs"].items():
                    if inputs.setdefault(file, checksum) != checksum:
                        raise UserError(f"{path}: read another {file} than the jobs before it")
            jobs.append(
                {
                    **{"experiment": job.experiment, "method": job.name, "seeds": job.seeds},
                    **made["git"],
                    "environment": {key: made[key] for key in ENVIRONMENT},
                    "wall_seconds": made["wall_seconds"],
                }
            )
        return Record(
            scale=self.scale,
            note=self.plan.note,
            reductions={name: self.plan.reductions(name) for name in self.experiments},
            settings={name: self._settings(name) for name in self.experiments},
            inputs=inputs,
            jobs=jobs,
        )

    def _settings(self, experiment: str, method: Method | None = None) -> dict[str, Any]:
        """What is configured, in the form of a job's provenance."""
        return json.loads(self.plan.settings(experiment, method).to_json())


def _absent(files: list[Path]) -> list[Path]:
    return [path for path in files if not path.exists()]


def _joined(paths: list[Path]) -> str:
    """The text of several tables of the same columns, one after the other; of none ""."""
    if not paths:
        return ""
    texts = [path.read_text(encoding="utf-8").splitlines(keepends=True) for path in paths]
    return "".join([texts[0][0], *(row for _, *rows in texts for row in rows)])
