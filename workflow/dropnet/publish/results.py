"""The finished jobs of a scale in results/: which there are, their tables, where they come from."""

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import pandas as pd

from dropnet.config.methods import Method
from dropnet.config.plan import Job, Plan, ScalePlan
from dropnet.errors import UserError, nearest
from dropnet.files.artifacts import AGAIN
from dropnet.files.valid_json import read_valid_json
from dropnet.publish.record import ENVIRONMENT, Record
from dropnet.tables.aggregate import JOB_TABLE, read_runs
from dropnet.tables.agreement import agreement_rows, cycles_of
from dropnet.tables.columns import AGREEMENT, SIZES
from dropnet.tables.runs import BASELINE
from dropnet.tables.sizes import remaining_in, size_rows


@dataclass(frozen=True)
class Finished:
    """The training jobs of a scale that are complete, each with its baseline, and their files.

    Paths are relative to the project's folder, the working directory.

    Attributes:
        plan: of the scale.
        jobs: the baselines and methods, in the order of the configuration. Blocks of seeds are
            those that are there, whatever is configured now; no seed of a method is in two.
    """

    plan: ScalePlan
    jobs: list[Job]

    @classmethod
    def find(cls, plan: Plan, scale: str) -> "Finished":
        """Look which jobs of a scale are complete.

        Raises UserError if the scale is not configured, or if no job is complete.
        """
        configured = plan.config["scales"]
        if scale not in configured:
            allowed = ", ".join(configured)
            hint = nearest(scale, configured)
            raise UserError(f"scale: {scale!r} is not configured{hint}; allowed: {allowed}")
        at_scale = plan.at(scale)
        nothing = cls(at_scale, [])
        jobs = [job for name in plan.experiments for job in nothing._complete(name)]
        if not jobs:
            folder = nothing.folder
            raise UserError(f"{folder}: no job is complete; make figures SCALE={scale} trains them")
        return cls(at_scale, jobs)

    def _complete(self, experiment: str) -> Iterator[Job]:
        """Its complete jobs, the baselines that they need first."""
        methods = [
            job for method in self.plan.plan.experiments[experiment]
            for job in self._blocks(experiment, method)
        ]  # fmt: skip
        for seeds in dict.fromkeys(job.seeds for job in methods):
            yield Job(experiment, None, seeds)
        yield from methods

    def _blocks(self, experiment: str, method: Method) -> list[Job]:
        """The complete jobs of a method; where blocks of seeds overlap, the larger one counts.

        Raises UserError if the other one was made later: which of them is meant, nobody can tell.
        """
        folder = self.folder / Job(experiment, method, "0-0").folder
        found = [
            Job(experiment, method, match["seeds"])
            for path in folder.glob("runs_seeds*.csv")
            if (match := JOB_TABLE.fullmatch(path.name))
        ]
        chosen: list[Job] = []
        for job in sorted(found, key=lambda j: (-len(j.seed_numbers), j.seed_numbers.start)):
            files = [*self.files_of(job), *self.files_of(Job(experiment, None, job.seeds))]
            if not all(path.exists() for path in files):
                continue
            larger = [other for other in chosen if {*other.seed_numbers} & {*job.seed_numbers}]
            for other in larger:
                self._refuse_later(job, other)
            if not larger:
                chosen.append(job)
        return sorted(chosen, key=lambda job: job.seed_numbers.start)

    def _refuse_later(self, job: Job, larger: Job) -> None:
        (table, _, made), (counts, _, made_first) = self.files_of(job), self.files_of(larger)
        started, first = (read_valid_json(path, "job")["started"] for path in (made, made_first))
        if started > first:
            raise UserError(
                f"{table}: made later than {counts.name}, which has some of its seeds as well;"
                " delete the one that shall not count"
            )

    @property
    def scale(self) -> str:
        """Its name."""
        return self.plan.scale

    @property
    def folder(self) -> Path:
        """results/<scale>/."""
        return Path("results", self.scale)

    @property
    def left_out(self) -> list[str]:
        """The experiments of the scale of which a method or a seed is not complete."""
        present = {(j.experiment, j.name, seed) for j in self.jobs for seed in j.seed_numbers}
        return [
            name
            for name in self.plan.experiments
            if any(
                (name, job.name, seed) not in present
                for job in self.plan.jobs(name)
                if job.method
                for seed in job.seed_numbers
            )
        ]

    def files_of(self, job: Job) -> list[Path]:
        """Return what a job leaves behind: its table, its networks, and where they come from."""
        kinds = (("runs", "csv"), ("networks", "safetensors"), ("provenance", "json"))
        folder = self.folder / job.folder
        return [folder / f"{name}_seeds{job.seeds}.{kind}" for name, kind in kinds]

    def check(self) -> None:
        """Raise UserError if a table does not tell of the networks beside it, or of its job."""
        for job in self.jobs:
            if job.method:
                self._check(job)

    def _check(self, job: Job) -> None:
        table, networks, _ = self.files_of(job)
        rows = read_runs([table])
        here = (rows["experiment"] == job.experiment) & (rows["method"] == job.name)
        for other in rows[~here].itertuples():
            message = f"is of {other.experiment}, {other.method}, and not of its folder"
            raise UserError(f"{table}: {message}; {AGAIN}")
        told: dict[tuple[int, int], str] = {
            (row["seed"], row["cycle"]): row["remaining"] for row in rows.to_dict("records")
        }
        found = remaining_in(networks, self.plan.settings(job.experiment))
        kept = {(seed, cycle): remaining for seed, cycle, remaining in found}
        if len(kept) < len(found):
            raise UserError(f"{networks}: has a network twice; {AGAIN}")
        if {seed for seed, _ in kept} != set(job.seed_numbers):
            raise UserError(f"{networks}: is not of the seeds {job.seeds}; {AGAIN}")
        for seed, cycle in sorted(told.keys() ^ kept.keys()):
            there = networks if (seed, cycle) in kept else table
            raise UserError(
                f"{table}: seed {seed}, cycle {cycle} is in {there.name} alone; {AGAIN}"
            )
        for (seed, cycle), remaining in told.items():
            if remaining != kept[seed, cycle]:
                raise UserError(
                    f"{table}: seed {seed}, cycle {cycle} has {remaining} remaining, and in"
                    f" {networks.name} {kept[seed, cycle]}; {AGAIN}"
                )

    @cached_property
    def runs(self) -> pd.DataFrame:
        """The runs of all methods, as in runs.csv. Raises UserError if a table is damaged."""
        methods = self.plan.plan.experiments.items()
        names = {name: [method.name for method in of_name] for name, of_name in methods}
        return read_runs([self.files_of(job)[0] for job in self.jobs if job.method], names)

    def sizes(self) -> pd.DataFrame:
        """Return the sizes of their networks, as in sizes.csv."""
        datasets = self.plan.plan.config["datasets"]
        rows: list[dict[str, Any]] = []
        for name, networks in self._networks(self.jobs):
            settings = self.plan.settings(name)
            rows += size_rows(settings, datasets[settings.dataset]["image"], networks)
        return pd.DataFrame(rows, columns=list(SIZES))

    def agreement(self) -> pd.DataFrame:
        """Return how far their masks are the oracle's, as in agreement.csv.

        Compared are the networks of methods that decide what goes, where their oracle is here too.
        """
        rows: list[dict[str, Any]] = []
        deciding = [job for job in self.jobs if job.method and not job.method.parent]
        for name, networks in self._networks(deciding):
            if "oracle" in networks:
                rows += agreement_rows(name, cycles_of(networks))
        return pd.DataFrame(rows, columns=list(AGREEMENT))

    def _networks(self, jobs: Iterable[Job]) -> Iterator[tuple[str, dict[str, list[Path]]]]:
        """The experiments of jobs, each with the networks of its methods."""
        found: dict[str, dict[str, list[Path]]] = {}
        for job in jobs:
            if job.method:
                of_method = found.setdefault(job.experiment, {}).setdefault(job.name, [])
                of_method.append(self.files_of(job)[1])
        yield from found.items()

    def record(self) -> Record:
        """Return where all of it comes from.

        Raises UserError if a job had other settings than the configured ones, or if two of them
        read different files under one name.
        """
        inputs: dict[str, str] = {}
        jobs = []
        for job in self.jobs:
            path = self.files_of(job)[2]
            made = read_valid_json(path, "job")
            of, seeds = made.get("method", BASELINE), made["seeds"]
            if (of, seeds) != (job.name, [*job.seed_numbers]):
                told = ", ".join(map(str, seeds))
                message = f"is of {of}, seeds {told}; by its name of {job.name}, seeds {job.seeds}"
                raise UserError(f"{path}: {message}; {AGAIN}")
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
        experiments = dict.fromkeys(job.experiment for job in self.jobs)
        return Record(
            scale=self.scale,
            note=self.plan.note,
            settings={name: self._settings(name) for name in experiments},
            inputs=inputs,
            jobs=jobs,
        )

    def _settings(self, experiment: str, method: Method | None = None) -> dict[str, Any]:
        """What is configured, in the form of a job's provenance."""
        return json.loads(self.plan.settings(experiment, method).to_json())
