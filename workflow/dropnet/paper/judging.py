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

Runs by a reduced protocol never answer for the paper's. Whether the sentence holds in them is
asked in words of its own ("supported", "contradicted at reduced scale"), by a family of tests of
its own, and only where there is reason to think that they could tell (`controls`): with
`REDUCED_SEEDS` seeds or more, networks about as accurate as the paper's, and the collapse of
`maximum` in sight.

How much a verdict owes to a choice of ours is told by the same question put otherwise: with margins
half and twice as large, and over the part of a range in which at least a fifth of the network
remains. Each of these is corrected by itself and counts nowhere.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import pandas as pd
from scipy import stats

from dropnet.chance import near_chance
from dropnet.estimates import FEWEST_SEEDS, LEVEL, Estimate, Side, has_spread
from dropnet.files.csv_tables import rounded
from dropnet.paper.claims import Statement
from dropnet.paper.controls import REDUCED_SEEDS, uncontrolled
from dropnet.paper.drawn import Drawn
from dropnet.paper.effects import Effects, effects_of, paper_effect
from dropnet.paper.verdicts import (
    AGREES,
    BORNE_OUT,
    COLUMNS,
    CONTRADICTED,
    DIFFERS,
    FAILS,
    HOLDS,
    INCONCLUSIVE,
    NOT_BORNE_OUT,
    NOT_RUN,
    OPEN_REDUCED,
    SUPPORTED,
    UNDECIDED,
)

AGREEMENT = 0.01  # of accuracy: what our effect and the paper's may be apart
HALF, DOUBLE = 0.5, 2.0  # other margins
A_FIFTH = 0.2  # remaining: where other ranges end


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
        reduced: whether our runs are by a reduced protocol.
    """

    statement: Statement
    ours: Effects | None
    theirs: Estimate | None
    undecidable: str
    reduced: bool = False

    @classmethod
    def of(
        cls, statement: Statement, runs: pd.DataFrame, drawn: Mapping[str, Drawn], paper: Any
    ) -> "Case":
        """Look a statement up in the runs of a scale, and in the paper's curves."""
        figure = drawn.get(statement.figure)
        theirs = paper_effect(statement, paper)
        if figure is None:
            return cls(statement, None, theirs, "")
        of_experiment = figure.runs_in(runs)
        if not {figure.methods.get(name) for name in statement.curves} <= set(
            of_experiment["method"]
        ):
            return cls(statement, None, theirs, "")
        ours = effects_of(statement, of_experiment, figure.methods, figure.stop_fraction)
        if not ours.by_seed and not ours.cut_off:
            return cls(statement, None, theirs, "")
        why = _why_not(ours, figure)
        if not why and figure.reductions:
            why = uncontrolled(statement.figure, figure, of_experiment, paper)
        return cls(statement, ours, theirs, why, bool(figure.reductions))

    @property
    def estimate(self) -> Estimate | None:
        """The mean effect in our runs; None where no spread tells how sure it is."""
        if self.ours is None or not has_spread(self.ours.by_seed):
            return None
        return Estimate.of(self.ours.by_seed, self.ours.unshared)

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
        """Ask whether our effect is the paper's, within a margin; None as above.

        That of a reduced protocol is another experiment's.
        """
        if self.undecidable or self.reduced or self.difference is None:
            return None
        return Question(self.difference, -margin, margin)

    @property
    def difference(self) -> Estimate | None:
        """Our effect minus the paper's."""
        if self.estimate is None or self.theirs is None:
            return None
        return self.estimate.minus(self.theirs)


def _why_not(ours: Effects, figure: Drawn) -> str:
    """Why nothing can be decided from these effects, or ""."""
    if not ours.by_seed:
        return f"the runs end at {max(ours.cut_off):.1g} remaining"
    if figure.reductions and len(ours.by_seed) < REDUCED_SEEDS:
        return f"too few seeds: a reduced protocol needs {REDUCED_SEEDS}"
    if len(ours.by_seed) < FEWEST_SEEDS:
        return "too few seeds"
    if near_chance(ours.unpruned, figure.classes):
        return "the unpruned networks are near chance"
    if near_chance(ours.compared, figure.classes):
        return "what is compared is near chance"
    return "" if has_spread(ours.by_seed) else "no spread between the seeds"


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
    agrees = _corrected({id_: case.agreement(AGREEMENT) for id_, case in told.items()})
    holds = _judged(told)
    half, double = (
        {id_: other for id_, case in told.items() if (other := case.with_margin(factor))}
        for factor in (HALF, DOUBLE)
    )
    shorter = (s.down_to(A_FIFTH) for s in statements)
    fifth = {s.id: Case.of(s, runs, drawn, paper) for s in shorter if s}
    otherwise = {
        "verdict_half": {id_: judged.verdict for id_, judged in _judged(half).items()},
        "verdict_double": {id_: judged.verdict for id_, judged in _judged(double).items()},
        "verdict_fifth": {id_: judged.verdict for id_, judged in _judged(fifth).items()},
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
                **_of_statement(case),
                "experiment": figure.experiment if figure else "",
                **_of_ours(case, holds.get(id_)),
                **_of_paper(case),
                **_of_difference(case, agrees.get(id_)),
                **{column: answers.get(id_, "") for column, answers in otherwise.items()},
                "effect_fifth": _mean(fifth.get(id_)),
            }
        )
    return rounded(pd.DataFrame(rows, columns=COLUMNS))


