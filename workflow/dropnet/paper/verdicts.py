"""The words of verdicts, their table (claims.csv), and how they are counted and told."""

from collections.abc import Hashable, Mapping, Sequence
from typing import Any

import pandas as pd

from dropnet.files.csv_rows import COUNT, NUMBER, TEXT, WORDS, Reader
from dropnet.paper.claims import titles

HOLDS, FAILS = "holds", "does not hold"
AGREES, DIFFERS = "agrees", "differs"
INCONCLUSIVE, NOT_RUN = "inconclusive", "not run"
SUPPORTED, CONTRADICTED = "supported at reduced scale", "contradicted at reduced scale"
OPEN_REDUCED = "open at reduced scale"
REDUCED = (SUPPORTED, CONTRADICTED, OPEN_REDUCED)
AT_REDUCED_SCALE = ("supported", "contradicted", "open")  # where the column says the rest
BORNE_OUT, NOT_BORNE_OUT, UNDECIDED = "borne out", "not borne out", "undecided"

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
    "detectable": NUMBER,
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

#: What a claim's statements are counted by: a column of claims.csv -> yes, no; else it is open.
ANSWERS = {
    "agreement": (AGREES, DIFFERS),
    "verdict": (HOLDS, FAILS),
    "paper_verdict": (BORNE_OUT, NOT_BORNE_OUT),
}


def decided_by(claims: pd.DataFrame, *, reduced: bool) -> pd.DataFrame:
    """Return the rows that tests could decide, by the protocol or by a reduced one."""
    of_reduced = claims["verdict"].isin(REDUCED)
    return claims[claims["p_holds"].notna() & (of_reduced if reduced else ~of_reduced)]


def by_claim(claims: pd.DataFrame) -> list[dict[str, Any]]:
    """For each claim what it says, and how many of its statements have which answers.

    Args:
        claims: as `judge` makes them.

    Returns:
        For each claim its id, what it says, and the counts of `counted`.
    """
    says = titles()
    return [
        {"id": claim, "says": says[str(claim)], **counted(rows)}
        for claim, rows in claims.groupby("claim", sort=False)
    ]


def counted(claims: pd.DataFrame) -> dict[str, Any]:
    """Return how many statements have which answers.

    Args:
        claims: as `judge` makes them, all or some.

    Returns:
        The total; for each column of `ANSWERS` how many say yes, no, and neither of those that runs
        by the protocol could decide; likewise `reduced`, of verdicts at reduced scale; how many are
        `undecidable`, although they were run, and how many `not_run`.
    """
    by_protocol, reduced = (decided_by(claims, reduced=which) for which in (False, True))
    not_run = int((claims["verdict"] == NOT_RUN).sum())
    counts: dict[str, Any] = {
        "total": len(claims),
        "reduced": _counts(reduced["verdict"], SUPPORTED, CONTRADICTED),
        "undecidable": len(claims) - len(by_protocol) - len(reduced) - not_run,
        "not_run": not_run,
    }
    for column, words in ANSWERS.items():
        asked = claims if column == "paper_verdict" else by_protocol
        counts[column] = _counts(asked[column], *words)
    return counts


def _counts(answers: pd.Series, yes: str, no: str) -> tuple[int, int, int]:
    """How many say yes, no, and neither."""
    said = int((answers == yes).sum()), int((answers == no).sum())
    return (*said, len(answers) - sum(said))


def best_evidence(tables: Sequence[pd.DataFrame]) -> pd.DataFrame:
    """Return one row a statement: that of the scale that can say most about it.

    That is one whose runs could decide by the protocol, then at a reduced scale; then one whose
    runs could not, by the protocol first; then one that has none. Of several the one with most
    seeds, or else the first.

    Args:
        tables: claims.csv of each scale.
    """
    every = pd.concat(tables, ignore_index=True)
    every = every.assign(
        rank=2 * every["p_holds"].isna()
        + every["verdict"].isin(REDUCED)
        + 2 * (every["verdict"] == NOT_RUN),
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


def in_answers(counts: tuple[int, int, int], words: Sequence[str] = ("yes", "no", "open")) -> str:
    """Return counts as text: "3 yes, 1 open"; "-" if nothing was asked."""
    said = [f"{n} {word}" for n, word in zip(counts, words, strict=True) if n]
    return ", ".join(said) or "-"
