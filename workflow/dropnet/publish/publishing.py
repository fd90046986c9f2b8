"""published/<scale>/: the committed copy of a finished run, with where it comes from.

Only experiments that are complete, of the present configuration and each of one committed state of
the code are copied. What was published earlier of other experiments stays: long runs are made one
at a time, on several machines. All paths are relative to the project's folder, the working
directory.
"""

import csv
import io
import json
import shutil
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from operator import itemgetter
from pathlib import Path
from typing import Any

from dropnet.config import plan as configuration
from dropnet.errors import UserError, nearest
from dropnet.files.artifacts import atomic_path, read_json, write_json, write_text
from dropnet.files.csv_tables import table_text
from dropnet.tables.aggregate import combine, curve, read_runs
from dropnet.tables.columns import AGREEMENT_COLUMNS

Config = Mapping[str, Any]
KINDS = ("png", "svg")
Jobs = list[tuple[configuration.Job, Path]]


@dataclass(frozen=True)
class Published:
    """What was copied.

    Attributes:
        files: written, published/<scale>/runs.csv the first.
        left_out: experiments of the scale whose runs are not complete.
    """

    files: list[Path]
    left_out: list[str]


def publish(config: Config, scale: str, *, allow_dirty: bool = False) -> Published:
    """Copy tables and figures of a scale to published/<scale>/, and write provenance.json there.

    Raises UserError, before anything is written, if no experiment is complete, a figure of a
    complete one is missing or does not follow from its runs, or a job had other settings than the
    configured ones; if it read other data than what is published already; and, unless
    `allow_dirty`, if an experiment's jobs ran on several commits or on code that was not committed.
    """
    if scale not in config["scales"]:
        allowed = ", ".join(config["scales"])
        hint = nearest(scale, config["scales"])
        raise UserError(f"scale: {scale!r} is not configured{hint}; allowed: {allowed}")
    target = Path("published", scale)
    missing = {
        name: [path for path in _job_files(_jobs(config, scale, [name])) if not path.exists()]
        for name in configuration.experiments(config, scale)
    }
    complete = [name for name, files in missing.items() if not files]
    if not complete:
        _refuse_missing(next(iter(missing.values())), scale)
    figures = [
        name
        for name in configuration.figures(config, scale)
        if config["figures"][name]["experiment"] in complete
    ]
    drawn = [Path("figures", scale, f"{name}.{kind}") for name in figures for kind in KINDS]
    drawn_from = [Path("results", scale, "curves", f"{name}.csv") for name in figures]
    compared = [
        Path("results", scale, name, "agreement.csv")
        for name in complete
        if "oracle" in config["experiments"][name]["methods"]
    ]
    sizes = [Path("results", scale, name, "sizes.csv") for name in complete]
    needed = [*drawn_from, *drawn, *compared, *sizes]
    _refuse_missing([path for path in needed if not path.exists()], scale)
    jobs = _jobs(config, scale, complete)
    runs, curves = _tables(config, jobs, dict(zip(figures, drawn_from, strict=True)))
    provenance = _gather(config, scale, jobs)
    if not allow_dirty:
        _refuse_mixed(provenance, Path("results", scale))

    before = _before(target)
    configured = config["experiments"]
    kept = [name for name in before["settings"] if name not in complete and name in configured]
    provenance = _with_kept(provenance, before, kept, target)
    made = {"runs.csv": runs, "curves.csv": curves, "sizes.csv": _joined(sorted(sizes))}
    if compared or (target / "agreement.csv").exists():
        made["agreement.csv"] = _joined(sorted(compared)) or f"{','.join(AGREEMENT_COLUMNS)}\n"
    tables = {
        target / name: _with_rows(text, target / name, kept, config["figures"])
        for name, text in made.items()
    }
    for path, text in tables.items():
        write_text(path, text)
    copies = {path: target / "figures" / path.name for path in drawn}
    for source, copy in copies.items():
        with atomic_path(copy) as temporary:
            shutil.copyfile(source, temporary)
    for old in set((target / "figures").glob("*")) - set(copies.values()):
        figure = config["figures"].get(old.stem)
        if figure is None or figure["experiment"] not in kept:
            old.unlink()  # it is no longer configured
    write_json(target / "provenance.json", provenance)
    files = [*tables, *copies.values(), target / "provenance.json"]
    return Published(files, [name for name in missing if name not in complete])


