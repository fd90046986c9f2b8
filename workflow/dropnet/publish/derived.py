"""What follows from published/<scale>/: verdicts, and how much can go, from its own tables."""

import json
from pathlib import Path

import pandas as pd

from dropnet.config import plan as configuration
from dropnet.config.plan import Config
from dropnet.errors import UserError
from dropnet.figures import page, removable
from dropnet.files.csv_tables import read_table, table_text, write_table
from dropnet.paper.claims import load
from dropnet.paper.comparison import paper_curves
from dropnet.paper.judging import Drawn, judge
from dropnet.tables.aggregate import read_runs
from dropnet.tables.removable import SHOWN, SIZE_READERS, tabulate


def derive(published: str | Path, config: Config) -> None:
    """Write claims.csv and removable.csv of every published scale, and draw the latter.

    Raises UserError if the tables that they follow from cannot be read.
    """
    for folder, tables in derived(published, config).items():
        for name, table in tables.items():
            write_table(folder / name, table)
        if "removable.csv" in tables:
            record = json.loads((folder / "provenance.json").read_text(encoding="utf-8"))
            words = configuration.scale_note(
                record["scale"], record["reductions"].values(), record.get("note", "")
            )
            figure = removable.plot(tables["removable.csv"], SHOWN, words)
            pictures = (folder / f"figures/removable.{kind}" for kind in ("png", "svg"))
            page.save(figure, *pictures)


def check_derived(published: str | Path, config: Config) -> None:
    """Raise UserError if `derive` would change a table."""
    for folder, tables in derived(published, config).items():
        for name, table in tables.items():
            path = folder / name
            if not path.exists() or path.read_text(encoding="utf-8") != table_text(table):
                raise UserError(f"{path}: does not follow from {folder}; run update_readme.py")


def derived(published: str | Path, config: Config) -> dict[Path, dict[str, pd.DataFrame]]:
    """Return these tables by folder and name."""
    folders = sorted(path.parent for path in Path(published).glob("*/provenance.json"))
    return {folder: _derived(folder, config) for folder in folders}


def _derived(folder: Path, config: Config) -> dict[str, pd.DataFrame]:
    runs = read_runs([folder / "runs.csv"])
    tables = {"claims.csv": _verdicts(folder, runs, config)}
    sizes = folder / "sizes.csv"
    if sizes.exists():
        tables["removable.csv"] = _removable(runs, read_table(sizes, SIZE_READERS), config)
    return tables


def _verdicts(folder: Path, runs: pd.DataFrame, config: Config) -> pd.DataFrame:
    """Judge by the settings that the runs were made with, whatever is configured now."""
    record = json.loads((folder / "provenance.json").read_text(encoding="utf-8"))
    drawn = {
        name: Drawn(
            figure["experiment"],
            configuration.figure_runs(config, name),
            configuration.reductions_of(record["settings"][figure["experiment"]]),
        )
        for name, figure in config["figures"].items()
        if figure["experiment"] in record["settings"] and configuration.is_of_paper(config, name)
    }
    return judge(load(), runs, drawn, paper_curves())


def _removable(runs: pd.DataFrame, sizes: pd.DataFrame, config: Config) -> pd.DataFrame:
    counted = set(sizes["experiment"])
    measured = [name for name in dict.fromkeys(runs["experiment"]) if name in counted]
    tables = []
    for name in measured:
        of_experiment = runs[runs["experiment"] == name]
        present = set(of_experiment["method"])
        order = config["experiments"].get(name, {}).get("methods", sorted(present))
        methods = [method for method in order if method in present]
        tables.append(tabulate(of_experiment, sizes, methods))
    return pd.concat(tables, ignore_index=True)
