"""What is published of a scale, in words and by name: for its page, and for prose about it."""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import pandas as pd

from dropnet.chance import near_chance
from dropnet.config.methods import run_of
from dropnet.criteria.league import against_random, listed
from dropnet.errors import UserError
from dropnet.estimates import Estimate
from dropnet.files.csv_tables import read_table
from dropnet.paper import effects, protocol, verdicts
from dropnet.paper.claims import Statement
from dropnet.paper.comparison import beside_paper
from dropnet.paper.curves import paper_curves
from dropnet.paper.verdicts import in_points
from dropnet.publish.record import RECORD, Record
from dropnet.settings import unit_of
from dropnet.tables.aggregate import read_runs
from dropnet.tables.columns import CRITERIA, CURVES, REMOVABLE
from dropnet.tables.margins import SHOWN


@dataclass(frozen=True)
class Facts:
    """What the tables of a published scale say.

    A method that names a row raises UserError if the table has no such row, so that prose cannot
    mention what is not published.

    Attributes:
        folder: published/<scale>/, with the tables that `derived.derive` adds.
    """

    folder: Path

    @cached_property
    def record(self) -> Record:
        """Where the results come from."""
        return Record.read(self.folder / RECORD)

    @cached_property
    def runs(self) -> pd.DataFrame:
        """runs.csv."""
        return read_runs([self.folder / "runs.csv"])

    @cached_property
    def curves(self) -> pd.DataFrame:
        """curves.csv."""
        return read_table(self.folder / "curves.csv", CURVES)

    @cached_property
    def claims(self) -> pd.DataFrame:
        """claims.csv."""
        return read_table(self.folder / "claims.csv", verdicts.READERS)

    @cached_property
    def shares(self) -> pd.DataFrame:
        """removable.csv, at the margin that is shown."""
        table = read_table(self.folder / "removable.csv", REMOVABLE)
        return table[table["margin"] == SHOWN]

    @cached_property
    def criteria(self) -> pd.DataFrame:
        """criteria.csv; without rows where no criteria are compared."""
        path = self.folder / "criteria.csv"
        return read_table(path, CRITERIA) if path.exists() else pd.DataFrame(columns=list(CRITERIA))

    @cached_property
    def beside_paper(self) -> pd.DataFrame:
        """Each curve of test accuracy beside the paper's, see `comparison.beside_paper`."""
        table = beside_paper(self.curves, paper_curves(), self.record.settings)
        # the supplement prints some figures of the paper once more
        return table[~table.duplicated(table.columns.drop("figure").tolist())]

    def seeds(self, experiment: str, *methods: str) -> str:
        """Return how many runs each method of an experiment has, or some of them: "1 to 3"."""
        for method in methods:
            _rows(self.runs, "runs.csv", experiment=experiment, method=method)
        _rows(self.runs, "runs.csv", experiment=experiment)
        counts = self.record.seeds(experiment, methods).values()
        return str(protocol.Span(min(counts), max(counts)))

    def share(self, experiment: str, method: str) -> str:
        """Return how much can go within a point of accuracy: "45% (41 to 48)"."""
        rows = _rows(self.shares, "removable.csv", experiment=experiment, method=method)
        return share_in_words(rows.iloc[0])

    def accuracy(self, figure: str, method: str, at: float) -> str:
        """Return the mean test accuracy at a fraction remaining, to three digits: "83.7%"."""
        place = self.curves["fraction_remaining"].round(3)
        rows = self.curves[(self.curves["split"] == "test") & (place == at)]
        row = _rows(rows, f"curves.csv at {at}", figure=figure, method=method).iloc[0]
        return f"{100 * row['accuracy']:.1f}%"

    def effect(self, statement: str) -> str:
        """Return our effect for a statement in points: "+1.0 (+0.8 to +1.2)"."""
        row = _rows(self.claims, "claims.csv", statement=statement).iloc[0]
        return in_points(row["effect"], row["ci_low"], row["ci_high"])

    def effect_in_paper(self, statement: str) -> str:
        """Return the same of the paper's own figure."""
        row = _rows(self.claims, "claims.csv", statement=statement).iloc[0]
        return in_points(row["paper_effect"], row["paper_low"], row["paper_high"])

    def contrast(self, experiment: str, criterion: str, reference: str, low: float) -> str:
        """Return a criterion's effect over the range that ends at `low`, in points."""
        rows = self.criteria[self.criteria["low"] == low]
        names = {"experiment": experiment, "criterion": criterion, "reference": reference}
        row = _rows(rows, f"criteria.csv down to {low}", **names).iloc[0]
        return in_points(row["effect"], row["ci_low"], row["ci_high"])

    def criteria_that_are(
        self, verdict: str, experiment: str, low: float, by: str = "verdict"
    ) -> str:
        """Return which criteria are "better" or "worse" than random: "`taylor`, `apoz`", or "none".

        By the corrected t test, or the one of "ranks", over the range that ends at `low`; by
        effect, the best first.
        """
        rows = against_random(self.criteria)
        rows = _rows(rows[rows["low"] == low], f"criteria.csv to {low}", experiment=experiment)
        found = rows[rows[by] == verdict].sort_values("effect", ascending=False)
        return listed(list(found["criterion"])) or "none"

    def gap(self, experiment: str, method: str, other: str, low: float, high: float) -> str:
        """Return how far a method is from another over a range, in points: "-0.5 (-0.7 to -0.3)".

        The range is of the fraction remaining, or a single one; see `effects.effects_of`.
        """
        return self._effect(experiment, method, other, (low, high))

    def change(self, experiment: str, method: str, at: float) -> str:
        """Return how a method has changed accuracy at a fraction remaining: "-1.8 (-4.6 to +1.0)".

        In points, against the unpruned networks.
        """
        return self._effect(experiment, method, None, (at, at))

    def _effect(
        self, experiment: str, method: str, other: str | None, over: tuple[float, float]
    ) -> str:
        names = {name: name for name in (method, other) if name}
        for name in names:
            _rows(self.runs, "runs.csv", experiment=experiment, method=name)
        found = effects.effects_of(
            Statement.of_ours(method, other, over),
            self.runs[self.runs["experiment"] == experiment],
            names,
            self.record.settings[experiment]["stop_fraction"],
        )
        if found.cut_off or len(found.by_seed) < 2:
            raise UserError(
                f"{experiment}: no two seeds of {' and '.join(names)} from {over[0]} to {over[1]},"
                " or some that were cut off above"
            )
        estimate = Estimate.of(found.by_seed, found.unshared)
        return in_points(estimate.value, *estimate.interval)

    def losses(self, claim: str, column: str = "effect") -> str:
        """Return the least and the largest loss that a claim's statements speak of: "1.7 to 2.8".

        `column` may also be "paper_effect".
        """
        losses = -100 * _rows(self.claims, "claims.csv", claim=claim)[column]
        return f"{losses.min():.1f} to {losses.max():.1f}"

    def answers(self, column: str, answer: str) -> int:
        """Return how many of the statements that runs by the protocol can decide have an answer.

        `column` is one of `verdicts.ANSWERS`.
        """
        decidable = verdicts.decided_by(self.claims, reduced=False)
        return int((decidable[column] == answer).sum())

    def at_chance(self, experiment: str, method: str, at: float) -> str:
        """Return how many of its runs are near chance at a fraction remaining: "2 of 4"."""
        rows = self.runs[self.runs["fraction_remaining"].round(3) == at]
        rows = _rows(rows, f"runs.csv at {at}", experiment=experiment, method=method)
        classes = self.record.settings[experiment]["classes"]
        failed = sum(near_chance(accuracy, classes) for accuracy in rows["test_accuracy"])
        return f"{failed} of {len(rows)}"

    def unpruned_in_paper(self, figure: str, method: str) -> str:
        """Return the accuracy of the paper's unpruned networks, to three digits: "68.6%"."""
        return f"{100 * self._beside_paper(figure, method)['paper']:.1f}%"

    def difference_from_paper(self, figure: str, method: str) -> str:
        """Return the mean difference of a curve, ours minus the paper's, in points: "-19.7"."""
        return f"{100 * self._beside_paper(figure, method)['mean']:+.1f}"

    def distance_from_paper(self, figure: str, method: str) -> str:
        """Return the mean size of a curve's differences from the paper's, in points: "3.4"."""
        return f"{100 * self._beside_paper(figure, method)['distance']:.1f}"

    def _beside_paper(self, figure: str, method: str) -> pd.Series:
        return _rows(self.beside_paper, "curves.csv", figure=figure, method=method).iloc[0]

    def near_paper(self, points: float, unit: str) -> str:
        """Return how many curves are as near to the paper's at an average point: "22 of 28".

        Counted are those of experiments by the paper's protocol, with however many seeds, whose
        networks lose this unit: "nodes" or "filters". A run that several figures show counts once,
        by the one that shows most of it.
        """
        settings = self.record.settings
        experiments = self.curves.groupby("figure")["experiment"].first()
        table = self.beside_paper.assign(experiment=lambda t: t["figure"].map(experiments))
        table["run"] = [
            run_of(method, settings[name]["prune_fraction"]).name
            for method, name in zip(table["method"], table["experiment"], strict=True)
        ]
        table = table.sort_values("points", ascending=False, kind="stable")
        table = table.drop_duplicates(["experiment", "run"])
        counted = [
            name
            for name in settings
            if unit_of(settings[name]["model"]) == unit
            and not protocol.reductions_of(settings[name])
        ]
        distances = table[table["experiment"].isin(counted)]["distance"]
        return f"{(100 * distances <= points).sum()} of {len(distances)}"


def _rows(table: pd.DataFrame, name: str, **values: str) -> pd.DataFrame:
    """The rows that have these values; there is at least one."""
    rows = table
    for column, value in values.items():
        rows = rows[rows[column] == value]
    if rows.empty:
        raise UserError(f"{name} has no row of {', '.join(values.values())}")
    return rows


def share_in_words(row: pd.Series) -> str:
    """Return how much can go, by a row of removable.csv: "45% (41 to 48)", or why nobody knows."""
    if pd.isna(row["removable"]):
        return "near chance" if row["at_chance"] else "a single run"
    words = f"{'' if row['crossed'] else 'at least '}{100 * row['removable']:.0f}%"
    return f"{words} ({100 * row['ci_low']:.0f} to {100 * row['ci_high']:.0f})"
