"""The pages that tell of published results, so that pages and tables cannot disagree.

published/<scale>/README.md is made from the tables beside it, and from findings.md.j2 there if
somebody has written one; what is between the markers of README.md from those of all scales, and
from published/findings.md.j2. The templates are in workflow/report/.
"""

from collections.abc import Collection, Iterable, Mapping
from pathlib import Path
from typing import Any

import jinja2
import pandas as pd

from dropnet.criteria.league import (
    League,
    against_random,
    against_shuffled,
    in_percent,
    league,
    listed,
    outcomes,
)
from dropnet.errors import UserError
from dropnet.estimates import FEWEST_SEEDS, Estimate
from dropnet.files.artifacts import write_text
from dropnet.files.code_files import WORKFLOW
from dropnet.method_names import MethodName
from dropnet.paper import protocol
from dropnet.paper.claims import load
from dropnet.paper.controls import REDUCED_SEEDS
from dropnet.paper.effects import cut_off
from dropnet.paper.verdicts import (
    AT_REDUCED_SCALE,
    CONTRADICTED,
    DIFFERS,
    FAILS,
    HOLDS,
    INCONCLUSIVE,
    best_evidence,
    by_claim,
    changed_by,
    counted,
    in_answers,
    in_points,
)
from dropnet.publish.derived import cut_off_in_words
from dropnet.publish.facts import Facts, share_in_words
from dropnet.publish.record import Record, folders
from dropnet.settings import unit_of
from dropnet.tables.aggregate import points
from dropnet.tables.margins import SHOWN

BEGIN, END = "<!-- results:begin -->", "<!-- results:end -->"
FINDINGS = "findings.md.j2"
TARGETS = (0.5, 0.2, 0.1)  # fractions remaining
NONE = "-"


def write(pages: Mapping[Path, str]) -> None:
    """Write each page of which something else stands there, or nothing."""
    for page in _outdated(pages):
        write_text(page, pages[page])


def check(readme: str | Path, published: str | Path, configured: Collection[str]) -> None:
    """Raise UserError if a page is not what `texts` says."""
    for page in _outdated(texts(Path(readme), Path(published), configured)):
        raise UserError(f"{page}: differs from the tables in {published}/; run make pages")


def _outdated(pages: Mapping[Path, str]) -> list[Path]:
    return [page for page, text in pages.items() if not page.exists() or _read(page) != text]


def texts(readme: Path, published: Path, configured: Collection[str]) -> dict[Path, str]:
    """Return each page and what is to stand in it: of every scale, and `readme`.

    `configured` are the names of the scales that can be run, which published ones may outlive.
    Raises UserError if `readme` has no markers, or if findings mention what is not published.
    """
    scales = {folder.name: Facts(folder) for folder in folders(published)}
    pages = {
        facts.folder / "README.md": scale_page(facts, scales, configured)
        for facts in scales.values()
    }
    return {**pages, readme: replaced(_read(readme), overview(published, scales), readme)}


def _read(page: Path) -> str:
    try:
        return page.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise UserError(f"{page}: no such file") from None


def replaced(text: str, content: str, readme: str | Path = "README.md") -> str:
    """Put `content` between the markers of `text`."""
    if text.count(BEGIN) != 1 or text.count(END) != 1 or text.index(BEGIN) > text.index(END):
        raise UserError(f"{readme}: needs the lines {BEGIN} and {END}, once each, in this order")
    before, after = text[: text.index(BEGIN)], text[text.index(END) :]
    return f"{before}{BEGIN}\n{content}{after}"


def _environment() -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(WORKFLOW / "report"),
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        autoescape=False,  # Markdown
    )
    environment.filters |= {"row": _row, "share": share_in_words, "answers": in_answers}
    environment.tests["fewer_seeds_alone"] = protocol.fewer_seeds_alone
    environment.globals |= {
        "in_points": in_points,
        "in_percent": in_percent,
        "listed": listed,
        "AT_REDUCED_SCALE": AT_REDUCED_SCALE,
        "CONTRADICTED": CONTRADICTED,
    }
    return environment


def _row(cells: Iterable[Any]) -> str:
    """A row of a Markdown table."""
    return f"| {' | '.join(map(str, cells))} |"


def _findings(folder: Path, **names: Any) -> str:
    """What somebody has written of the results in a folder, with the numbers filled in; or ""."""
    path = folder / FINDINGS
    if not path.exists():
        return ""
    try:
        return _environment().from_string(_read(path)).render(**names).strip()
    except (jinja2.TemplateError, TypeError, UserError) as error:
        raise UserError(f"{path}: {error}") from None


# ------------------------------------------------------------------------------ all scales