def _jobs(
    config: Config, scale: str, experiments: Iterable[str]
) -> list[tuple[configuration.Job, Path]]:
    """Every training job that some experiments have at a scale, and its folder."""
    return [
        (job, Path("results", scale, job.folder))
        for experiment in experiments
        for job in configuration.jobs(config, scale, experiment)
    ]


def _files(jobs: Jobs, artifact: str, kind: str) -> list[Path]:
    return [folder / f"{artifact}_seeds{job.seeds}.{kind}" for job, folder in jobs]


def _job_files(jobs: Jobs) -> list[Path]:
    return [*_files(jobs, "runs", "csv"), *_files(jobs, "provenance", "json")]


def _refuse_missing(missing: list[Path], scale: str) -> None:
    if missing:
        others = f" and {len(missing) - 1} more" if len(missing) > 1 else ""
        raise UserError(f"{missing[0]}{others}: missing; make figures SCALE={scale} makes it")


def _before(target: Path) -> dict[str, Any]:
    """The record of what is published already. Raises UserError if it is not one."""
    path = target / "provenance.json"
    empty = {"settings": {}, "reductions": {}, "inputs": {}, "environments": [], "jobs": []}
    mend = "git checkout brings it back"
    return read_json(path, empty, mend) if path.exists() else empty


def _with_rows(text: str, published: Path, kept: list[str], figures: Iterable[str]) -> str:
    """A table with the rows that the published one has of some experiments, cell by cell the same.

    Rows of figures that are no longer configured are left out.

    Both are in the order of their first column, the experiment or the figure.
    """
    if not kept or not published.exists():
        return text
    head, *rows = csv.reader(io.StringIO(text))
    anew = {row[head.index("figure")] for row in rows} if "figure" in head else set()
    with published.open(newline="", encoding="utf-8") as file:
        old_head, *old = csv.reader(file)
    if head != old_head:
        raise UserError(f"{published}: has other columns than now: {', '.join(old_head)}")
    rows += [
        row
        for row in old
        if row[head.index("experiment")] in kept
        and ("figure" not in head or row[head.index("figure")] in set(figures) - anew)
    ]
    merged = io.StringIO()
    csv.writer(merged, lineterminator="\n").writerows([head, *sorted(rows, key=itemgetter(0))])
    return merged.getvalue()


def _with_kept(
    new: dict[str, Any], before: dict[str, Any], kept: list[str], target: Path
) -> dict[str, Any]:
    """The record of the new experiments and of those that stay.

    Raises UserError if they were made from different files of the same name.
    """
    if not kept:
        return new
    inputs = dict(new["inputs"])
    datasets = tuple({before["settings"][name]["dataset"] for name in kept})
    for file, checksum in before["inputs"].items():
        if not Path(file).name.startswith(datasets):
            continue  # of an experiment that is published anew
        if inputs.setdefault(file, checksum) != checksum:
            raise UserError(f"{target}: made from another {file}; remove it to publish these")
    environments = list(new["environments"])
    rows = []
    for row in before["jobs"]:
        if row["experiment"] in kept:
            environment = before["environments"][row["environment"]]
            if environment not in environments:
                environments.append(environment)
            rows.append({**row, "environment": environments.index(environment)})
    return {
        **new,
        **_summed_up([*rows, *new["jobs"]]),
        **{
            key: {name: before[key][name] for name in kept} | new[key]
            for key in ("reductions", "settings")
        },
        "inputs": inputs,
        "environments": environments,
    }


