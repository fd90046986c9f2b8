"""Verdicts: two questions of each statement of the paper, put to our runs, and one to its figure.

* Does the paper's sentence hold in our runs? The effect of the statement (`effects.effects_of`) is
  computed for each seed, from curves that share their initial weights, and tested by Student's t.
* Does our effect agree with the one in the paper's own figure? It does if they differ by less than
  `AGREEMENT`, in whichever direction (equivalence).
* Does the sentence hold in the paper's own figure? Of its curves only means and bars are known; it
  is borne out if the whole interval of its effect is on the right side.

That something holds and that its contrary holds are two one-sided tests, so that no verdict follows
from a test that merely missed significance. The tests of one question, of all statements and of
both directions, are corrected together for the rate of false discoveries (Benjamini & Hochberg).

How much a verdict owes to a choice of ours is told by the same question put otherwise: with margins
half and twice as large, and over the part of a range in which at least a fifth of the network
remains. Each of these is corrected by itself and counts nowhere.
"""

import math
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import pandas as pd
from scipy import stats

from dropnet.chance import near_chance
from dropnet.files.csv_rows import COUNT, NUMBER, TEXT, WORDS, Reader
from dropnet.files.csv_tables import rounded
from dropnet.paper.claims import Statement, titles
from dropnet.paper.effects import LEVEL, Effects, Estimate, Side, effects_of, paper_effect

HOLDS, FAILS = "holds", "does not hold"
AGREES, DIFFERS = "agrees", "differs"
INCONCLUSIVE, NOT_RUN = "inconclusive", "not run"
BORNE_OUT, NOT_BORNE_OUT, UNDECIDED = "borne out", "not borne out", "undecided"

AGREEMENT = 0.01  # of accuracy: what our effect and the paper's may be apart
HALF, DOUBLE = 0.5, 2.0  # other margins
A_FIFTH = 0.2  # remaining: where other ranges end
FEWEST_SEEDS = 3

READERS: dict[str, Reader] = {  # the columns of claims.csv
    "claim": TEXT,
    "statement": TEXT,
    "figure": TEXT,
    "experiment": WORDS,
    "section": TEXT,
    "page": COUNT,
    "sentence": TEXT,
    "words": TEXT,
    "above": NUMBER,
    "below": NUMBER,
    "seeds": COUNT,
    "effect": NUMBER,
    "ci_low": NUMBER,
    "ci_high": NUMBER,
    "p_holds": NUMBER,
    "p_fails": NUMBER,
    "verdict": TEXT,
    "reason": WORDS,
    "verdict_half": WORDS,
    "verdict_double": WORDS,
    "effect_fifth": NUMBER,
    "verdict_fifth": WORDS,
    "paper_effect": NUMBER,
    "paper_low": NUMBER,
    "paper_high": NUMBER,
    "paper_verdict": TEXT,
    "difference": NUMBER,
    "difference_low": NUMBER,
    "difference_high": NUMBER,
    "p_agrees": NUMBER,
    "p_differs": NUMBER,
    "agreement": TEXT,
    "agreement_half": WORDS,
    "agreement_double": WORDS,
}
COLUMNS = tuple(READERS)


@dataclass(frozen=True)
class Drawn:
    """What a figure is drawn from.

    Attributes:
        experiment: its name.
        methods: the names of the curves, and those of the runs.
        reductions: how the runs differ from the paper's protocol but for the number of seeds, in
            words, or "".
        classes: of the data set.
    """

    experiment: str
    methods: Mapping[str, str]
    reductions: str
    classes: int


@dataclass(frozen=True)
class Question:
    """Whether an estimate is above one bound and below another; either may be None."""

    estimate: Estimate
    above: float | None
    below: float | None

    @property
    def p_values(self) -> tuple[float, float]:
        """The p-values that it is so, and that it is not."""
        sides: tuple[tuple[float | None, Side, Side], ...] = (
            (self.above, "greater", "less"),
            (self.below, "less", "greater"),
        )
        within, outside = [], []
        for bound, side, contrary in sides:
            if bound is not None:
                within.append(self.estimate.p(bound, side))
                outside.append(self.estimate.p(bound, contrary))
        # within both bounds: the larger p of the two tests; outside: either of them, counted twice
        return max(within), min(1.0, len(outside) * min(outside))


