"""provenance.json of published/<scale>/: which code, data and machines made what is there."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from dropnet.errors import UserError
from dropnet.files.artifacts import artifact
from dropnet.files.valid_json import read_valid_json
from dropnet.paper import protocol
from dropnet.tables.runs import BASELINE

RECORD = "provenance.json"  # its name in published/<scale>/
ENVIRONMENT = ("versions", "device", "cpu")  # what a job's provenance says of its machine
MEND = "git checkout brings it back"
COMMITTED = "publish what committed code has made (or --allow-dirty, which is recorded)"

Run = tuple[str, str, int]  # experiment, method, seed


def folders(published: str | Path) -> list[Path]:
    """Return the folder of each published scale; none if nothing is published.

    Raises UserError if a folder has runs, but no record of where they come from.
    """
    every = sorted(path.parent for path in Path(published).glob("*/runs.csv"))
    # those that a killed `make publish` was still writing are hidden
    found = [folder for folder in every if not folder.name.startswith(".")]
    for folder in found:
        refuse_unrecorded(folder)
    return found


def refuse_unrecorded(folder: Path) -> None:
    """Raise UserError if a folder has runs, but no record of where they come from."""
    if (folder / "runs.csv").exists() and not (folder / RECORD).exists():
        raise UserError(f"{folder}: has runs.csv, but no {RECORD}; restore it, or remove them")


@dataclass(frozen=True)
class Record:
    """Where the results of some experiments come from.

    Attributes:
        scale: its name.
        note: what is said of results that are not by the paper's protocol.
        settings: of each experiment.
        inputs: SHA-256 of each file that was read.
        jobs: one for each training job: experiment, method, seeds ("0-14", or "0-2,4-14" of one
            whose other seeds were published anew), commit, clean, wall_seconds, and its environment
            (`ENVIRONMENT`); `trained`, if that was more seeds, and `cut_off`, the fraction
            remaining at which its runs were stopped before their end.
    """

    scale: str
    note: str
    settings: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    inputs: Mapping[str, str] = field(default_factory=dict)
    jobs: list[dict[str, Any]] = field(default_factory=list)

    @classmethod
    def read(cls, path: Path) -> "Record":
        """Read what `content` says.

        Raises UserError if the file is missing or damaged, or if its folder is not of its scale.
        """
        content = read_valid_json(path, "published", MEND)
        with artifact(path, MEND):
            environments = content["environments"]
            record = cls(
                scale=content["scale"],
                note=content.get("note", "Not the paper's protocol"),
                settings=content["settings"],
                inputs=content["inputs"],
                jobs=[
                    {**job, "environment": environments[job["environment"]]}
                    for job in content["jobs"]
                ],
            )
            _ = record.reductions, record.runs  # of whatever cannot be read
        if record.scale != path.parent.name.removeprefix("."):  # it may be about to be published
            raise UserError(f"{path}: is of scale {record.scale!r}; allowed: a folder of its name")
        return record

    @property
    def commits(self) -> list[str]:
        """Those that the jobs ran on."""
        return sorted({job["commit"] or "unknown" for job in self.jobs})

    @property
    def unclean(self) -> dict[str, dict[str, str]]:
        """What ran on code that was not committed: methods by experiment, and their seeds."""
        found: dict[str, dict[str, list[int]]] = {}
        for job in self.jobs:
            if not (job["commit"] and job["clean"] is True):
                methods = found.setdefault(job["experiment"], {})
                methods.setdefault(job["method"], []).extend(_seed_numbers(job["seeds"]))
        return {
            name: {method: _blocks(seeds) for method, seeds in methods.items()}
            for name, methods in found.items()
        }

    @property
    def clean(self) -> bool:
        """Whether every job ran on code that was committed."""
        return not self.unclean

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

    @property
    def machines(self) -> list[str]:
        """What they ran on, in words: GPUs, and processors."""
        return sorted({_machine(job) for job in self.jobs})

    def machines_of(self, experiment: str) -> dict[str, list[str]]:
        """Return, by what they ran on, the methods of an experiment."""
        found: dict[str, list[str]] = {}
        for job in self.jobs:
            if job["experiment"] == experiment and job["method"] != BASELINE:
                methods = found.setdefault(_machine(job), [])
                if job["method"] not in methods:
                    methods.append(job["method"])
        return found

    @property
    def runs(self) -> set[Run]:
        """The runs that the jobs of methods have made."""
        return {run for job in self.jobs if job["method"] != BASELINE for run in _runs_of(job)}

    def seeds(self, experiment: str, methods: Collection[str] = ()) -> dict[str, int]:
        """Return how many seeds of each method of an experiment there are, or of these methods."""
        counts: dict[str, int] = {}
        for of_experiment, method, _ in sorted(self.runs):
            if of_experiment == experiment and (not methods or method in methods):
                counts[method] = counts.get(method, 0) + 1
        return counts

    @property
    def reductions(self) -> dict[str, str]:
        """How each experiment differs from the paper's protocol, in words, or ""."""
        return {
            name: protocol.reductions_of(settings, self.seeds(name).values())
            for name, settings in self.settings.items()
        }

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
        datasets = tuple(
            f"{chosen['dataset']}{end}" for chosen in settings.values() for end in (".", "_split_")
        )
        return replace(
            self,
            settings=settings,
            inputs={
                file: checksum
                for file, checksum in self.inputs.items()
                if Path(file).name.startswith(datasets)
            },
            jobs=[job for job in self.jobs if job["experiment"] in settings],
        )

    def without(self, runs: Collection[Run]) -> "Record":
        """Return what it says of other runs, and of the baselines that those were pruned from."""
        jobs = [
            left for job in self.jobs if job["method"] != BASELINE and (left := _left(job, runs))
        ]
        needed = {(name, seed) for job in jobs for name, _, seed in _runs_of(job)}
        baselines = [
            job
            for job in self.jobs
            if job["method"] == BASELINE
            and any((name, seed) in needed for name, _, seed in _runs_of(job))
        ]
        return replace(self, jobs=[*baselines, *jobs])

    def merged(self, old: "Record", order: Mapping[str, Collection[str]]) -> "Record":
        """Return this record together with an older one of other runs.

        Args:
            old: of runs that this one does not have (`without`).
            order: the experiments and their methods, in the order in which they are told.

        Raises UserError if one experiment was made with different settings, or if the two were made
        from different files of one name.
        """
        folder = Path("published", self.scale)
        for name in old.settings.keys() & self.settings.keys():
            published, now = (protocol.complete(s.settings[name]) for s in (old, self))
            other = [key for key in now if published.get(key) != now[key]]
            if other or published.keys() != now.keys():
                key = (other or sorted(published.keys() ^ now.keys()))[0]
                raise UserError(
                    f"{folder}: {name} is published with {key} {published.get(key)!r}, and these"
                    f" have {now.get(key)!r}; --replace {name} puts these in its place"
                )
        for file, checksum in old.inputs.items():
            if self.inputs.get(file, checksum) != checksum:
                raise UserError(f"{folder}: made from another {file}; remove it to publish these")
        every = {**old.settings, **self.settings}
        settings = {name: every[name] for name in order if name in every}
        return replace(
            self,
            settings=settings,
            inputs={**self.inputs, **old.inputs},
            # a baseline that kept runs need may be among the new jobs as well
            jobs=_in_order(
                [*old.jobs, *(job for job in self.jobs if job not in old.jobs)],
                list(settings),
                order,
            ),
        )

    def refuse_unclean(self) -> None:
        """Raise UserError unless each job ran on a committed state of the code."""
        for job in self.jobs:
            where = Path("results", self.scale, job["experiment"])
            what = f"{where}: {job['method']}, seeds {job['seeds']}, was made by"
            if not job["commit"]:
                said = f"{what} code of an unknown commit, as git did not tell it"
                raise UserError(f"{said}; {COMMITTED}")
            if job["clean"] is not True:
                said = f"{what} uncommitted changes to commit {job['commit'][:10]}"
                raise UserError(f"{said}; {COMMITTED}")


