"""The paper's claims, as statements that a program can judge: workflow/reference/claims.yaml."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import yaml
from jsonschema import Draft202012Validator
from jsonschema.exceptions import best_match

from dropnet.code_files import WORKFLOW
from dropnet.errors import UserError

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

    @property
    def words(self) -> str:
        """The statement in words."""
        low, high = self.over
        where = f"at {low:g} remaining" if low == high else f"from {high:g} to {low:g} remaining"
        if self.other is None:
            return f"{self.method} loses less than {-self.above:g} {where}"
        if self.below is not None:
            return f"{self.method} is within {self.below:g} of {self.other} {where}"
        if self.above < 0:
            return f"{self.method} is not worse than {self.other} by {-self.above:g} {where}"
        by = f" by more than {self.above:g}" if self.above else ""
        return f"{self.method} is better than {self.other}{by} {where}"


def load(path: str | Path = CLAIMS) -> list[Statement]:
    """Read the statements, in their order.

    Raises:
        UserError: if the file is missing or is not of the form that its head describes.
    """
    try:
        claims = yaml.safe_load(Path(path).read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise UserError(f"{path}: no such file") from None
    except yaml.YAMLError as error:
        raise UserError(f"{path}: not YAML: {error}") from None
    error = best_match(_validator().iter_errors(claims))
    if error is not None:
        where = ".".join(map(str, error.absolute_path)) or "the whole file"
        raise UserError(f"{path}: {where}: {error.message}")
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
    return statements


def titles(path: str | Path = CLAIMS) -> dict[str, str]:
    """Return what each claim says, in our words."""
    claims = yaml.safe_load(Path(path).read_text(encoding="utf-8"))
    return {claim: content["says"] for claim, content in claims.items()}


@cache
def _validator() -> Draft202012Validator:
    return Draft202012Validator(yaml.safe_load(SCHEMA.read_text(encoding="utf-8")))


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