@dataclass(frozen=True)
class Case:
    """A statement, and what our runs and the paper's figure say of it.

    Attributes:
        statement: the statement.
        ours: the effect in our runs; None where they have none.
        theirs: that in the paper's figure.
        undecidable: why nothing can follow from our runs, or "".
    """

    statement: Statement
    ours: Effects | None
    theirs: Estimate | None
    undecidable: str

    @classmethod
    def of(
        cls, statement: Statement, runs: pd.DataFrame, drawn: Mapping[str, Drawn], paper: Any
    ) -> "Case":
        """Look a statement up in the runs of a scale, and in the paper's curves."""
        figure = drawn.get(statement.figure)
        theirs = paper_effect(statement, paper)
        if figure is None:
            return cls(statement, None, theirs, "")
        of_experiment = runs[runs["experiment"] == figure.experiment]
        if not {figure.methods.get(name) for name in statement.curves} <= set(
            of_experiment["method"]
        ):
            return cls(statement, None, theirs, "")
        ours = effects_of(statement, of_experiment, figure.methods)
        if not ours.by_seed:
            return cls(statement, None, theirs, "")
        return cls(statement, ours, theirs, _why_not(ours, figure))

    @property
    def estimate(self) -> Estimate | None:
        """The mean effect in our runs; None where no spread tells how sure it is."""
        return Estimate.of(self.ours.by_seed) if self.ours and _spread(self.ours) else None

    def with_margin(self, factor: float) -> "Case | None":
        """Return the same effects under margins so many times as large; None without a margin."""
        statement = self.statement.with_margin(factor)
        return replace(self, statement=statement) if statement else None

    def sentence(self) -> Question | None:
        """Ask whether the statement holds in our runs; None where that cannot be decided."""
        if self.undecidable or self.estimate is None:
            return None
        return Question(self.estimate, self.statement.above, self.statement.below)

    def agreement(self, margin: float) -> Question | None:
        """Ask whether our effect is the paper's, within a margin; None as above."""
        if self.undecidable or self.difference is None:
            return None
        return Question(self.difference, -margin, margin)

    @property
    def difference(self) -> Estimate | None:
        """Our effect minus the paper's."""
        if self.estimate is None or self.theirs is None:
            return None
        return self.estimate.minus(self.theirs)


def _spread(effects: Effects) -> bool:
    """Whether the seeds differ, by more than the last digits of a float."""
    return max(effects.by_seed) - min(effects.by_seed) > 1e-9


def _why_not(ours: Effects, figure: Drawn) -> str:
    """Why nothing can be decided from these effects, or ""."""
    if figure.reductions:
        return f"a reduced protocol: {figure.reductions}"
    if len(ours.by_seed) < FEWEST_SEEDS:
        return "too few seeds"
    if near_chance(ours.unpruned, figure.classes):
        return "the unpruned networks are near chance"
    if near_chance(ours.compared, figure.classes):
        return "what is compared is near chance"
    return "" if _spread(ours) else "no spread between the seeds"


def judge(
    statements: Sequence[Statement],
    runs: pd.DataFrame,
    drawn: Mapping[str, Drawn],
    paper: pd.DataFrame,
) -> pd.DataFrame:
    """Return one row a statement, with columns `COLUMNS`.

    Args:
        statements: of claims.yaml.
        runs: all of a scale, as in runs.csv.
        drawn: what each figure of the scale is drawn from, by its name.
        paper: the paper's curves.
    """
    told = {s.id: Case.of(s, runs, drawn, paper) for s in statements}
    sentences = {id_: case.sentence() for id_, case in told.items()}
    agreements = {id_: case.agreement(AGREEMENT) for id_, case in told.items()}
    holds, agrees = _corrected(sentences), _corrected(agreements)
    half, double = (
        {id_: other for id_, case in told.items() if (other := case.with_margin(factor))}
        for factor in (HALF, DOUBLE)
    )
    shorter = (s.down_to(A_FIFTH) for s in statements)
    fifth = {s.id: Case.of(s, runs, drawn, paper) for s in shorter if s}
    otherwise = {
        "verdict_half": _answers({i: c.sentence() for i, c in half.items()}, HOLDS, FAILS),
        "verdict_double": _answers({i: c.sentence() for i, c in double.items()}, HOLDS, FAILS),
        "verdict_fifth": _answers({i: c.sentence() for i, c in fifth.items()}, HOLDS, FAILS),
        "agreement_half": _answers(
            {i: c.agreement(HALF * AGREEMENT) for i, c in told.items()}, AGREES, DIFFERS
        ),
        "agreement_double": _answers(
            {i: c.agreement(DOUBLE * AGREEMENT) for i, c in told.items()}, AGREES, DIFFERS
        ),
    }
    rows = []
    for id_, case in told.items():
        figure = drawn.get(case.statement.figure)
        rows.append(
            {
                **dict.fromkeys(COLUMNS),
                **_of_statement(case.statement),
                "experiment": figure.experiment if figure else "",
                **_of_ours(case, holds.get(id_), sentences[id_]),
                **_of_paper(case),
                **_of_difference(case, agrees.get(id_)),
                **{column: answers.get(id_, "") for column, answers in otherwise.items()},
                "effect_fifth": _mean(fifth.get(id_)),
            }
        )
    return rounded(pd.DataFrame(rows, columns=COLUMNS))


