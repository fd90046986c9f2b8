"""The results section of README.md, written from published/ so that the two cannot disagree."""

import json
from pathlib import Path
from typing import Any

import pandas as pd

from dropnet.errors import UserError
from dropnet.files.artifacts import write_text
from dropnet.files.csv_tables import read_table
from dropnet.paper import judging
from dropnet.paper.comparison import beside_paper, paper_curves
from dropnet.paper.judging import NOT_REPLICATED, NOT_RUN, REPLICATED, VERDICTS, by_claim, in_points
from dropnet.tables import removable
from dropnet.tables.aggregate import points, read_runs
from dropnet.tables.removable import SHOWN

BEGIN, END = "<!-- results:begin -->", "<!-- results:end -->"
METHODS = ("minimum", "minimum_layer")  # DropNet (Section 3.1 of the paper)
TARGETS = (0.5, 0.2, 0.1)  # fractions remaining
NONE = "-"


def update(readme: str | Path, published: str | Path) -> None:
    """Rewrite what is between the markers in `readme`. Raises UserError if it has no markers."""
    text = _read(readme)
    wanted = replaced(text, section(Path(published)), readme)
    if wanted != text:
        write_text(readme, wanted)


def check(readme: str | Path, published: str | Path) -> None:
    """Raise UserError if `update` would change `readme`."""
    text = _read(readme)
    if replaced(text, section(Path(published)), readme) != text:
        raise UserError(f"{readme}: the results differ from {published}/; run update_readme.py")


def _read(readme: str | Path) -> str:
    try:
        return Path(readme).read_text(encoding="utf-8")
    except FileNotFoundError:
        raise UserError(f"{readme}: no such file") from None


def replaced(text: str, content: str, readme: str | Path = "README.md") -> str:
    """Put `content` between the markers of `text`."""
    if text.count(BEGIN) != 1 or text.count(END) != 1 or text.index(BEGIN) > text.index(END):
        raise UserError(f"{readme}: needs the lines {BEGIN} and {END}, once each, in this order")
    before, after = text[: text.index(BEGIN)], text[text.index(END) :]
    return f"{before}{BEGIN}\n{content}{after}"


def section(published: Path) -> str:
    """The section as Markdown: for each published scale its origin, its numbers, its figures."""
    folders = sorted(path.parent for path in published.glob("*/provenance.json"))
    if not folders:
        return "No results are published yet.\n"
    return "\n".join(
        _scale_section(folder, f"{published.name}/{folder.name}") for folder in folders
    )


def _scale_section(folder: Path, link: str) -> str:
    provenance = json.loads((folder / "provenance.json").read_text(encoding="utf-8"))
    runs = read_runs([folder / "runs.csv"])
    lines = [f"### Scale `{provenance['scale']}`", "", _origin(provenance), ""]
    lines += _verdicts(folder / "claims.csv") + _removable(folder / "removable.csv", link)
    lines += ["<details><summary>Accuracies, and how far they are from the paper's</summary>", ""]
    lines += [*_table(runs), ""]
    lines += _beside_paper(pd.read_csv(folder / "curves.csv"), provenance["settings"])
    lines += ["</details>", ""]
    return "\n".join([*lines, *_images(folder, link)]) + "\n"


def _origin(provenance: dict[str, Any]) -> str:
    """What was reduced, and which code and machines made the numbers."""
    reductions, note = provenance["reductions"], provenance.get("note", "not the paper's protocol")
    if len(set(reductions.values())) == 1:
        (words,) = set(reductions.values())
        protocol = f"{words.capitalize()}: **{note}**." if words else "The paper's protocol."
    else:
        none = "the paper's protocol"
        parts = [f"{name}: {words or none}" for name, words in reductions.items()]
        protocol = f"**{note}**: {'; '.join(parts)}."
    commits = ", ".join(f"`{commit[:10]}`" for commit in provenance["commits"])
    state = "" if provenance["clean"] else " with uncommitted changes"
    machines = sorted({environment["cpu"] for environment in provenance["environments"]})
    hours = provenance["wall_seconds"] / 3600
    return f"{protocol} Made by {commits}{state} in {hours:.1f} job hours on {', '.join(machines)}."


def _verdicts(path: Path) -> list[str]:
    """How many statements of each claim have which verdict, and which do not hold; if any does."""
    if not path.exists():
        return []
    claims = read_table(path, judging.READERS)
    run = claims[claims["verdict"] != NOT_RUN]
    if not run["verdict"].isin([REPLICATED, NOT_REPLICATED]).any():
        return []
    lines = [
        "Verdicts on the paper's claims, by statements (all of them, with effects and intervals:"
        f" [claims.csv]({path.parent.parent.name}/{path.parent.name}/{path.name})):",
        "",
        f"| claim | {' | '.join(VERDICTS)} | borne out by the paper's own figures |",
        f"|{' --- |' * (len(VERDICTS) + 2)}",
    ]
    for claim in by_claim(claims):
        counts = " | ".join(map(str, claim["counts"].values()))
        borne_out = f"{claim['borne_out']} of {claim['total']}"
        lines.append(f"| {claim['id']}: {claim['says']} | {counts} | {borne_out} |")
    failed = run[run["verdict"] == NOT_REPLICATED]
    lines += ["", "What did not replicate, with the effect in points of accuracy:", ""]
    for row in failed.itertuples():
        lines.append(
            f"* {row.statement}, {row.figure}: {row.words}. Ours"
            f" {in_points(row.effect, row.ci_low, row.ci_high)}, the paper's figure"
            f" {100 * row.paper_effect:+.1f}."
        )
    return [*lines, ""]


