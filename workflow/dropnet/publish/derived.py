"""What follows from published/<scale>/: verdicts, how much can go, and how criteria compare."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import pandas as pd

from dropnet.config.plan import Plan
from dropnet.criteria.contrasts import compare
from dropnet.criteria.layers import shares
from dropnet.criteria.ranks import rank
from dropnet.errors import UserError
from dropnet.figures import (
    agreement,
    contrasts,
    curves,
    families,
    layers,
    page,
    ranks,
    removable,
)
from dropnet.files.csv_tables import read_table, table_text, write_table
from dropnet.paper import protocol
from dropnet.paper.claims import load
from dropnet.paper.curves import paper_curves
from dropnet.paper.judging import Drawn, judge
from dropnet.publish.record import RECORD, Record
from dropnet.tables.aggregate import curve, read_runs
from dropnet.tables.columns import AGREEMENT, SIZES
from dropnet.tables.margins import SHOWN
from dropnet.tables.removable import tabulate

OF_CRITERIA = ("criteria.csv", "ranks.csv", "layers.csv")


def derive(published: str | Path, plan: Plan) -> None:
    """Write claims.csv and removable.csv of every published scale, and draw the latter.

    Where criteria are compared, also criteria.csv, ranks.csv and layers.csv with their pictures.

    Raises UserError if the tables that they follow from cannot be read.
    """
    for folder, tables in derived(published, plan).items():
        for name, table in tables.items():
            write_table(folder / name, table)
        if "removable.csv" in tables:
            record = Record.read(folder / RECORD)
            words = protocol.caption(record.scale, record.reductions, record.note)
            figure = removable.plot(tables["removable.csv"], SHOWN, words)
            pictures = (folder / f"figures/removable.{kind}" for kind in ("png", "svg"))
            page.save(figure, *pictures)
        if "criteria.csv" in tables:
            _draw_criteria(folder, tables, plan)


def _draw_criteria(folder: Path, tables: Mapping[str, pd.DataFrame], plan: Plan) -> None:
    """Draw the pictures of `Plan.pictures_of` from tables."""
    record, runs = Record.read(folder / RECORD), read_runs([folder / "runs.csv"])
    present = list(dict.fromkeys(tables["criteria.csv"]["experiment"]))

    def words(experiments: Sequence[str]) -> str:
        reduced = {name: record.reductions[name] for name in experiments}
        return protocol.caption(record.scale, reduced, record.note)

    drawn = {"criteria": contrasts.plot(tables["criteria.csv"], words(present))}
    agreed = folder / "agreement.csv"
    masks = read_table(agreed, AGREEMENT) if agreed.exists() else pd.DataFrame()
    for name in present:
        unit = "nodes" if record.settings[name]["model"] == "FC" else "filters"
        rows = {
            key: table[table["experiment"] == name]
            for key, table in tables.items()
            if key in OF_CRITERIA
        }
        own = runs[runs["experiment"] == name]
        drawn[f"criteria_families_{name}"] = families.accuracies(own, unit, words([name]))
        drawn[f"criteria_ranks_{name}"] = ranks.plot(rows["ranks.csv"], unit, words([name]))
        drawn[f"criteria_layers_{name}"] = layers.plot(rows["layers.csv"], words([name]))
        if not masks.empty and name in set(masks["experiment"]):
            of_experiment = masks[masks["experiment"] == name]
            picture = agreement.plot(of_experiment, unit, words([name]))
            drawn[f"criteria_agreement_{name}"] = picture
    for name, figure in drawn.items():
        page.save(figure, *(folder / f"figures/{name}.{kind}" for kind in ("png", "svg")))


def draw(published: str | Path, plan: Plan) -> None:
    """Draw every published figure anew from its runs, in the looks of today."""
    for folder in _folders(published):
        record, runs = Record.read(folder / RECORD), read_runs([folder / "runs.csv"])
        paper = paper_curves()
        for name, figure in plan.figures.items():
            pictures = [folder / f"figures/{name}.{kind}" for kind in ("png", "svg")]
            if figure.experiment not in record.settings or not pictures[0].exists():
                continue
            settings = record.settings[figure.experiment]
            face = curves.Face(
                title=figure.title,
                scale=record.scale,
                reductions=record.reductions[figure.experiment],
                note=record.note,
                shows=figure.shows,
                unit="nodes" if settings["model"] == "FC" else "filters",
                classes=settings["classes"],
            )
            of_experiment = runs[runs["experiment"] == figure.experiment]
            table = curve(of_experiment, name, figure.shows, figure.runs, figure.stop_fraction)
            behind = paper[paper["figure"] == figure.behind] if figure.behind else None
            page.save(curves.plot(table, face, behind), *pictures)


def _folders(published: str | Path) -> list[Path]:
    return sorted(path.parent for path in Path(published).glob(f"*/{RECORD}"))


def check_derived(published: str | Path, plan: Plan) -> None:
    """Raise UserError if `derive` would change a table."""
    for folder, tables in derived(published, plan).items():
        for name, table in tables.items():
            path = folder / name
            if not path.exists() or path.read_text(encoding="utf-8") != table_text(table):
                raise UserError(f"{path}: does not follow from {folder}; run make pages")


def derived(published: str | Path, plan: Plan) -> dict[Path, dict[str, pd.DataFrame]]:
    """Return these tables by folder and name."""
    return {folder: _derived(folder, plan) for folder in _folders(published)}


def _derived(folder: Path, plan: Plan) -> dict[str, pd.DataFrame]:
    runs = read_runs([folder / "runs.csv"])
    tables = {"claims.csv": _verdicts(folder, runs, plan), **_criteria(folder, runs, plan)}
    if (folder / "sizes.csv").exists():
        tables["removable.csv"] = _removable(folder, runs, plan)
    return tables


def _verdicts(folder: Path, runs: pd.DataFrame, plan: Plan) -> pd.DataFrame:
    """Judge by the settings that the runs were made with, whatever is configured now."""
    settings = Record.read(folder / RECORD).settings
    drawn = {
        name: Drawn(
            figure.experiment,
            figure.runs,
            protocol.reductions_of(settings[figure.experiment]),
            settings[figure.experiment]["classes"],
        )
        for name, figure in plan.figures.items()
        if figure.experiment in settings and figure.of_paper
    }
    return judge(load(), runs, drawn, paper_curves())


def _criteria(folder: Path, runs: pd.DataFrame, plan: Plan) -> dict[str, pd.DataFrame]:
    """How criteria compare, if a published experiment compares any."""
    record, present = Record.read(folder / RECORD), set(runs["experiment"])
    each = {
        name: pd.concat(
            of_experiment[of_experiment["method"] == method.name]
            for method in plan.experiments[name]
        )
        for name in plan.criteria
        if name in present
        for of_experiment in [runs[runs["experiment"] == name]]
    }
    if not each:
        return {}
    classes = {name: record.settings[name]["classes"] for name in each}
    every = pd.concat(each.values(), ignore_index=True)
    placed = [rank(rows, classes[name]) for name, rows in each.items()]
    return {
        "criteria.csv": compare(every, classes, record.scale, record.reductions),
        "ranks.csv": pd.concat(placed, ignore_index=True),
        "layers.csv": pd.concat(map(shares, each.values()), ignore_index=True),
    }


def _removable(folder: Path, runs: pd.DataFrame, plan: Plan) -> pd.DataFrame:
    sizes = read_table(folder / "sizes.csv", SIZES)
    settings = Record.read(folder / RECORD).settings
    counted = set(sizes["experiment"])
    tables = []
    for name in dict.fromkeys(runs["experiment"]):
        if name not in counted:
            continue
        of_experiment = runs[runs["experiment"] == name]
        present = set(of_experiment["method"])
        configured = [method.name for method in plan.experiments.get(name, [])]
        methods = [method for method in configured or sorted(present) if method in present]
        tables.append(tabulate(of_experiment, sizes, methods, settings[name]["classes"]))
    return pd.concat(tables, ignore_index=True)
