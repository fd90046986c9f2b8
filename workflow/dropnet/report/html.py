"""report.html: verdicts, figures and where they come from, in one file that opens offline."""

import base64
import io
from collections.abc import Hashable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jinja2
import pandas as pd
from PIL import Image

from dropnet.criteria.league import in_percent
from dropnet.criteria.league import in_words as in_sentences
from dropnet.files.artifacts import artifact, read_json
from dropnet.files.code_files import WORKFLOW
from dropnet.files.provenance import git_state
from dropnet.paper.protocol import fewer_seeds_alone
from dropnet.paper.verdicts import (
    AT_REDUCED_SCALE,
    best_evidence,
    by_claim,
    changed_by,
    counted,
    in_answers,
    in_points,
)
from dropnet.tables.runs import BASELINE
from dropnet.tables.speed import in_words, judged, pruned

TEMPLATES = WORKFLOW / "report"
PICTURE_WIDTH = 1380  # pixels: twice those of the page, for screens of high density
COLOURS = 256  # of a picture


@dataclass(frozen=True)
class Picture:
    """A figure of the report.

    Attributes:
        name: e.g. "fig03".
        title: as in the configuration.
        experiment: that it is drawn from.
        reductions: how that differs from the paper's protocol, or "".
        file: its PNG.
        published: a picture of the same figure, of runs that are published; "" for none.
    """

    name: str
    title: str
    experiment: str
    reductions: str
    file: str
    published: str = ""


def render(
    scale: str,
    note: str,
    claims: pd.DataFrame,
    removable: pd.DataFrame,
    pictures: Sequence[Picture],
    overview: str | Path,
    provenance: Sequence[str | Path],
    published: Sequence[pd.DataFrame] = (),
    speed: tuple[pd.DataFrame, str | Path] | None = None,
    criteria: tuple[pd.DataFrame, Sequence[str | Path]] | None = None,
) -> str:
    """Return the report as HTML.

    Args:
        scale: its name.
        note: what is said of results that are not by the paper's protocol.
        claims: as in claims.csv.
        removable: as in removable.csv.
        pictures: the figures, in their order.
        overview: PNG of the figure of what can go.
        provenance: JSON files of the jobs that trained.
        published: claims.csv of each published scale.
        speed: as in speed.csv, and the PNG of its figure; None if nobody has measured it.
        criteria: as in criteria.csv, and the PNGs of its figures; None if none are compared.
    """
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(TEMPLATES),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
    )
    environment.filters["answers"] = in_answers
    environment.globals["AT_REDUCED_SCALE"] = AT_REDUCED_SCALE
    statements = [_statement(row) for row in claims.to_dict("records")]
    best = best_evidence([claims, *published])
    jobs = [_job(Path(path)) for path in provenance]
    return environment.get_template("report.html.j2").render(
        scale=scale,
        note=note,
        reduced=sum(
            bool(picture.reductions) and not fewer_seeds_alone(picture.reductions)
            for picture in pictures
        ),
        claims=by_claim(best),
        all_claims=counted(best),
        published=bool(published),
        statements=statements,
        removable=removable.to_dict("records"),
        overview=embedded(overview),
        speed=_speed(*speed) if speed else None,
        criteria=_criteria(*criteria) if criteria else None,
        names={picture.name for picture in pictures},
        pictures=[
            {
                **vars(picture),
                "image": embedded(picture.file),
                "beside": embedded(picture.published) if picture.published else "",
                "statements": [s for s in statements if s["figure"] == picture.name],
            }
            for picture in pictures
        ],
        jobs=jobs,
        hours=sum(job["seconds"] for job in jobs) / 3600,
        git=git_state(),
    )


def _speed(table: pd.DataFrame, picture: str | Path) -> dict[str, Any]:
    """What the page says of how fast networks are."""
    rows = pruned(table)
    return {
        "words": in_words(table),
        "cpu": ", ".join(dict.fromkeys(table["cpu"])),
        "image": embedded(picture),
        "rows": rows.assign(verdict=judged(rows)).to_dict("records"),
    }


def _criteria(table: pd.DataFrame, pictures: Sequence[str | Path]) -> dict[str, Any]:
    """What the page says of how criteria compare."""
    return {
        "words": in_sentences(table),
        "images": [{"name": Path(path).stem, "image": embedded(path)} for path in pictures],
        "rows": [
            {
                **row,
                "over": in_percent((row["low"], row["high"])),
                "ours": in_points(row["effect"], row["ci_low"], row["ci_high"]),
            }
            for row in table.to_dict("records")
        ],
    }


def embedded(path: str | Path) -> str:
    """Return a picture as the text of an address that contains it, smaller than the file."""
    with drawn(path), Image.open(path) as image:
        width, height = image.size
        size = (PICTURE_WIDTH, round(height * PICTURE_WIDTH / width))
        small = image.convert("RGB").resize(size, Image.Resampling.LANCZOS)
        # by coverage: a colour of few pixels, such as that of one curve of many, is kept
        small = small.quantize(COLOURS, Image.Quantize.MAXCOVERAGE, dither=Image.Dither.NONE)
    buffer = io.BytesIO()
    small.save(buffer, "PNG", optimize=True)
    return "data:image/png;base64," + base64.b64encode(buffer.getvalue()).decode()


@contextmanager
def drawn(path: str | Path) -> Iterator[None]:
    """Within, pillow's errors are those of an artifact."""
    with artifact(path):
        try:
            yield
        except (OSError, SyntaxError) as error:
            if getattr(error, "errno", None) is not None:
                raise
            raise ValueError(error) from None


def _statement(row: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
    """A row of claims.csv with its numbers as text, in points of accuracy."""
    return {
        **row,
        "ours": in_points(row["effect"], row["ci_low"], row["ci_high"]),
        "papers": in_points(row["paper_effect"], row["paper_low"], row["paper_high"]),
        "apart": in_points(row["difference"], row["difference_low"], row["difference_high"]),
        "otherwise": "; ".join(f"{how}: {other}" for how, other in changed_by(row).items()),
    }


def _job(path: Path) -> dict[str, Any]:
    record = read_json(path)
    with artifact(path):
        seeds = record["seeds"]
        return {
            "experiment": record["settings"]["experiment"],
            "method": record.get("method", BASELINE),
            "seeds": f"{seeds[0]}-{seeds[-1]}",
            "seconds": float(record["wall_seconds"]),
            "table": path.with_name(path.stem.replace("provenance", "runs") + ".csv"),
            "commit": (record["git"]["commit"] or "unknown")[:10],
            "clean": record["git"]["clean"] is not False,
            "device": record["device"],
            "cpu": record["cpu"],
            "torch": record["versions"].get("torch", ""),
        }
