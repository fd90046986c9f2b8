"""provenance.json of published/<scale>/: which code, data and machines made what is there."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from dropnet.errors import UserError
from dropnet.files.artifacts import artifact, read_json

RECORD = "provenance.json"  # its name in published/<scale>/
ENVIRONMENT = ("versions", "device", "cpu")  # what a job's provenance says of its machine
KEYS = ("settings", "reductions", "inputs", "environments", "jobs", "scale")
MEND = "git checkout brings it back"
ONE_STATE = "publish one committed state of the code (or --allow-dirty, which is recorded)"


@dataclass(frozen=True)
class Record:
    """Where the results of some experiments come from.

    Attributes:
        scale: its name.
        note: what is said of results that are not by the paper's protocol.
        reductions: how each experiment differs from the paper's protocol, in words, or "".
        settings: of each experiment.
        inputs: SHA-256 of each file that was read.
        jobs: one for each training job: experiment, method, seeds, commit, clean, wall_seconds,
            and its environment (`ENVIRONMENT`).
    """

    scale: str
    note: str
    reductions: Mapping[str, str] = field(default_factory=dict)
    settings: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    inputs: Mapping[str, str] = field(default_factory=dict)
    jobs: list[dict[str, Any]] = field(default_factory=list)

    @classmethod
    def read(cls, path: Path) -> "Record":
        """Read what `content` says. Raises UserError if the file is missing or damaged."""
        content = read_json(path, KEYS, MEND)
        with artifact(path, MEND):
            environments = content["environments"]
            return cls(
                scale=content["scale"],
                note=content.get("note", "Not the paper's protocol"),
                reductions=content["reductions"],
                settings=content["settings"],
                inputs=content["inputs"],
                jobs=[
                    {**job, "environment": environments[job["environment"]]}
                    for job in content["jobs"]
                ],
            )

    @property
    def commits(self) -> list[str]:
        """Those that the jobs ran on."""
        return sorted({job["commit"] or "unknown" for job in self.jobs})

    @property
    def clean(self) -> bool:
        """Whether every job ran on code that was committed."""
        return all(job["commit"] and job["clean"] is True for job in self.jobs)

    @property
    def wall_seconds(self) -> float:
        """What all jobs took together."""
        return round(sum(job["wall_seconds"] for job in self.jobs), 1)

    @property
    def environments(self) -> list[dict[str, Any]]:
        """The different ones that the jobs ran in."""
        different: list[dict[str, Any]] = []
        for job in self.jobs:
            if job["environment"] not in different:
                different.append(job["environment"])
        return different

    def content(self) -> dict[str, Any]:
        """Return it as it is written: what the jobs have in common is said once."""
        environments = self.environments
        return {
            "scale": self.scale,
            "commits": self.commits,
            "clean": self.clean,
            "wall_seconds": self.wall_seconds,
            "jobs": [
                {**job, "environment": environments.index(job["environment"])} for job in self.jobs
            ],
            "note": self.note,
            "reductions": self.reductions,
            "settings": self.settings,
            "inputs": self.inputs,
            "environments": environments,
        }

    def only(self, experiments: Collection[str]) -> "Record":
        """Return the part that tells of some experiments."""
        settings = {name: self.settings[name] for name in self.settings if name in experiments}
        datasets = tuple(chosen["dataset"] for chosen in settings.values())
        return replace(
            self,
            reductions={name: self.reductions[name] for name in settings},
            settings=settings,
            inputs={
                file: checksum
                for file, checksum in self.inputs.items()
                if Path(file).name.startswith(datasets)
            },
            jobs=[job for job in self.jobs if job["experiment"] in settings],
        )

    def merged(self, old: "Record") -> "Record":
        """Return this record with that of other experiments in front.

        Raises UserError if the two were made from different files of one name.
        """
        for file, checksum in old.inputs.items():
            if self.inputs.get(file, checksum) != checksum:
                folder = Path("published", self.scale)
                raise UserError(f"{folder}: made from another {file}; remove it to publish these")
        return replace(
            self,
            reductions={**old.reductions, **self.reductions},
            settings={**old.settings, **self.settings},
            inputs={**self.inputs, **old.inputs},
            jobs=[*old.jobs, *self.jobs],
        )

    def refuse_mixed(self) -> None:
        """Raise UserError unless the jobs of each experiment ran on one committed state."""
        for experiment in self.settings:
            jobs = replace(self, jobs=[j for j in self.jobs if j["experiment"] == experiment])
            made = f"{Path('results', self.scale, experiment)}: made by"
            commits = [commit[:10] for commit in jobs.commits]
            if len(commits) > 1:
                said = f"{made} {len(commits)} commits, {', '.join(commits)}"
                raise UserError(f"{said}; {ONE_STATE}")
            if not all(job["commit"] for job in jobs.jobs):
                said = f"{made} code of an unknown commit, as git did not tell it"
                raise UserError(f"{said}; {ONE_STATE}")
            if not jobs.clean:
                said = f"{made} uncommitted changes to commit {commits[0]}"
                raise UserError(f"{said}; {ONE_STATE}")
