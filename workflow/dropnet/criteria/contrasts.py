"""criteria.csv: is a criterion better than a random choice?

Each criterion of an experiment is compared with a random choice of its own scope, and with its own
shuffled form where the experiment has one (`names.pairs`): the mean test accuracy over each of
`RANGES`, computed for each seed, the criterion's minus the reference's. Student's paired t test
asks whether the mean difference is 0. All of these tests in one table, of all experiments,
references and ranges, are one family, corrected by Holm's method, so that the probability of even
one wrong "better" or "worse" is at most 5%. Over the lower range a few collapsed networks can
decide the mean; there Wilcoxon's signed-rank test of the same differences stands beside it, and
these tests are a family of their own. Of any mistake in either the probability is at most 10%.

What could not decide is not of a family and has a reason: too few seeds, curves that end too early,
networks that diverged, networks near chance, seeds that do not differ.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from scipy import stats

from dropnet.chance import near_chance
from dropnet.criteria.curves import Curves, common_seeds, curves_of
from dropnet.criteria.names import pairs
from dropnet.estimates import FEWEST_SEEDS, LEVEL, Estimate, common_range, has_spread
from dropnet.files.csv_tables import rounded
from dropnet.tables.columns import CRITERIA

UPPER, LOWER = (0.2, 0.5), (0.05, 0.2)  # of the fraction remaining
RANGES = (UPPER, LOWER)
BETTER, WORSE, NO_DIFFERENCE, UNDECIDED = "better", "worse", "no difference shown", "undecided"


@dataclass(frozen=True)
class Contrast:
    """A criterion and its reference over a range of the fraction remaining.

    Attributes:
        experiment: its name.
        criterion: the method in question.
        reference: the method that it is compared with.
        over: the range.
        reached: its lower end, or where the first of the curves ends.
        ours: mean accuracy of the criterion, for each seed that both have.
        theirs: likewise, of the reference.
        undecidable: why nothing can follow from these, or "".
    """

    experiment: str
    criterion: str
    reference: str
    over: tuple[float, float]
    reached: float
    ours: Sequence[float]
    theirs: Sequence[float]
    undecidable: str

    @classmethod
    def of(
        cls,
        experiment: str,
        curves: Curves,
        pair: tuple[str, str],
        over: tuple[float, float],
        classes: int,
    ) -> "Contrast":
        """Look a pair of methods up in the curves of an experiment."""
        seeds = common_seeds(curves, pair)
        both = [[curves[method][seed] for seed in seeds] for method in pair]
        every = [curve for of_method in both for curve in of_method]
        reached, high = common_range(over, [curve.fractions for curve in every])
        if not seeds or reached >= high:
            why = "too few seeds" if not seeds else "a curve ends above this range"
            return cls(experiment, *pair, over, math.nan, [], [], why)
        ours, theirs = ([curve.average(reached, high) for curve in of_method] for of_method in both)
        unpruned = min(np.mean([c.average(1, 1) for c in of_method]) for of_method in both)
        gone = sum(curve.has_diverged(reached, high) for curve in every)
        if len(seeds) < FEWEST_SEEDS:
            why = "too few seeds"
        elif gone:
            why = f"networks of {gone} of {len(every)} curves diverged"
        elif near_chance(float(unpruned), classes):
            why = "the unpruned networks are near chance"
        elif near_chance(float(max(np.mean(ours), np.mean(theirs))), classes):
            why = "both are near chance"
        else:
            why = (
                ""
                if has_spread(np.subtract(ours, theirs).tolist())
                else "no spread between the seeds"
            )
        return cls(experiment, *pair, over, reached, ours, theirs, why)

    @property
    def differences(self) -> np.ndarray:
        """The criterion's accuracy minus the reference's, [seeds]."""
        return np.subtract(self.ours, self.theirs)

    @property
    def p(self) -> float:
        """Of Student's paired t test, two-sided."""
        return float(stats.ttest_rel(self.ours, self.theirs).pvalue)

    @property
    def p_of_ranks(self) -> float:
        """Of Wilcoxon's signed-rank test, two-sided; exact for few seeds without ties."""
        # equal differences are equal, whatever the last digits of a float say
        return float(stats.wilcoxon(self.differences.round(9)).pvalue)


def holm(p_values: Sequence[float]) -> list[float]:
    """Return p-values corrected for their number by Holm's method (1979), in their order.

    Each is multiplied by the number of those that are not smaller, and is at least as large as what
    becomes of a smaller one; 1 is the most.
    """
    p = np.asarray(p_values, dtype=float)
    order = p.argsort(kind="stable")
    times = len(p) - np.arange(len(p))
    corrected = np.empty_like(p)
    corrected[order] = np.minimum(1, np.maximum.accumulate(p[order] * times))
    return corrected.tolist()


