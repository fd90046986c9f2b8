"""published/<scale>/: the committed copy of a finished run, with where it comes from.

Only results that are complete, of the present configuration and of one committed state of the code
are copied. All paths are relative to the project's folder, the working directory.
"""

import json
import shutil
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from dropnet import config as configuration
from dropnet.aggregate import combine, curve, read_runs, table_text
from dropnet.artifacts import atomic_path, write_json
from dropnet.errors import UserError, nearest

Config = Mapping[str, Any]
BASELINE = "baseline"


def publish(config: Config, scale: str, *, allow_dirty: bool = False) -> list[Path]:
    """Copy tables and figures of a scale to published/<scale>/, and write provenance.json there.

    Returns the files written; published/<scale>/runs.csv is the first.

    Raises UserError, before anything is written, if a configured result is missing, was made with
    other settings than the configured ones, or does not follow from the runs; and, unless
    `allow_dirty`, if the jobs ran on several commits or on code that was not committed.
    """
    if scale not in config["scales"]:
        allowed = ", ".join(config["scales"])
        hint = nearest(scale, config["scales"])
        raise UserError(f"scale: {scale!r} is not configured{hint}; allowed: {allowed}")
    results, figures = Path("results", scale), Path("figures", scale)
    tables = [results / "runs.csv", results / "curves.csv"]
    drawn = [figures / f"{name}.{kind}" for name in config["figures"] for kind in ("png", "svg")]
    jobs = _jobs(config, scale)
    _refuse_missing([*_files(jobs, "runs", "csv"), *_files(jobs, "provenance", "json")], scale)
    _refuse_missing([*tables, *drawn], scale)
    _refuse_stale_tables(config, jobs, *tables)
    provenance = _gather(config, scale, jobs)
    if not allow_dirty:
        _refuse_mixed(provenance, results)

    target = Path("published", scale)
    copies = {path: target / path.name for path in tables}
    copies |= {path: target / "figures" / path.name for path in drawn}
    for source, copy in copies.items():
        with atomic_path(copy) as temporary:
            shutil.copyfile(source, temporary)
    for old in set((target / "figures").glob("*")) - set(copies.values()):
        old.unlink()  # of a figure that is no longer configured
    write_json(target / "provenance.json", provenance)
    return [*copies.values(), target / "provenance.json"]


Job = dict[str, str]


def _jobs(config: Config, scale: str) -> list[Job]:
    """Every training job that the configuration asks for at a scale."""
    return [
        {
            "experiment": experiment,
            "method": method,
            "seeds": seeds,
            "folder": f"results/{scale}/{experiment}/{method}",
        }
        for experiment, settings in config["experiments"].items()
        for method in (BASELINE, *settings["methods"])
        for seeds in configuration.seed_blocks(config, scale, experiment)
    ]


def _files(jobs: Iterable[Job], artifact: str, kind: str) -> list[Path]:
    return [Path(job["folder"], f"{artifact}_seeds{job['seeds']}.{kind}") for job in jobs]


def _refuse_missing(files: list[Path], scale: str) -> None:
    missing = [path for path in files if not path.exists()]
    if missing:
        others = f" and {len(missing) - 1} more" if len(missing) > 1 else ""
        raise UserError(f"{missing[0]}{others}: missing; make figures SCALE={scale} makes it")


def _refuse_stale_tables(config: Config, jobs: list[Job], runs: Path, curves: Path) -> None:
    """The tables must be those that the jobs' runs give now."""
    methods = {name: value["methods"] for name, value in config["experiments"].items()}
    pruning = [job for job in jobs if job["method"] != BASELINE]
    table = read_runs(_files(pruning, "runs", "csv"), methods)
    expected = {runs: table_text(table)}
    expected[curves] = table_text(
        combine(
            [
                curve(
                    table[table["experiment"] == figure["experiment"]],
                    name,
                    figure["shows"],
                    figure.get("methods") or methods[figure["experiment"]],
                )
                for name, figure in config["figures"].items()
                if figure["shows"].endswith("_accuracy")
            ]
        )
    )
    for path, text in expected.items():
        if path.read_text(encoding="utf-8") != text:
            raise UserError(f"{path}: does not follow from the present runs; make figures again")


def _gather(config: Config, scale: str, jobs: list[Job]) -> dict[str, Any]:
    """One record of all jobs' provenance; what most of them share is said once.

    Raises UserError if a job had other settings than the configured ones, or if two of them read
    different files under the same name.
    """
    settings = {
        name: json.loads(configuration.settings(config, scale, name).to_json())
        for name in config["experiments"]
    }
    inputs: dict[str, str] = {}
    environments: list[dict[str, Any]] = []
    rows = []
    for job, path in zip(jobs, _files(jobs, "provenance", "json"), strict=True):
        record = _read_provenance(path)
        if record["settings"] != settings[job["experiment"]]:
            raise UserError(f"{path}: made with other settings than config.yaml's; make it again")
        if job["method"] == BASELINE:  # reads the data alone
            for file, checksum in record["inputs"].items():
                if inputs.setdefault(file, checksum) != checksum:
                    raise UserError(f"{path}: read another {file} than the jobs before it")
        environment = {key: record[key] for key in ("versions", "device", "cpu")}
        if environment not in environments:
            environments.append(environment)
        rows.append(
            {
                **{key: job[key] for key in ("experiment", "method", "seeds")},
                **record["git"],
                "environment": environments.index(environment),
                "wall_seconds": record["wall_seconds"],
            }
        )
    return {
        "scale": scale,
        "commits": sorted({row["commit"] or "unknown" for row in rows}),
        "clean": all(row["commit"] and row["clean"] is True for row in rows),
        "wall_seconds": round(sum(row["wall_seconds"] for row in rows), 1),
        "reductions": {
            name: configuration.reductions(config, scale, name) for name in config["experiments"]
        },
        "settings": settings,
        "inputs": inputs,
        "environments": environments,
        "jobs": rows,
    }


def _read_provenance(path: Path) -> dict[str, Any]:
    needed = ("settings", "inputs", "git", "versions", "device", "cpu", "wall_seconds")
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise UserError(f"{path}: not JSON ({error})") from None
    missing = [key for key in needed if key not in record]
    if missing:
        raise UserError(f"{path}: the key {missing[0]!r} is missing")
    return record


def _refuse_mixed(provenance: dict[str, Any], results: Path) -> None:
    commits = [commit[:10] for commit in provenance["commits"]]
    rule = "publish one committed state of the code (or --allow-dirty, which is recorded)"
    if len(commits) > 1:
        raise UserError(f"{results}: made by {len(commits)} commits, {', '.join(commits)}; {rule}")
    if not provenance["clean"]:
        raise UserError(f"{results}: made by uncommitted changes to commit {commits[0]}; {rule}")