def _removable(path: Path, link: str) -> list[str]:
    """The largest share that can go within a point, for each experiment and method."""
    if not path.exists():
        return []
    table = read_table(path, removable.READERS)
    table = table[(table["margin"] == SHOWN) & ~table["method"].str.contains("(", regex=False)]
    methods = list(dict.fromkeys(table["method"]))
    lines = [
        f"How much can go before the mean accuracy is {100 * SHOWN:g} point lower (95% interval):",
        "",
        f"| experiment | {' | '.join(methods)} |",
        f"|{' --- |' * (len(methods) + 1)}",
    ]
    for experiment, rows in table.groupby("experiment", sort=False):
        cells = [_share(rows[rows["method"] == method]) for method in methods]
        lines.append(f"| {experiment} | {' | '.join(cells)} |")
    if (path.parent / "figures/removable.png").exists():
        lines += ["", f"![the same as a picture]({link}/figures/removable.png)"]
    return [*lines, ""]


def _share(rows: pd.DataFrame) -> str:
    if rows.empty:
        return NONE
    row = rows.iloc[0]
    share = f"{'' if row['crossed'] else 'at least '}{100 * row['removable']:.0f}%"
    if pd.isna(row["ci_low"]):  # of a single seed
        return share
    return f"{share} ({100 * row['ci_low']:.0f}-{100 * row['ci_high']:.0f})"


def _table(runs: pd.DataFrame) -> list[str]:
    """One row for each experiment and DropNet method: test accuracies, mean ± half the interval.

    They are those of the first point at or below each of `TARGETS`, with its true fraction.
    """
    heads = [f"≤ {target:.0%} remaining" for target in TARGETS]
    rows = [
        f"| experiment | data set | runs | unpruned | method | {' | '.join(heads)} |",
        f"|{' --- |' * (5 + len(heads))}",
    ]
    for experiment, of_experiment in runs.groupby("experiment"):
        methods = list(dict.fromkeys(of_experiment["method"]))
        averages = points(of_experiment, "test_accuracy", methods)
        unpruned = averages[averages["cycle"] == 0].iloc[0]
        about = f"{experiment} | {of_experiment['dataset'].iloc[0]} | {unpruned['runs']}"
        about += f" | {_accuracy(unpruned)}"
        for method in [name for name in METHODS if name in methods] or [NONE]:
            curve = averages[averages["method"] == method]
            cells = [_at_or_below(curve, target) for target in TARGETS]
            rows.append(f"| {about} | {method} | {' | '.join(cells)} |")
    return rows


def _beside_paper(curves: pd.DataFrame, settings: dict[str, Any]) -> list[str]:
    """One row for each curve of test accuracy that the paper has too."""
    table = beside_paper(curves, paper_curves(), settings)
    if table.empty:
        return []
    # the supplement prints some figures of the paper once more
    table = table[~table.duplicated(table.columns.drop("figure").tolist())]
    return [
        "Beside the paper's own curves (test accuracy, ours minus the paper's):",
        "",
        "| figure | method | unpruned, ours | unpruned, paper | points of both | mean difference"
        " | largest |",
        f"|{' --- |' * 7}",
        *(
            f"| {row.figure} | {row.method} | {row.ours:.3f} | {row.paper:.3f} | {row.points}"
            f" | {row.mean:+.3f} | {row.largest:+.3f} (at {row.at:.3g}) |"
            for row in table.itertuples()
        ),
        "",
    ]


def _accuracy(point: pd.Series) -> str:
    spread = f" ± {point['ci95']:.3f}" if point["runs"] > 1 else ""
    return f"{point['value']:.3f}{spread}"


def _at_or_below(curve: pd.DataFrame, target: float) -> str:
    below = curve[curve["fraction_remaining"] <= target]
    if below.empty:
        return NONE
    point = below.loc[below["fraction_remaining"].idxmax()]
    return f"{_accuracy(point)} (at {point['fraction_remaining']:.3g})"


def _images(folder: Path, link: str) -> list[str]:
    """Figures of test accuracy are shown, the others folded away; of two alike, the first."""
    curves = pd.read_csv(folder / "curves.csv")
    curves = curves[["figure", "experiment", "method", "split"]].drop_duplicates()
    shows, first = {}, {}
    for figure, rows in curves.groupby("figure"):  # in the order of their names
        experiment, split = rows[["experiment", "split"]].iloc[0]
        shows[figure] = (split, f"{figure}: {experiment}, {split} accuracy")
        first.setdefault((experiment, split, *rows["method"]), figure)
    alike = set(shows) - set(first.values())
    shown, folded = [], []
    figures = (folder / "figures").glob("*.png")
    for path in sorted(path for path in figures if path.stem not in {"removable", *alike}):
        split, text = shows.get(path.stem, ("", path.stem))
        (shown if split == "test" else folded).append(f"![{text}]({link}/figures/{path.name})")
    lines = [line for image in shown for line in (image, "")]
    if folded:
        count = f"{len(folded)} more figure{'s' if len(folded) > 1 else ''}"
        summary = f"<details><summary>{count} (training, validation, epochs)</summary>"
        lines += [summary, "", *(line for image in folded for line in (image, "")), "</details>"]
    return lines