def overview(published: Path, scales: dict[str, Facts]) -> str:
    """Return what README.md says of all results: findings, and a row for each claim."""
    tables = [facts.claims for facts in scales.values()]
    answers = _answers(best_evidence(tables)) if tables else {}
    return (
        _environment()
        .get_template("overview.md.j2")
        .render(
            findings=_findings(published, scales=scales),
            folder=published.name,
            scales=scales,
            comparisons=_comparisons(scales),
            **answers,
        )
    )


def _answers(best: pd.DataFrame) -> dict[str, Any]:
    """What is counted of the statements, each by the best evidence that there is for it."""
    of_maximum = [
        statement.id
        for statement in load()
        if [MethodName.of(name).metric == "maximum" for name in statement.curves] == [False, True]
    ]
    holds = best[best["verdict"] == HOLDS]
    decided = best[best["verdict"].isin([HOLDS, FAILS])].to_dict("records")
    others = [set(changed.values()) for row in decided if (changed := changed_by(row))]
    return {
        "claims": by_claim(best),
        "all_claims": counted(best),
        "sentences": len(best[["claim", "page", "sentence"]].drop_duplicates()),
        "of_maximum": int(holds["statement"].isin(of_maximum).sum()),
        "fragile": len(others),
        "turned": any(other - {INCONCLUSIVE} for other in others),
    }


def _comparisons(scales: dict[str, Facts]) -> list[dict[str, Any]]:
    """How DropNet fares beside other criteria, a scale each; those by the protocol first."""
    found = [
        {
            "scale": name,
            "experiments": list(dict.fromkeys(facts.criteria["experiment"])),
            "reduced": bool(facts.criteria["reduced"].any()),
            "outcomes": outcomes(facts.criteria),
        }
        for name, facts in scales.items()
        if not facts.criteria.empty
    ]
    return sorted(found, key=lambda compared: bool(compared["reduced"]))


# ------------------------------------------------------------------------------- one scale


def scale_page(facts: Facts, scales: dict[str, Facts], configured: Collection[str]) -> str:
    """Return the page of a scale: its origin, findings, verdicts, tables and figures.

    Args:
        facts: of the scale.
        scales: all that are published, for findings that mention them.
        configured: the names of those that can still be run.
    """
    folder, claims = facts.folder, facts.claims
    shown, folded = figures(facts)
    methods, shares = _shares(facts)
    return (
        _environment()
        .get_template("scale.md.j2")
        .render(
            record=facts.record,
            configured=folder.name in configured,
            cut_off=_cut_off(facts),
            mixed=_mixed(facts.record),
            trained=_trained(facts),
            protocol_seeds=protocol.seeds(),
            fewest_seeds=FEWEST_SEEDS,
            reduced_seeds=REDUCED_SEEDS,
            findings=_findings(folder, here=facts, scales=scales),
            claims=by_claim(claims) if claims["p_holds"].notna().any() else [],
            all_claims=counted(claims),
            differ=claims[claims["agreement"] == DIFFERS].to_dict("records"),
            failed=claims[claims["verdict"].isin([FAILS, CONTRADICTED])].to_dict("records"),
            fragile=[row for row in claims.to_dict("records") if changed_by(row)],
            margin=SHOWN,
            methods=methods,
            shares=shares,
            overview=(folder / "figures/removable.png").exists(),
            targets=TARGETS,
            accuracies=accuracies(facts.runs),
            beside_paper=facts.beside_paper.to_dict("records"),
            shown=shown,
            folded=folded,
            leagues=_leagues(facts),
            pictures_of_criteria=sorted(
                (path.name for path in (folder / "figures").glob("criteria*.png")), key=_first_whole
            ),
        )
    )


def _leagues(facts: Facts) -> dict[str, League]:
    """The league tables of criteria, by what they are compared with; those that have any rows."""
    kinds = {
        "a random choice of the same scope": against_random(facts.criteria),
        "their own shuffled form": against_shuffled(facts.criteria),
    }
    return {name: league(rows) for name, rows in kinds.items() if not rows.empty}


def _first_whole(picture: str) -> tuple[bool, str, str]:
    """The contrasts first, then experiment by experiment."""
    _, _, experiment = picture.partition("_")[2].partition("_")
    return picture != "criteria.png", experiment, picture


def _mixed(record: Record) -> dict[str, list[str]]:
    """Experiments whose methods ran on GPU and processor, or on different GPUs: which where."""
    devices: dict[str, set[str]] = {}
    for job in record.jobs:
        devices.setdefault(job["experiment"], set()).add(job["environment"]["device"])
    return {
        name: [f"{listed(of)} on {where}" for where, of in record.machines_of(name).items()]
        for name, found in devices.items()
        if len(found) > 1
    }