def _machine(job: Mapping[str, Any]) -> str:
    where = job["environment"]
    name: str = where["cpu"] if where["device"] == "cpu" else where["device"]
    return name


def _seed_numbers(seeds: str) -> list[int]:
    """The seeds of "0-2,4-14"."""
    ends = [tuple(map(int, block.split("-"))) for block in seeds.split(",")]
    return [seed for first, last in ends for seed in range(first, last + 1)]


def _blocks(seeds: Iterable[int]) -> str:
    """The contrary of `_seed_numbers`."""
    blocks: list[list[int]] = []
    for seed in sorted(seeds):
        if blocks and blocks[-1][1] == seed - 1:
            blocks[-1][1] = seed
        else:
            blocks.append([seed, seed])
    return ",".join(f"{first}-{last}" for first, last in blocks)


def _runs_of(job: Mapping[str, Any]) -> list[Run]:
    return [(job["experiment"], job["method"], seed) for seed in _seed_numbers(job["seeds"])]


def _left(job: dict[str, Any], runs: Collection[Run]) -> dict[str, Any] | None:
    """What is left of a job without some runs; None if nothing is."""
    left = [run for run in _runs_of(job) if run not in runs]
    if not left:
        return None
    if len(left) == len(_runs_of(job)):
        return job
    seeds = _blocks(seed for _, _, seed in left)
    return {**job, "seeds": seeds, "trained": job.get("trained", job["seeds"])}


def _in_order(
    jobs: Iterable[dict[str, Any]],
    experiments: list[str],
    order: Mapping[str, Collection[str]],
) -> list[dict[str, Any]]:
    """Jobs by experiment, the baselines first, then by method and by seed."""

    def place(job: dict[str, Any]) -> tuple[int, int, str, int]:
        name, method = job["experiment"], job["method"]
        methods = [BASELINE, *order.get(name, ())]
        rank = methods.index(method) if method in methods else len(methods)
        return experiments.index(name), rank, method, _seed_numbers(job["seeds"])[0]

    return sorted(jobs, key=place)
