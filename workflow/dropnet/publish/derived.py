"""What follows from published/<scale>/: verdicts, and how much can go, from its own tables."""

from pathlib import Path

import pandas as pd

from dropnet.config.plan import Plan
from dropnet.errors import UserError
from dropnet.figures import curves, page, removable
from dropnet.files.csv_tables import read_table, table_text, write_table
from dropnet.paper import protocol
from dropnet.paper.claims import load
from dropnet.paper.curves import paper_curves
from dropnet.paper.judging import Drawn, judge
from dropnet.publish.record import RECORD, Record
from dropnet.tables.aggregate import curve, read_runs
from dropnet.tables.columns import SIZES
from dropnet.tables.margins import SHOWN
from dropnet.tables.removable import tabulate


def derive(published: str | Path, plan: Plan) -> None:
    """Write claims.csv and removable.csv of every published scale, and draw the latter.

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
    tables = {"claims.csv": _verdicts(folder, runs, plan)}
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