def _summed_up(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """What is said of all jobs together, and the jobs."""
    return {
        "commits": sorted({row["commit"] or "unknown" for row in rows}),
        "clean": all(row["commit"] and row["clean"] is True for row in rows),
        "wall_seconds": round(sum(row["wall_seconds"] for row in rows), 1),
        "jobs": rows,
    }


def _tables(config: Config, jobs: Jobs, drawn_from: Mapping[str, Path]) -> tuple[str, str]:
    """The text of runs.csv and of curves.csv.

    Raises UserError if a figure was drawn from a curve that is not what the runs give now.
    """
    experiments = dict.fromkeys(job.experiment for job, _ in jobs)
    methods = {name: config["experiments"][name]["methods"] for name in experiments}
    pruning = [(job, folder) for job, folder in jobs if job.method]
    runs = read_runs(_files(pruning, "runs", "csv"), methods)
    accuracies = []
    for name, path in drawn_from.items():
        figure = config["figures"][name]
        of_figure = curve(
            runs[runs["experiment"] == figure["experiment"]],
            name,
            figure["shows"],
            configuration.figure_runs(config, name),
            figure.get("stop_fraction", 0),
        )
        if path.read_text(encoding="utf-8") != table_text(of_figure):
            raise UserError(f"{path}: does not follow from the present runs; make figures again")
        if figure["shows"].endswith("_accuracy"):
            accuracies.append(of_figure)
    return table_text(runs), table_text(combine(accuracies))


def _joined(paths: list[Path]) -> str:
    """The text of several tables of the same columns, one after the other; of none ""."""
    if not paths:
        return ""
    texts = [path.read_text(encoding="utf-8").splitlines(keepends=True) for path in paths]
    return "".join([texts[0][0], *(row for _, *rows in texts for row in rows)])


def _gather(config: Config, scale: str, jobs: Jobs) -> dict[str, Any]:
    """One record of all jobs' provenance; what most of them share is said once.

    Raises UserError if a job had other settings than the configured ones, or if two of them read
    different files under the same name.
    """
    settings = {
        name: json.loads(configuration.settings(config, scale, name).to_json())
        for name in dict.fromkeys(job.experiment for job, _ in jobs)
    }
    inputs: dict[str, str] = {}
    environments: list[dict[str, Any]] = []
    rows = []
    for (job, _), path in zip(jobs, _files(jobs, "provenance", "json"), strict=True):
        record = _read_provenance(path)
        configured = configuration.settings(config, scale, job.experiment, job.method)
        if record["settings"] != json.loads(configured.to_json()):
            raise UserError(f"{path}: made with other settings than config.yaml's; make it again")
        if job.method is None:  # reads the data alone
            for file, checksum in record["inputs"].items():
                if inputs.setdefault(file, checksum) != checksum:
                    raise UserError(f"{path}: read another {file} than the jobs before it")
        environment = {key: record[key] for key in ("versions", "device", "cpu")}
        if environment not in environments:
            environments.append(environment)
        rows.append(
            {
                **{"experiment": job.experiment, "method": job.name, "seeds": job.seeds},
                **record["git"],
                "environment": environments.index(environment),
                "wall_seconds": record["wall_seconds"],
            }
        )
    return {
        "scale": scale,
        **_summed_up(rows),
        "note": configuration.note(config, scale),
        "reductions": {name: configuration.reductions(config, scale, name) for name in settings},
        "settings": settings,
        "inputs": inputs,
        "environments": environments,
    }


def _read_provenance(path: Path) -> dict[str, Any]:
    needed = ("settings", "inputs", "git", "versions", "device", "cpu", "wall_seconds")
    return read_json(path, needed)


def _refuse_mixed(provenance: dict[str, Any], results: Path) -> None:
    rule = "publish one committed state of the code (or --allow-dirty, which is recorded)"
    for experiment in provenance["settings"]:
        jobs = [job for job in provenance["jobs"] if job["experiment"] == experiment]
        commits = sorted({(job["commit"] or "unknown")[:10] for job in jobs})
        made = f"{results / experiment}: made by"
        if len(commits) > 1:
            raise UserError(f"{made} {len(commits)} commits, {', '.join(commits)}; {rule}")
        if not all(job["commit"] and job["clean"] is True for job in jobs):
            raise UserError(f"{made} uncommitted changes to commit {commits[0]}; {rule}")
