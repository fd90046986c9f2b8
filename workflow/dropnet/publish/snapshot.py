"""published/<scale>/: the committed copy of a scale's finished runs, with where it comes from.

Training takes days, on several machines, so that results are published job by job: those that are
complete are put beside what was published earlier, which keeps the runs of other seeds and methods.
What holds an experiment together is therefore not its commit but that all of its runs have the same
settings and data; each job is recorded with its own commit. All paths are relative to the project's
folder, the working directory.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd

from dropnet.config.plan import Plan
from dropnet.errors import UserError, nearest
from dropnet.files.artifacts import write_json
from dropnet.files.csv_rows import Reader
from dropnet.files.csv_tables import read_table, write_table
from dropnet.publish.derived import derive_one, draw_one, tables_and_pictures
from dropnet.publish.record import MEND, RECORD, Record, Run, refuse_unrecorded
from dropnet.publish.results import Finished
from dropnet.publish.staging import alone, beside, named_after, put_in_place
from dropnet.tables.aggregate import read_runs
from dropnet.tables.columns import AGREEMENT, SIZES
from dropnet.tables.runs import RUNS

RUN = ["experiment", "method", "seed"]


@dataclass(frozen=True)
class Published:
    """What was published.

    Attributes:
        files: what published/<scale>/ has now, runs.csv the first.
        left_out: experiments of the scale of which a method or a seed is not complete.
        replaced: how many runs it had before with other numbers.
        removed: how many it had before that it has no longer.
    """

    files: list[Path]
    left_out: list[str]
    replaced: int
    removed: int


def publish(
    plan: Plan, scale: str, *, allow_dirty: bool = False, replacing: Collection[str] = ()
) -> Published:
    """Put the finished jobs of a scale into published/<scale>/, and what follows from all of it.

    Runs that are published already stay, but for those of the same experiment, method and seed, of
    experiments that are no longer configured, and of those in `replacing`.

    Raises UserError, before anything is written, if no job is complete or one had other settings
    than the configured ones; if what is published already is damaged, or was made from other data,
    or has other settings of the same experiment; and, unless `allow_dirty`, if a job ran on code
    that was not committed.
    """
    for name in replacing:
        if name not in plan.experiments:
            hint, allowed = nearest(name, plan.experiments), ", ".join(plan.experiments)
            raise UserError(f"--replace: {name!r} is not configured{hint}; allowed: {allowed}")
    finished = Finished.find(plan, scale)
    new = Snapshot.of(finished)
    if not allow_dirty:
        new.record.refuse_unclean()
    folder = Path("published", scale)
    with alone(folder.parent):
        before = Snapshot.read(folder)
        merged = new.merged(before.only(plan.experiments.keys() - set(replacing)), plan)
        return Published(
            files=merged.write(folder, plan),
            left_out=finished.left_out,
            replaced=merged.differing_from(before),
            removed=len(_keys(before.runs) - _keys(merged.runs)),
        )


@dataclass(frozen=True)
class Snapshot:
    """The runs that published/<scale>/ has, or is to have.

    Attributes:
        runs: as in runs.csv.
        sizes: as in sizes.csv.
        agreement: as in agreement.csv.
        record: where all of it comes from.
    """

    runs: pd.DataFrame
    sizes: pd.DataFrame
    agreement: pd.DataFrame
    record: Record

    @classmethod
    def of(cls, finished: Finished) -> "Snapshot":
        """Take it from finished results. Raises UserError if these do not agree."""
        record = finished.record()
        finished.check()
        return cls(finished.runs, finished.sizes(), finished.agreement(), record)

    @classmethod
    def read(cls, folder: Path) -> "Snapshot":
        """Read what is published; that may be nothing. Raises UserError if it is damaged."""
        refuse_unrecorded(folder)
        if not (folder / RECORD).exists():
            runs, sizes, agreement = (
                pd.DataFrame(columns=list(names)) for names in (RUNS, SIZES, AGREEMENT)
            )
            return cls(runs, sizes, agreement, Record(scale=folder.name, note=""))
        record = Record.read(folder / RECORD)
        with _mended():
            runs = read_runs([folder / "runs.csv"])
            sizes = _read(folder / "sizes.csv", SIZES)
            agreement = _read(folder / "agreement.csv", AGREEMENT)
        if lost := sorted(record.runs ^ _keys(runs)):
            experiment, method, seed = lost[0]
            there = RECORD if lost[0] in record.runs else "runs.csv"
            raise UserError(
                f"{folder}: {experiment}, {method}, seed {seed} is in {there} alone; {MEND}"
            )
        return cls(runs, sizes, agreement, record)

    def only(self, experiments: Collection[str]) -> "Snapshot":
        """Return what it has of some experiments."""
        runs, sizes, agreement = (
            table[table["experiment"].isin(list(experiments))]
            for table in (self.runs, self.sizes, self.agreement)
        )
        return replace(
            self, runs=runs, sizes=sizes, agreement=agreement, record=self.record.only(experiments)
        )

    def without(self, taken: Collection[Run]) -> "Snapshot":
        """Return what it has but for some runs.

        With those of an oracle goes what says how far masks were the oracle's.
        """
        oracles = {(name, seed) for name, method, seed in taken if method == "oracle"}
        pairs = zip(self.agreement["experiment"], self.agreement["seed"], strict=True)
        agreement = _only(self.agreement, (pair not in oracles for pair in pairs))
        return replace(
            self,
            runs=_without(self.runs, taken),
            sizes=_without(self.sizes, taken),
            agreement=_without(agreement, taken),
            record=self.record.without(taken),
        )

    def merged(self, old: "Snapshot", plan: Plan) -> "Snapshot":
        """Return this snapshot, and what an older one has of other runs.

        Raises UserError if one experiment was made with different settings, or if they were made
        from different files of one name.
        """
        order = {
            name: [method.name for method in methods] for name, methods in plan.experiments.items()
        }
        kept = old.without(_keys(self.runs))
        return Snapshot(
            _joined(kept.runs, self.runs, order, ["seed", "cycle"]),
            _joined(kept.sizes, self.sizes, order, ["seed", "cycle"]),
            _joined(kept.agreement, self.agreement, order, ["seed", "fraction_remaining"]),
            self.record.merged(kept.record, order),
        )

    def differing_from(self, old: "Snapshot") -> int:
        """Return how many runs both have, with other numbers in an older one."""
        before, now = (
            {run: rows.to_csv(index=False) for run, rows in table.groupby(RUN)}
            for table in (old.runs, self.runs)
        )
        return sum(now[run] != before[run] for run in before.keys() & now.keys())

    def write(self, folder: Path, plan: Plan) -> list[Path]:
        """Make a folder hold this, what follows from it, and no other table or figure.

        All of it is made beside the folder first, so that an error changes nothing. Only if the
        process is killed while it moves the files is the folder a mixture: git has the old one.
        """
        with beside(folder) as made, named_after(made, folder):
            write_table(made / "runs.csv", self.runs)
            for file, table in (("sizes.csv", self.sizes), ("agreement.csv", self.agreement)):
                if not table.empty:
                    write_table(made / file, table)
            write_json(made / RECORD, self.record.content())
            derive_one(made, plan)
            draw_one(made, plan)
            new = (path for path in made.rglob("*") if path.is_file())
            # what is no longer configured goes
            files = put_in_place(made, new, folder, tables_and_pictures(folder))
        return sorted(files, key=lambda path: path.name != "runs.csv")


@contextmanager
def _mended() -> Iterator[None]:
    """Within, errors of a table say how to mend one that is committed."""
    try:
        yield
    except UserError as error:
        raise UserError(f"{str(error).partition('; delete')[0]}; {MEND}") from None


def _read(path: Path, readers: Mapping[str, Reader]) -> pd.DataFrame:
    """A table that may be missing, as nothing was to be said in it."""
    return read_table(path, readers) if path.exists() else pd.DataFrame(columns=list(readers))


def _keys(table: pd.DataFrame) -> set[Run]:
    return set(table[RUN].itertuples(index=False, name=None))


def _without(table: pd.DataFrame, taken: Collection[Run]) -> pd.DataFrame:
    return _only(table, (key not in taken for key in table[RUN].itertuples(index=False, name=None)))


def _only(table: pd.DataFrame, wanted: Iterable[bool]) -> pd.DataFrame:
    """The rows that are wanted; of a table without rows none, and all of its columns."""
    return table[np.array([*wanted], dtype=bool)]


def _joined(
    old: pd.DataFrame,
    new: pd.DataFrame,
    order: Mapping[str, Sequence[str]],
    within: Sequence[str],
) -> pd.DataFrame:
    """Rows of both: by experiment, method as configured, and `within`; fractions from 1 down."""
    table = pd.concat([part for part in (old, new) if not part.empty] or [new], ignore_index=True)
    places = {
        (name, method): place
        for name, methods in order.items()
        for place, method in enumerate(methods)
    }
    pairs = zip(table["experiment"], table["method"], strict=True)
    table = table.assign(place=[places.get(pair, len(places)) for pair in pairs])
    upward = [key != "fraction_remaining" for key in within]
    table = table.sort_values(
        ["experiment", "place", "method", *within], ascending=[True, True, True, *upward]
    )
    return table.drop(columns="place").reset_index(drop=True)
