"""The paper's claims, as statements that a program can judge: workflow/reference/claims.yaml."""

import csv
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

from jsonschema.exceptions import best_match

from dropnet.errors import UserError, nearest
from dropnet.files.code_files import WORKFLOW
from dropnet.files.yaml_files import read, strict_validator
from dropnet.paper.curves import PAPER_CURVES, check_paper_curves

CLAIMS = WORKFLOW / "reference" / "claims.yaml"
SCHEMA = WORKFLOW / "schemas" / "claims.schema.yaml"


@dataclass(frozen=True)
class Statement:
    """One thing that has to hold in one figure for a claim to hold.

    What is compared is the effect: the accuracy of `method` minus that of `other`, or of the
    unpruned network, over a range of the fraction remaining. It has to be more than `above`, and
    less than `below`; either may be None.

    Attributes:
        id: e.g. "C1.2".
        claim: e.g. "C1".
        figure: whose curves are compared.
        method: as the figure's legend names it.
        other: likewise; None stands for the unpruned network of the method.
        over: the range of the fraction remaining, from lowest to highest; equal for a point.
        above: lower bound of the effect, or None.
        below: upper bound of the effect, or None.
        sentence: of the paper.
        page: of the PDF.
        section: S: of the supplementary material.
    """

    id: str
    claim: str
    figure: str
    method: str
    other: str | None
    over: tuple[float, float]
    above: float | None
    below: float | None
    sentence: str
    page: int
    section: str

    @classmethod
    def of_ours(
        cls, method: str, other: str | None, over: tuple[float, float], above: float = 0.0
    ) -> "Statement":
        """Return a statement that the paper does not make: that a method is better by so much.

        Than another one; without one, than the unpruned network.
        """
        return cls("", "", "", method, other, over, above, None, sentence="", page=0, section="")

    @property
    def curves(self) -> list[str]:
        """The names of the curves that it compares."""
        return [self.method] if self.other is None else [self.method, self.other]

    @property
    def orders(self) -> bool:
        """Whether it says that one method is better than another, and not merely as good."""
        return self.other is not None and self.below is None and (self.above or 0.0) >= 0

    def with_margin(self, factor: float) -> "Statement | None":
        """Return the statement with margins so many times as large; None if it has no margin."""
        above, below = (None if m is None else factor * m for m in (self.above, self.below))
        return replace(self, above=above, below=below) if above or below else None

    def down_to(self, lowest: float) -> "Statement | None":
        """Return the statement for the part of its range from `lowest` up; None if that is all."""
        low, high = self.over
        return replace(self, over=(lowest, high)) if low < lowest < high else None

    @property
    def words_of_reduced(self) -> str:
        """The statement in words, where the networks were trained by a reduced protocol.

        What networks retain depends on how well they were trained.
        """
        return f"{self.words}, of networks trained this way" if self.other is None else self.words

    @property
    def words(self) -> str:
        """The statement in words."""
        (low, high), above = self.over, self.above or 0.0
        where = f"at {low:g} remaining" if low == high else f"from {high:g} to {low:g} remaining"
        if self.other is None:
            return f"{self.method} loses less than {_points(-above)} {where}"
        if self.below is not None:
            return f"{self.method} is within {_points(self.below)} of {self.other} {where}"
        if above < 0:
            return f"{self.method} is not worse than {self.other} by {_points(-above)} {where}"
        by = f" by more than {_points(above)}" if above else ""
        return f"{self.method} is better than {self.other}{by} {where}"


def _points(difference: float) -> str:
    """A difference of accuracy in points."""
    return f"{100 * difference:g} point{'' if difference == 0.01 else 's'}"


def load(path: str | Path = CLAIMS) -> list[Statement]:
    """Read the statements, in their order.

    Raises:
        UserError: if the file is missing, is not of the form that its head describes, or names a
            figure or a method that the paper does not have.
    """
    claims = read(path)
    error = best_match(strict_validator(SCHEMA).iter_errors(claims))
    if error is not None:
        where = ".".join(map(str, error.absolute_path)) or "the whole file"
        said = error.message
        if error.validator == "oneOf":  # which of the forms was meant is not known
            said = f"{error.instance} has none of the forms that the head of the file lists"
        raise UserError(f"{path}: {where}: {said}")
    statements = [
        _statement(claim, sentence, test)
        for claim, content in claims.items()
        for sentence in content["sentences"]
        for test in sentence["statements"]
    ]
    ids = [statement.id for statement in statements]
    for statement in statements:
        if ids.count(statement.id) > 1 or not statement.id.startswith(f"{statement.claim}."):
            raise UserError(f"{path}: {statement.id}: given twice, or under another claim")
        if statement.over[0] > statement.over[1]:
            raise UserError(f"{path}: {statement.id}: over: goes from the lower to the higher")
        _check_names(path, statement)
    return statements


def _check_names(path: str | Path, statement: Statement) -> None:
    """Refuse figures, curves and ranges that the paper does not have."""
    where, curves = f"{path}: {statement.id}", _curves_of_paper()
    if statement.figure not in curves:
        raise UserError(
            f"{where}: {statement.figure!r} is not a figure of the paper"
            f"{nearest(statement.figure, curves)}; allowed: {', '.join(curves)}"
        )
    of_figure = curves[statement.figure]
    for name in statement.curves:
        if name not in of_figure:
            raise UserError(
                f"{where}: {name!r} is not a curve of {statement.figure}"
                f"{nearest(name, of_figure)}; allowed: {', '.join(of_figure)}"
            )
    if statement.method == statement.other:
        raise UserError(f"{where}: compares {statement.method!r} with itself; allowed: another one")
    lowest = max(of_figure[name] for name in statement.curves)
    if statement.over[1] < lowest:
        raise UserError(
            f"{where}: {statement.over[1]:g} remaining is beyond the end of a curve; allowed: from"
            f" {lowest:g} on"
        )


@cache
def _curves_of_paper() -> dict[str, dict[str, float]]:
    """The lowest fraction of each curve of each figure of the paper."""
    found: dict[str, dict[str, float]] = {}
    check_paper_curves()
    with PAPER_CURVES.open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            of_figure = found.setdefault(row["figure"], {})
            fraction = float(row["fraction_remaining"])
            if fraction > 0:
                of_figure[row["method"]] = min(fraction, of_figure.get(row["method"], 1.0))
    return found


def titles(path: str | Path = CLAIMS) -> dict[str, str]:
    """Return what each claim says, in our words."""
    claims = read(path)
    return {claim: content["says"] for claim, content in claims.items()}


def _statement(claim: str, sentence: Mapping[str, Any], test: Mapping[str, Any]) -> Statement:
    over = tuple(test["over"]) if "over" in test else (test["at"], test["at"])
    if "retains" in test:
        method, other, above, below = test["retains"], None, -test["margin"], None
    elif "better" in test:
        method, other, above, below = test["better"], test["than"], test.get("by", 0.0), None
    else:
        method, other, above, below = test["close"], test["to"], -test["margin"], test["margin"]
    return Statement(
        id=test["id"],
        claim=claim,
        figure=test["figure"],
        method=method,
        other=other,
        over=over,
        above=above,
        below=below,
        sentence=sentence["text"],
        page=sentence["page"],
        section=sentence["section"],
    )