def _cut_off(facts: Facts) -> list[tuple[str, str]]:
    """The experiments that have runs which were stopped before their end, and which, in words."""
    found = []
    for name, settings in facts.record.settings.items():
        runs = facts.runs[facts.runs["experiment"] == name]
        words = cut_off_in_words(runs, settings["stop_fraction"], unit_of(settings["model"]))
        if words:
            found.append((name, words))
    return found


def _trained(facts: Facts) -> list[list[str]]:
    """Experiments of which some method has fewer seeds than by the protocol, or was cut off."""
    rows = []
    for name, settings in facts.record.settings.items():
        seeds = facts.record.seeds(name)
        runs = facts.runs[facts.runs["experiment"] == name]
        ends = cut_off(runs, settings["stop_fraction"]).groupby("method").agg(["size", "max"])
        if ends.empty and min(seeds.values()) >= protocol.seeds():
            continue
        methods = dict.fromkeys(runs["method"])
        told = (
            f"`{method}`: {seeds[method]}"
            + (_cut_off_at(ends.loc[method], seeds[method]) if method in ends.index else "")
            for method in methods
        )
        rows.append([name, ", ".join(told)])
    return rows


def _cut_off_at(ends: pd.Series, seeds: int) -> str:
    which = "" if ends["size"] == seeds else f"{ends['size']:.0f} "
    return f" ({which}cut off at {ends['max']:.1g})"


def _shares(facts: Facts) -> tuple[list[str], dict[str, list[str]]]:
    """Methods, and for each experiment the largest share that goes by each within a point."""
    if not (facts.folder / "removable.csv").exists():
        return [], {}
    is_variant = facts.shares["method"].map(lambda name: MethodName.of(name).variant != "")
    table = facts.shares[~is_variant]
    methods = list(dict.fromkeys(table["method"]))
    shares = {
        str(name): [
            share_in_words(rows.loc[method]) if method in rows.index else NONE for method in methods
        ]
        for name, of_experiment in table.groupby("experiment", sort=False)
        for rows in [of_experiment.set_index("method")]
    }
    return methods, shares


def accuracies(runs: pd.DataFrame) -> list[list[Any]]:
    """Return one row for each experiment and DropNet method, as text.

    Experiment, data set, runs, accuracy of the unpruned network, method, and the accuracy at the
    first point at or below each of `TARGETS`, with its true fraction: mean ± half the interval.
    """
    rows = []
    for experiment, of_experiment in runs.groupby("experiment"):
        methods = list(dict.fromkeys(of_experiment["method"]))
        averages = points(of_experiment, "test_accuracy", methods)
        dataset = of_experiment["dataset"].iloc[0]
        for method in [name for name in protocol.DROPNET if name in methods] or [NONE]:
            curve = averages[averages["method"] == method]
            unpruned = (averages if curve.empty else curve).iloc[0]
            cells = [_at_or_below(curve, target) for target in TARGETS]
            rows.append(
                [experiment, dataset, unpruned["runs"], _accuracy(unpruned), method, *cells]
            )
    return rows


def _accuracy(point: pd.Series) -> str:
    if point["runs"] < 2:
        return f"{point['value']:.3f}"
    estimate = Estimate.of_bar(point["value"], point["ci95"], point["runs"])
    return f"{point['value']:.3f} ± {estimate.interval[1] - estimate.value:.3f}"


def _at_or_below(curve: pd.DataFrame, target: float) -> str:
    below = curve[curve["fraction_remaining"] <= target]
    if below.empty:
        return NONE
    point = below.iloc[below["fraction_remaining"].argmax()]
    return f"{_accuracy(point)} (at {point['fraction_remaining']:.3g})"


def figures(facts: Facts) -> tuple[list[dict[str, str]], list[dict[str, str]]]:
    """Return file and title of figures of test accuracy, and of others; of two alike the first."""
    curves = facts.curves[["figure", "experiment", "method", "split"]].drop_duplicates()
    titles: dict[str, tuple[str, str]] = {}
    first: dict[tuple[str, ...], str] = {}
    for name, rows in curves.groupby("figure"):  # in the order of their names
        figure, (experiment, split) = str(name), rows[["experiment", "split"]].iloc[0]
        titles[figure] = (split, f"{figure}: {experiment}, {split} accuracy")
        first.setdefault((experiment, split, *rows["method"]), figure)
    alike = set(titles) - set(first.values())
    shown: list[dict[str, str]] = []
    folded: list[dict[str, str]] = []
    for path in sorted((facts.folder / "figures").glob("*.png")):
        if path.stem not in {"removable", *alike} and not path.stem.startswith("criteria"):
            split, title = titles.get(path.stem, ("", path.stem))
            (shown if split == "test" else folded).append({"file": path.name, "title": title})
    return shown, folded