def _of_statement(statement: Statement) -> dict[str, Any]:
    columns = ("claim", "figure", "section", "page", "sentence", "words", "above", "below")
    return {"statement": statement.id, **{name: getattr(statement, name) for name in columns}}


def _of_ours(
    case: Case, p_values: tuple[float, float] | None, question: Question | None
) -> dict[str, Any]:
    """Effect, interval and verdict of our runs."""
    if case.ours is None:
        return {"seeds": 0, "verdict": NOT_RUN, "reason": ""}
    row: dict[str, Any] = {"seeds": len(case.ours.by_seed), "effect": _mean(case)}
    if case.estimate is not None:
        row |= dict(zip(("ci_low", "ci_high"), case.estimate.interval, strict=True))
    if p_values is None or question is None:
        return {**row, "verdict": INCONCLUSIVE, "reason": case.undecidable}
    verdict = _answer(p_values, HOLDS, FAILS)
    return {
        **row,
        **dict(zip(("p_holds", "p_fails"), p_values, strict=True)),
        "verdict": verdict,
        "reason": _why_open(question) if verdict == INCONCLUSIVE else "",
    }


def _mean(case: Case | None) -> float | None:
    """The mean effect of our runs, whether or not anything follows from it."""
    if case is None or case.ours is None:
        return None
    return math.fsum(case.ours.by_seed) / len(case.ours.by_seed)


def _of_paper(case: Case) -> dict[str, Any]:
    """The same of the paper's own figure."""
    row: dict[str, Any] = {"paper_verdict": paper_verdict(case.statement, case.theirs)}
    if case.theirs is not None:
        low, high = case.theirs.interval
        row |= {"paper_effect": case.theirs.value, "paper_low": low, "paper_high": high}
    return row


def _of_difference(case: Case, p_values: tuple[float, float] | None) -> dict[str, Any]:
    """How far our effect is from the paper's, and whether that is little."""
    row: dict[str, Any] = {"agreement": NOT_RUN if case.ours is None else INCONCLUSIVE}
    if case.difference is not None:
        low, high = case.difference.interval
        row |= {
            "difference": case.difference.value,
            "difference_low": low,
            "difference_high": high,
        }
    if p_values is not None:
        row |= {"p_agrees": p_values[0], "p_differs": p_values[1]}
        row["agreement"] = _answer(p_values, AGREES, DIFFERS)
    return row


def paper_verdict(statement: Statement, effect: Estimate | None) -> str:
    """Say whether the paper's figure bears out its text."""
    if effect is None:
        return UNDECIDED
    low, high = effect.interval
    above = -math.inf if statement.above is None else statement.above
    below = math.inf if statement.below is None else statement.below
    if above < low and high < below:
        return BORNE_OUT
    return NOT_BORNE_OUT if high < above or low > below else UNDECIDED


def _corrected(questions: Mapping[str, Question | None]) -> dict[str, tuple[float, float]]:
    """The p-values of a family of questions, both of each, corrected for their number.

    Only those that can be decided are of the family; the others would make its p-values smaller.
    """
    asked = {id_: question.p_values for id_, question in questions.items() if question is not None}
    if not asked:
        return {}
    flat = [p for pair in asked.values() for p in pair]
    corrected = [float(p) for p in stats.false_discovery_control(flat, method="bh")]
    return dict(zip(asked, zip(corrected[::2], corrected[1::2], strict=True), strict=True))