def detectable(differences: np.ndarray, level: float) -> float:
    """Return the mean difference that a paired t test would have found, see `estimates.POWER`.

    The test is two-sided, of as many seeds, whose differences have the standard deviation that
    these have, at a level; found is a difference in its own direction. The power is that of the
    noncentral t distribution.
    """
    # of the two sides, which share the level, the other one has no power worth counting
    return Estimate.of(differences.tolist()).detectable(level / 2)


def contrasts_of(experiment: str, runs: pd.DataFrame, classes: int) -> list[Contrast]:
    """Return all contrasts of an experiment, by criterion, reference and range.

    Args:
        experiment: its name.
        runs: of it, as in runs.csv.
        classes: of its data set.
    """
    curves = curves_of(runs)
    return [
        Contrast.of(experiment, curves, pair, over, classes)
        for pair in pairs(curves)
        for over in RANGES
    ]


def compare(
    runs: pd.DataFrame, classes: Mapping[str, int], scale: str, reductions: Mapping[str, str]
) -> pd.DataFrame:
    """Return one row a contrast, with columns `CRITERIA`.

    Args:
        runs: of the experiments that compare criteria, as in runs.csv.
        classes: of the data set of each experiment.
        scale: its name.
        reductions: how each experiment differs from the paper's protocol, in words, or "".
    """
    told = [
        contrast
        for name, of_experiment in runs.groupby("experiment", sort=False)
        for contrast in contrasts_of(str(name), of_experiment, classes[str(name)])
    ]
    decided = {place: c for place, c in enumerate(told) if not c.undecidable}
    at_small = {place: c for place, c in decided.items() if c.over == LOWER}
    t_tests = _family({place: c.p for place, c in decided.items()})
    rank_tests = _family({place: c.p_of_ranks for place, c in at_small.items()})
    most_seeds = max((len(c.differences) for c in at_small.values()), default=0)
    # if all differences of so many seeds have one sign, and nothing could be clearer
    ranks_can_tell = len(at_small) * 2.0 ** (1 - most_seeds) <= LEVEL
    level = LEVEL / len(decided) if decided else math.nan
    rows = []
    for place, contrast in enumerate(told):
        row: dict[str, Any] = {
            **dict.fromkeys(CRITERIA, math.nan),
            **{"scale": scale, "reduced": reductions[contrast.experiment]},
            **_of_means(contrast),
            **{"verdict": UNDECIDED, "ranks": "", "reason": contrast.undecidable},
        }
        if place in decided:
            p, corrected = t_tests[place]
            row |= {"p": p, "p_holm": corrected, "verdict": _verdict(corrected, row["effect"])}
            row |= {"level": level, "detectable": detectable(contrast.differences, level)}
        if place in at_small:
            p, corrected = rank_tests[place]
            signs = _signed_ranks(contrast.differences)
            row |= {"p_ranks": p, "p_ranks_holm": corrected}
            row["ranks"] = _verdict(corrected, signs) if ranks_can_tell else UNDECIDED
        rows.append(row)
    return rounded(pd.DataFrame(rows, columns=list(CRITERIA)))


def _family(p_values: Mapping[int, float]) -> dict[int, tuple[float, float]]:
    """Each p-value of a family, and what becomes of it by the correction."""
    corrected = holm(list(p_values.values()))
    return {key: (p, c) for (key, p), c in zip(p_values.items(), corrected, strict=True)}


def _verdict(p: float, effect: float) -> str:
    if p > LEVEL:
        return NO_DIFFERENCE
    return BETTER if effect > 0 else WORSE


def _signed_ranks(differences: np.ndarray) -> float:
    """The sum of the ranks of the sizes of differences, each with its sign: where they tend to."""
    return float((stats.rankdata(np.abs(differences)) * np.sign(differences)).sum())


def _of_means(contrast: Contrast) -> dict[str, Any]:
    """What a row says of the accuracies and their difference."""
    low, high = contrast.over
    row: dict[str, Any] = {
        "experiment": contrast.experiment,
        "criterion": contrast.criterion,
        "reference": contrast.reference,
        "low": low,
        "high": high,
        "reached": contrast.reached,
        "seeds": len(contrast.ours),
    }
    if row["seeds"]:
        row |= {
            "accuracy": math.fsum(contrast.ours) / row["seeds"],
            "reference_accuracy": math.fsum(contrast.theirs) / row["seeds"],
            "effect": math.fsum(contrast.differences) / row["seeds"],
        }
    if row["seeds"] > 1 and has_spread(contrast.differences.tolist()):
        ends = Estimate.of(contrast.differences.tolist()).interval
        row |= dict(zip(("ci_low", "ci_high"), ends, strict=True))
    return row
