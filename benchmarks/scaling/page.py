"""docs/scaling.md and docs/scaling.svg, from scaling.json alone."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jinja2
import matplotlib as mpl
from matplotlib.figure import Figure

from benchmarks.processes import REPOSITORY
from benchmarks.report import three_digits
from benchmarks.scaling.findings import GOOD_EFFICIENCY
from dropnet.files.artifacts import atomic_path

DOCUMENT, FIGURE = REPOSITORY / "docs/scaling.md", REPOSITORY / "docs/scaling.svg"
TEMPLATE = Path(__file__).with_name("page.md.j2")
LARGE = ("ResNet18", "VGG19", "APoZ")  # what a workstation can do without


def document(record: Mapping[str, Any]) -> str:
    """The page."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(TEMPLATE.parent),
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters |= {"digits": three_digits, "hours": in_hours}
    results = record["results"]
    by_cores = {row["cores"]: row for row in results["scaling"]}
    small = [row["core_hours"] for row in results["groups"] if row["group"] not in LARGE]
    return environment.get_template(TEMPLATE.name).render(
        **results,
        processor=record["made_with"]["processor"],
        git=record["made_with"]["git"],
        fractions=record["fractions"],
        by_cores=by_cores,
        path=sum(link["hours"] for link in results["chain"]),
        large=LARGE,
        without_large=sum(small),
        good_efficiency=GOOD_EFFICIENCY,
    )


def in_hours(hours: float) -> str:
    """A time that is read at a glance.

    >>> in_hours(0.0123), in_hours(7.25), in_hours(123.4), in_hours(24 * 365.0)
    ('44 s', '7.2 h', '5.14 days', '365 days')
    """
    if hours < 1:
        return f"{3600 * hours:.0f} s" if hours < 1 / 30 else f"{60 * hours:.0f} min"
    return f"{hours:.1f} h" if hours < 48 else f"{three_digits(hours / 24)} days"


def draw(results: Mapping[str, Any], target: Path) -> None:
    """Wall time against cores."""
    cores = [row["cores"] for row in results["scaling"]]
    path = sum(link["hours"] for link in results["chain"])
    with mpl.rc_context({"svg.hashsalt": "dropnet", "font.size": 10}):
        figure = Figure(figsize=(6.4, 4), layout="constrained")
        axes = figure.subplots()
        work = results["scaling"][0]["hours"]
        axes.plot(cores, [work / c for c in cores], "--", color="0.5", label="ideal: work / cores")
        axes.axhline(path, color="#c44e52", ls=":", label=f"critical path: {in_hours(path)}")
        for key, style, label in (
            ("first_come_hours", "s-", "first come, first served"),
            ("hours", "o-", "longest path first"),
        ):
            hours = [row[key] for row in results["scaling"]]
            axes.plot(cores, hours, style, ms=4, lw=1.2, label=label)
        axes.set(xscale="log", yscale="log", xlabel="cores", ylabel="wall time, hours (predicted)")
        axes.set_xticks(cores, [str(c) for c in cores], rotation=30)
        axes.yaxis.set_major_formatter("{x:,.0f}")
        axes.minorticks_off()
        axes.grid(alpha=0.3)
        axes.legend(frameon=False)
        with atomic_path(target) as temporary:
            figure.savefig(temporary, format="svg", metadata={"Date": None})