def _answer(p_values: tuple[float, float], yes: str, no: str) -> str:
    if p_values[0] <= LEVEL:
        return yes
    return no if p_values[1] <= LEVEL else INCONCLUSIVE


def _answers(questions: Mapping[str, Question | None], yes: str, no: str) -> dict[str, str]:
    """The answers to a family of questions; none of those that cannot be decided."""
    corrected = _corrected(questions)
    return {id_: _answer(p_values, yes, no) for id_, p_values in corrected.items()}


def _why_open(question: Question) -> str:
    """Why tests that could decide did not."""
    alone = min(question.p_values) <= LEVEL
    return "not significant after correction" if alone else "the interval is too wide"


# ------------------------------------------------------------------------------- counts of them

#: What a claim's statements are counted by: a column of claims.csv -> yes, no; else it is open.
ANSWERS = {
    "agreement": (AGREES, DIFFERS),
    "verdict": (HOLDS, FAILS),
    "paper_verdict": (BORNE_OUT, NOT_BORNE_OUT),
}


def by_claim(claims: pd.DataFrame) -> list[dict[str, Any]]:
    """For each claim what it says, and how many of its statements have which answers.

    Args:
        claims: as `judge` makes them.

    Returns:
        For each claim: id, says, total; for each column of `ANSWERS` how many say yes, no, and
        neither of those that could be decided; how many are `undecidable`, although they were run,
        and how many `not_run`.
    """
    says = titles()
    counted = []
    for claim, rows in claims.groupby("claim", sort=False):
        run = rows["verdict"] != NOT_RUN
        decidable = rows["p_holds"].notna()
        counts: dict[str, Any] = {
            "id": claim,
            "says": says[str(claim)],
            "total": len(rows),
            "undecidable": int((run & ~decidable).sum()),
            "not_run": int((~run).sum()),
        }
        for column, words in ANSWERS.items():
            asked = rows if column == "paper_verdict" else rows[decidable]
            yes, no = (int((asked[column] == word).sum()) for word in words)
            counts[column] = (yes, no, len(asked) - yes - no)
        counted.append(counts)
    return counted


def best_evidence(tables: Sequence[pd.DataFrame]) -> pd.DataFrame:
    """Return one row a statement: that of the scale that can say most about it.

    That is one whose runs can decide, before one whose runs cannot, before one that has none; of
    several the one with most seeds, or else the first.

    Args:
        tables: claims.csv of each scale.
    """
    every = pd.concat(tables, ignore_index=True)
    every = every.assign(
        rank=every["p_holds"].isna().astype(int) + (every["verdict"] == NOT_RUN),
        fewer=-every["seeds"],
        place=every.index,
    )
    best = every.sort_values(["rank", "fewer", "place"]).drop_duplicates("statement")
    order = {statement: place for place, statement in enumerate(tables[0]["statement"])}
    best = best.sort_values("statement", key=lambda column: column.map(order))
    return best.drop(columns=["rank", "fewer", "place"]).reset_index(drop=True)


def changed_by(row: Mapping[Hashable, Any]) -> dict[str, str]:
    """Return the other verdicts of a row of claims.csv, by what leads to them, in words.

    There are none where nothing was decided, or where no choice of ours changes the verdict.
    """
    if pd.isna(row["p_holds"]):
        return {}
    others = {
        "half the margin": row["verdict_half"],
        "twice the margin": row["verdict_double"],
        "down to a fifth remaining": row["verdict_fifth"],
    }
    return {how: other for how, other in others.items() if other not in ("", row["verdict"])}


def in_points(value: float, low: float, high: float) -> str:
    """Return an effect and its interval as text, in points of accuracy; "" if there is none."""
    if pd.isna(value):
        return ""
    if pd.isna(low):
        return f"{100 * value:+.1f}"
    return f"{100 * value:+.1f} ({100 * low:+.1f} to {100 * high:+.1f})"


def in_answers(counts: tuple[int, int, int]) -> str:
    """Return counts of yes, no and open as text: "3 yes, 1 open"; "-" if nothing was asked."""
    said = [f"{n} {word}" for n, word in zip(counts, ("yes", "no", "open"), strict=True) if n]
    return ", ".join(said) or "-"
