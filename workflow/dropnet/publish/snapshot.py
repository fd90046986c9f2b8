"""published/<scale>/: the committed copy of a scale's finished runs, with where it comes from.

Only experiments that are complete, of the present configuration and each of one committed state of
the code are copied. What was published earlier of other experiments stays: long runs are made one
at a time, on several machines. All paths are relative to the project's folder, the working
directory.
"""

import csv
import io
import shutil
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from operator import itemgetter
from pathlib import Path

from dropnet.config.plan import Plan
from dropnet.errors import UserError
from dropnet.files.artifacts import atomic_path, write_json, write_text
from dropnet.publish.record import RECORD, Record
from dropnet.publish.results import Finished

TABLES = ("runs.csv", "curves.csv", "sizes.csv", "agreement.csv")


@dataclass(frozen=True)
class Published:
    """What was published.

    Attributes:
        files: what published/<scale>/ has now, runs.csv the first.
        left_out: experiments of the scale whose runs are not complete.
    """

    files: list[Path]
    left_out: list[str]


def publish(plan: Plan, scale: str, *, allow_dirty: bool = False) -> Published:
    """Copy tables and figures of a scale to published/<scale>/, and write provenance.json there.

    Raises UserError, before anything is written, if no experiment is complete, a figure of a
    complete one is missing or does not follow from its runs, or a job had other settings than the
    configured ones; if it read other data than what is published already; and, unless
    `allow_dirty`, if an experiment's jobs ran on several commits or on code that was not committed.
    """
    finished = Finished.find(plan, scale)
    new = Snapshot.of(finished)
    if not allow_dirty:
        new.record.refuse_mixed()
    old = Snapshot.read(new.folder)
    kept = [
        name
        for name in old.record.settings
        if name in plan.experiments and name not in finished.experiments
    ]
    shown = [name for name, figure in plan.figures.items() if figure.experiment in kept]
    return Published(new.merged(old.only(kept, shown)).write(), finished.left_out)


@dataclass(frozen=True)
class Table:
    """A table as text in cells, as it stands in its file."""

    head: list[str]
    rows: list[list[str]]

    @classmethod
    def of(cls, text: str) -> "Table":
        """Take it from the text of its file."""
        head, *rows = csv.reader(io.StringIO(text, newline=""))
        return cls(head, rows)

    @property
    def text(self) -> str:
        """The text of its file."""
        file = io.StringIO(newline="")
        csv.writer(file, lineterminator="\n").writerows([self.head, *self.rows])
        return file.getvalue()

    def only(self, wanted: Mapping[str, Collection[str]]) -> "Table":
        """Return the rows that have a wanted value in each of the columns named, if it has them."""
        columns = [
            (self.head.index(name), values) for name, values in wanted.items() if name in self.head
        ]
        rows = [row for row in self.rows if all(row[i] in values for i, values in columns)]
        return replace(self, rows=rows)

    def merged(self, old: "Table") -> "Table":
        """Return the rows of both, in the order of their first column."""
        rows = [*self.rows, *old.rows]
        return replace(self, rows=sorted(rows, key=itemgetter(0)) if old.rows else rows)


@dataclass(frozen=True)
class Snapshot:
    """What published/<scale>/ has, or is to have, of some experiments.

    Attributes:
        folder: published/<scale>/.
        tables: by the names of their files, which are among `TABLES`.
        pictures: the figures, wherever they are now.
        record: where all of it comes from.
    """

    folder: Path
    tables: Mapping[str, Table]
    pictures: list[Path]
    record: Record

    @classmethod
    def of(cls, finished: Finished) -> "Snapshot":
        """Take it from finished results. Raises UserError if these do not agree."""
        tables = {name: Table.of(text) for name, text in finished.tables().items()}
        folder = Path("published", finished.scale)
        return cls(folder, tables, finished.pictures, finished.record())

    @classmethod
    def read(cls, folder: Path) -> "Snapshot":
        """Read what is published; that may be nothing. Raises UserError if it is damaged."""
        if not (folder / RECORD).exists():
            return cls(folder, {}, [], Record(scale=folder.name, note=""))
        tables = {
            name: Table.of((folder / name).read_text(encoding="utf-8"))
            for name in TABLES
            if (folder / name).exists()
        }
        pictures = sorted((folder / "figures").glob("*"))
        return cls(folder, tables, pictures, Record.read(folder / RECORD))

    def only(self, experiments: Collection[str], figures: Collection[str]) -> "Snapshot":
        """Return what it has of some experiments and of some figures."""
        wanted = {"experiment": experiments, "figure": figures}
        return replace(
            self,
            tables={name: table.only(wanted) for name, table in self.tables.items()},
            pictures=[path for path in self.pictures if path.stem in figures],
            record=self.record.only(experiments),
        )

    def merged(self, old: "Snapshot") -> "Snapshot":
        """Return this snapshot together with an old one of other experiments.

        Raises UserError if their tables have other columns, or if they were made from different
        files of one name.
        """
        tables = dict(self.tables)
        for name, table in old.tables.items():
            if table.rows and table.head != tables[name].head:
                had = ", ".join(table.head)
                raise UserError(f"{old.folder / name}: has other columns than now: {had}")
            tables[name] = tables[name].merged(table)
        return replace(
            self,
            tables=tables,
            pictures=[*old.pictures, *self.pictures],
            record=self.record.merged(old.record),
        )

    def write(self) -> list[Path]:
        """Make the folder hold this and no other figures, and return the files it wrote or kept."""
        files = []
        for name, table in self.tables.items():
            # a scale without figures has no curves, and says so
            if table.rows or name == "curves.csv" or (self.folder / name).exists():
                write_text(self.folder / name, table.text)
                files.append(self.folder / name)
        copies = {path: self.folder / "figures" / path.name for path in self.pictures}
        for source, copy in copies.items():
            if source != copy:
                with atomic_path(copy) as temporary:
                    shutil.copyfile(source, temporary)
        for old in {*(self.folder / "figures").glob("*")} - {*copies.values()}:
            old.unlink()  # it is no longer configured
        write_json(self.folder / RECORD, self.record.content())
        return [*files, *copies.values(), self.folder / RECORD]
