"""criteria.csv in words and as a league table, for pages and the report."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from dropnet.criteria.contrasts import BETTER, RANGES, UNDECIDED, WORSE
from dropnet.criteria.names import RANDOM
from dropnet.method_names import MethodName
from dropnet.paper.protocol import DROPNET
from dropnet.paper.verdicts import in_points

RANK_MARK = "\N{DAGGER}"  # where the test of ranks decides


@dataclass(frozen=True)
class Cell:
    """A contrast as text.

    Attributes:
        words: effect and interval in points of accuracy, or why nothing is decided.
        verdict: by the t test.
        ranks: by the test of ranks; "" where there is none.
    """

    words: str
    verdict: str
    ranks: str

    @property
    def decided(self) -> bool:
        """Whether the t test says better or worse."""
        return self.verdict in (BETTER, WORSE)

    @property
    def mark(self) -> str:
        """`RANK_MARK` where the test of ranks says better or worse."""
        return RANK_MARK if self.ranks in (BETTER, WORSE) else ""

    @property
    def markdown(self) -> str:
        """The words, bold where decided, and the mark."""
        return f"{f'**{self.words}**' if self.decided else self.words}{self.mark}"


@dataclass(frozen=True)
class League:
    """The contrasts of all criteria with one kind of reference.

    Attributes:
        columns: (experiment, range in words) of each cell of a row.
        rows: (criterion, cells), the best criterion first; None where there is no contrast.
    """

    columns: list[tuple[str, str]]
    rows: list[tuple[str, list[Cell | None]]]


def against_random(table: pd.DataFrame) -> pd.DataFrame:
    """Return the contrasts with a random choice; the others are with a shuffled form."""
    return table[_metrics(table) == RANDOM]


def against_shuffled(table: pd.DataFrame) -> pd.DataFrame:
    """Return the contrasts with the criterion's own shuffled form."""
    return table[_metrics(table) != RANDOM]


def _metrics(table: pd.DataFrame) -> pd.Series:
    """That of each reference."""
    return table["reference"].map(lambda name: MethodName.of(name).metric)


def league(table: pd.DataFrame) -> League:
    """Arrange contrasts of `against_random`, or of `against_shuffled`, as a league table."""
    columns = [
        (experiment, over) for experiment in dict.fromkeys(table["experiment"]) for over in RANGES
    ]
    cells = {
        (row.criterion, row.experiment, (row.low, row.high)): _cell(row)
        for row in table.itertuples()
    }
    return League(
        [(experiment, in_percent(over)) for experiment, over in columns],
        [(name, [cells.get((name, *column)) for column in columns]) for name in order(table)],
    )


def order(table: pd.DataFrame) -> list[str]:
    """Return the criteria by their mean effect over the first range of `RANGES`, best first."""
    shown = table[table["low"] == RANGES[0][0]]
    means = shown.groupby("criterion", sort=False)["effect"].mean()
    return [str(name) for name in means.sort_values(ascending=False, kind="stable").index]


def in_percent(over: tuple[float, float]) -> str:
    """A range of the fraction remaining in words: "50% to 20%"."""
    return f"{100 * over[1]:g}% to {100 * over[0]:g}%"


def _cell(row: Any) -> Cell:
    if row.verdict == UNDECIDED:
        return Cell(row.reason, row.verdict, row.ranks)
    return Cell(in_points(row.effect, row.ci_low, row.ci_high), row.verdict, row.ranks)


@dataclass(frozen=True)
class Outcome:
    """What one test says of the contrasts with a random choice in one range.

    Attributes:
        over: the range, as in `RANGES`.
        test: a column of criteria.csv: "verdict", the t test's, or "ranks".
        networks: how many experiments are compared.
        dropnet: how each form of DropNet that is compared fares.
        others: the other criteria, the best one first.
        better: those of them that are better on all networks.
        worse: likewise.
    """

    over: tuple[float, float]
    test: str
    networks: int
    dropnet: dict[str, str]
    others: list[str]
    better: list[str]
    worse: list[str]

    @property
    def name_of_test(self) -> str:
        """The test in words."""
        return "ranks" if self.test == "ranks" else "t test"


def outcomes(table: pd.DataFrame) -> list[Outcome]:
    """Return what each test says of each range in which anything is decided."""
    criteria, decided = order(table), against_random(table)
    decided = decided[decided["verdict"] != UNDECIDED]
    found = []
    for over in RANGES:
        rows = decided[decided["low"] == over[0]]
        if rows.empty:
            continue
        found.append(_outcome(over, rows, criteria, "verdict"))
        if not rows["ranks"].isin(["", UNDECIDED]).all():
            found.append(_outcome(over, rows, criteria, "ranks"))
    return found


def in_words(table: pd.DataFrame) -> list[str]:
    """Return a sentence for each of the outcomes."""
    return [_sentence(outcome) for outcome in outcomes(table)]


def _outcome(
    over: tuple[float, float], rows: pd.DataFrame, criteria: Sequence[str], test: str
) -> Outcome:
    networks = rows["experiment"].nunique()
    counts = {
        verdict: rows[rows[test] == verdict].groupby("criterion").size()
        for verdict in (BETTER, WORSE)
    }
    compared = set(rows["criterion"])
    others = [name for name in criteria if name in compared - {*DROPNET}]
    on_all = {
        verdict: [name for name in others if of_criterion.get(name, 0) == networks]
        for verdict, of_criterion in counts.items()
    }
    dropnet = {name: _tally(name, counts, networks) for name in DROPNET if name in compared}
    return Outcome(over, test, networks, dropnet, others, on_all[BETTER], on_all[WORSE])


def _sentence(outcome: Outcome) -> str:
    lead = f"With {in_percent(outcome.over)} remaining"
    if outcome.test == "ranks":
        lead = "By the test of ranks"
    words = ", ".join([lead, *(f"`{name}` is {how}" for name, how in outcome.dropnet.items())])
    told = [
        f"{verdict} on {'all' if outcome.networks > 1 else 'it'}: {listed(names)}"
        for verdict, names in ((BETTER, outcome.better), (WORSE, outcome.worse))
        if names
    ]
    shown = "; ".join(told) or "none is shown to differ on all"
    return f"{words}; of {len(outcome.others)} others, {shown}." if outcome.others else f"{words}."


def _tally(name: str, counts: dict[str, pd.Series], networks: int) -> str:
    said = [
        f"{verdict} on {count} of {networks}" if networks > 1 else verdict
        for verdict, of_criterion in counts.items()
        if (count := int(of_criterion.get(name, 0)))
    ]
    none = f"not shown to differ{f' on any of {networks}' * (networks > 1)}"
    return " and ".join(said) or none


def listed(names: Sequence[str]) -> str:
    """Names as code, one after the other."""
    return ", ".join(f"`{name}`" for name in names)
