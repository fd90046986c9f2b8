"""What follows from published/<scale>/runs.csv: curves, figures, verdicts, how criteria compare."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import pandas as pd
from matplotlib.figure import Figure as Picture

from dropnet.config.plan import Figure, Plan
from dropnet.criteria.comparison import TABLES, comparison
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
from dropnet.paper.drawn import Drawn
from dropnet.paper.effects import cut_off
from dropnet.paper.judging import judge
from dropnet.publish.record import RECORD, Record, folders
from dropnet.settings import unit_of
from dropnet.tables.aggregate import combine, curve, read_runs
from dropnet.tables.columns import AGREEMENT, SIZES
from dropnet.tables.margins import SHOWN
from dropnet.tables.removable import tabulate

#: What all other tables and pictures of a published scale follow from.
PUBLISHED_TABLES = ("runs.csv", "sizes.csv", "agreement.csv")
#: Figures by name: the runs of each, and its curves, each with the name of its method in the runs.
Shown = Mapping[str, tuple[pd.DataFrame, dict[str, str]]]


def derive(published: str | Path, plan: Plan) -> None:
    """Write curves.csv, claims.csv and removable.csv of every published scale, and draw the last.

    Where criteria are compared, also criteria.csv, ranks.csv and layers.csv with their pictures.
    Tables and pictures that no longer follow from anything are removed.

    Raises UserError if the tables that they follow from cannot be read.
    """
    for folder in folders(published):
        derive_one(folder, plan)


def derive_one(folder: Path, plan: Plan) -> None:
    """The same of one."""
    record, runs = _read(folder)
    shown = _shown(plan, record, runs)
    tables = _tables(folder, record, runs, plan, shown)
    for name, table in tables.items():
        write_table(folder / name, table)
    if "removable.csv" in tables:
        words = protocol.caption(record.scale, record.reductions, record.note)
        _save(folder, "removable", removable.plot(tables["removable.csv"], SHOWN, words))
    if "criteria.csv" in tables:
        _draw_criteria(folder, record, runs, tables)
    for left in _left_over(folder, plan, tables, shown):
        left.unlink()


def tables_and_pictures(folder: Path) -> list[Path]:
    """Return those that a published scale has, whether or not they belong there."""
    return sorted([*folder.glob("*.csv"), *folder.glob("figures/*")])


def _left_over(
    folder: Path, plan: Plan, tables: Mapping[str, pd.DataFrame], shown: Shown
) -> list[Path]:
    """The tables and pictures in a folder that do not follow from what is published there."""
    pictures = {*shown}
    if "removable.csv" in tables:
        pictures.add("removable")
    if "criteria.csv" in tables:
        pictures |= {*plan.pictures_of(list(dict.fromkeys(tables["criteria.csv"]["experiment"])))}
    return [
        path
        for path in tables_and_pictures(folder)
        if path.name not in {*PUBLISHED_TABLES, *tables}
        and (path.parent == folder or path.stem not in pictures)
    ]


def _read(folder: Path) -> tuple[Record, pd.DataFrame]:
    """What all else follows from."""
    return Record.read(folder / RECORD), read_runs([folder / "runs.csv"])


def _save(folder: Path, name: str, figure: Picture) -> None:
    """Write a figure of a published scale, as PNG alone: what is published stays small."""
    page.save_png(figure, folder / f"figures/{name}.png")


def _draw_criteria(
    folder: Path, record: Record, runs: pd.DataFrame, tables: Mapping[str, pd.DataFrame]
) -> None:
    """Draw the pictures of `Plan.pictures_of` from tables."""
    reductions = record.reductions
    present = list(dict.fromkeys(tables["criteria.csv"]["experiment"]))

    def words(experiments: Sequence[str]) -> str:
        reduced = {name: reductions[name] for name in experiments}
        return protocol.caption(record.scale, reduced, record.note)

    drawn = {"criteria": contrasts.plot(tables["criteria.csv"], words(present))}
    agreed = folder / "agreement.csv"
    masks = read_table(agreed, AGREEMENT) if agreed.exists() else pd.DataFrame()
    for name in present:
        unit = unit_of(record.settings[name]["model"])
        rows = {
            key: table[table["experiment"] == name]
            for key, table in tables.items()
            if key in TABLES
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
        _save(folder, name, figure)


def draw(published: str | Path, plan: Plan) -> None:
    """Draw every published figure anew from its runs, in the looks of today."""
    for folder in folders(published):
        draw_one(folder, plan)


def draw_one(folder: Path, plan: Plan) -> None:
    """Draw the figures of a published scale: no published figure comes from anywhere else."""
    record, runs = _read(folder)
    paper = paper_curves()
    for name, (own, shown) in _shown(plan, record, runs).items():
        figure = plan.figures[name]
        table = curve(own, name, figure.shows, shown, figure.stop_fraction)
        behind = paper[paper["figure"] == figure.behind] if figure.behind else None
        picture = curves.plot(table, _face(figure, shown, record, own), behind)
        _save(folder, name, picture)


def _shown(plan: Plan, record: Record, runs: pd.DataFrame) -> Shown:
    """The figures that can be drawn: the runs of each, and its curves that have any.

    A figure is there to compare: one of several curves needs two of them.
    """
    shown = {}
    for name, drawn in _drawn(plan, record).items():
        own = drawn.runs_in(runs)
        present = set(own["method"])
        found = {label: method for label, method in drawn.methods.items() if method in present}
        if len(found) >= min(2, len(drawn.methods)):
            shown[name] = own[own["method"].isin(list(found.values()))], found
    return shown


def _drawn(plan: Plan, record: Record) -> dict[str, Drawn]:
    """What figures are drawn from, by the settings of the runs, whatever is configured now."""
    settings = record.settings
    return {
        name: Drawn.of(figure.experiment, figure.runs, settings)
        for name, figure in plan.figures.items()
        if figure.experiment in settings
    }


def _face(
    figure: Figure, shown: Mapping[str, str], record: Record, runs: pd.DataFrame
) -> curves.Face:
    """What is said on the face of a figure of these curves, which have these runs."""
    settings = record.settings[figure.experiment]
    seeds = runs.groupby("method")["seed"].nunique()
    return curves.Face(
        title=figure.title,
        scale=record.scale,
        reductions=protocol.reductions_of(settings, seeds),
        note=record.note,
        shows=figure.shows,
        unit=unit_of(settings["model"]),
        classes=settings["classes"],
        missing=[label for label in figure.methods if label not in shown],
        lent=_lent_in_words(runs[runs["of"] != figure.experiment]),
        cut_off=cut_off_in_words(
            runs,
            max(settings["stop_fraction"], figure.stop_fraction),
            unit_of(settings["model"]),
        ),
    )


def _lent_in_words(runs: pd.DataFrame) -> str:
    """Say of which experiment runs are: "minimum, minimum_layer of ResNet18"; "" for none."""
    return "; ".join(
        f"{', '.join(dict.fromkeys(of_other['method']))} of {other}"
        for other, of_other in runs.groupby("of", sort=False)
    )


def cut_off_in_words(runs: pd.DataFrame, stop_fraction: float, unit: str) -> str:
    """Say which runs of an experiment were stopped before their end, and where; "" for none.

    Such as "random, trained down to 0.07 of the filters", or "12 of 15 runs of random, ..." where
    the others are whole.
    """
    ends = cut_off(runs, stop_fraction)
    if ends.empty:
        return ""
    of_method = ends.groupby("method", sort=False).size()
    methods = list(of_method.index)
    named = " and ".join([", ".join(methods[:-1]), methods[-1]] if methods[1:] else methods)
    all_runs = runs.groupby("method")["seed"].nunique()[methods]
    if (of_method < all_runs).any():
        named = f"{_span(of_method)} of {_span(all_runs)} runs of {named}"
    return f"{named}, trained down to {_span(ends):.1g} of the {unit}"


def _span(values: pd.Series) -> protocol.Span:
    return protocol.Span(values.min(), values.max())


def check_derived(published: str | Path, plan: Plan) -> None:
    """Raise UserError if `derive` would change a table, or remove a table or a picture."""
    for folder in folders(published):
        record, runs = _read(folder)
        shown = _shown(plan, record, runs)
        tables = _tables(folder, record, runs, plan, shown)
        for left in _left_over(folder, plan, tables, shown):
            raise UserError(f"{left}: does not follow from {folder}; run make pages")
        for name, table in tables.items():
            path = folder / name
            if not path.exists() or path.read_text(encoding="utf-8") != table_text(table):
                raise UserError(f"{path}: does not follow from {folder}; run make pages")


def _tables(
    folder: Path, record: Record, runs: pd.DataFrame, plan: Plan, shown: Shown
) -> dict[str, pd.DataFrame]:
    """The tables that follow from what is published in a folder, by name."""
    tables = {
        "curves.csv": _curves(plan, shown),
        "claims.csv": _verdicts(record, runs, plan),
        **_criteria(record, runs, plan),
    }
    if (folder / "sizes.csv").exists():
        tables["removable.csv"] = _removable(folder, record, runs, plan)
    return tables


def _curves(plan: Plan, shown: Shown) -> pd.DataFrame:
    tables = []
    for name, (own, methods) in shown.items():
        figure = plan.figures[name]
        if figure.shows.endswith("_accuracy"):
            tables.append(curve(own, name, figure.shows, methods, figure.stop_fraction))
    return combine(tables)


def _verdicts(record: Record, runs: pd.DataFrame, plan: Plan) -> pd.DataFrame:
    drawn = _drawn(plan, record).items()
    of_paper = {name: of for name, of in drawn if plan.figures[name].of_paper}
    return judge(load(), runs, of_paper, paper_curves())


def _criteria(record: Record, runs: pd.DataFrame, plan: Plan) -> dict[str, pd.DataFrame]:
    """How criteria compare, if a published experiment compares any."""
    present = set(runs["experiment"])
    names = [name for name in plan.criteria if name in present]
    if not names:
        return {}
    ordered = [
        runs[(runs["experiment"] == name) & (runs["method"] == method.name)]
        for name in names
        for method in plan.experiments[name]
    ]
    classes = {name: record.settings[name]["classes"] for name in names}
    every = pd.concat(ordered, ignore_index=True)
    return comparison(every, names, classes, record.scale, record.reductions)


def _removable(folder: Path, record: Record, runs: pd.DataFrame, plan: Plan) -> pd.DataFrame:
    sizes = read_table(folder / "sizes.csv", SIZES)
    settings = record.settings
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