@dataclass(frozen=True)
class Judged:
    """What the tests say of a statement.

    Attributes:
        p_values: that it holds, and that it does not, corrected.
        verdict: in the words of its protocol.
        reason: why it is open, or "".
        level: that one more test of its family had to pass.
    """

    p_values: tuple[float, float]
    verdict: str
    reason: str
    level: float


def _judged(cases: Mapping[str, Case]) -> dict[str, Judged]:
    """Judge the cases that can be: those by the protocol, and by themselves the reduced ones.

    The level that one more test had to pass to count among those of its family that came out is 5%
    times their number, and one, in the number of all (Benjamini & Hochberg).
    """
    judged = {}
    for reduced, yes, no, neither in (
        (False, HOLDS, FAILS, INCONCLUSIVE),
        (True, SUPPORTED, CONTRADICTED, OPEN_REDUCED),
    ):
        family = {id_: case for id_, case in cases.items() if case.reduced == reduced}
        questions = {id_: q for id_, case in family.items() if (q := case.sentence())}
        corrected = _corrected(questions)
        tests = 2 * len(corrected)
        passed = sum(p <= LEVEL for pair in corrected.values() for p in pair)
        for id_, p_values in corrected.items():
            question = questions[id_]
            verdict = _answer(p_values, yes, no, neither)
            judged[id_] = Judged(
                p_values,
                verdict,
                _why_open(question) if verdict == neither else "",
                LEVEL * min(passed + 1, tests) / tests,
            )
    return judged


def _of_statement(case: Case) -> dict[str, Any]:
    statement = case.statement
    columns = ("claim", "figure", "section", "page", "sentence", "above", "below")
    words = statement.words_of_reduced if case.reduced else statement.words
    told = {name: getattr(statement, name) for name in columns}
    return {"statement": statement.id, **told, "words": words}


def _of_ours(case: Case, judged: Judged | None) -> dict[str, Any]:
    """Effect, interval and verdict of our runs."""
    if case.ours is None:
        return {"seeds": 0, "verdict": NOT_RUN, "reason": ""}
    row: dict[str, Any] = {
        "seeds": len(case.ours.by_seed) or len(case.ours.cut_off),
        "effect": _mean(case),
    }
    if case.estimate is not None:
        row |= dict(zip(("ci_low", "ci_high"), case.estimate.interval, strict=True))
    if judged is None or case.estimate is None:
        verdict = OPEN_REDUCED if case.reduced else INCONCLUSIVE
        return {**row, "verdict": verdict, "reason": case.undecidable}
    return {
        **row,
        **dict(zip(("p_holds", "p_fails"), judged.p_values, strict=True)),
        "verdict": judged.verdict,
        "reason": judged.reason,
        "detectable": case.estimate.detectable(judged.level),
    }


def _mean(case: Case | None) -> float | None:
    """The mean effect of our runs, whether or not anything follows from it."""
    if case is None or case.ours is None or not case.ours.by_seed:
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


def _answer(p_values: tuple[float, float], yes: str, no: str, neither: str = INCONCLUSIVE) -> str:
    if p_values[0] <= LEVEL:
        return yes
    return no if p_values[1] <= LEVEL else neither


def _answers(questions: Mapping[str, Question | None], yes: str, no: str) -> dict[str, str]:
    """The answers to a family of questions; none of those that cannot be decided."""
    corrected = _corrected(questions)
    return {id_: _answer(p_values, yes, no) for id_, p_values in corrected.items()}


def _why_open(question: Question) -> str:
    """Why tests that could decide did not."""
    alone = min(question.p_values) <= LEVEL
    return "not significant after correction" if alone else "the interval is too wide"
