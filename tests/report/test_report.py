"""The report: complete, in one file, and working in a browser."""

import base64
import io
import json
import math
import re
import shutil
import subprocess
from html.parser import HTMLParser
from pathlib import Path

import pandas as pd
import pytest
from PIL import Image, ImageColor

from dropnet.figures.style import STYLES
from dropnet.files.csv_tables import read_table, write_table
from dropnet.paper.claims import load
from dropnet.paper.judging import judge
from dropnet.paper.verdicts import READERS
from dropnet.report.html import Picture, embedded, render
from dropnet.tables.columns import CRITERIA, REMOVABLE, SPEED

CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")
NO_RUNS = pd.DataFrame(
    columns=["experiment", "method", "seed", "cycle", "fraction_remaining", "test_accuracy"]
)
PAPER = Path(__file__).parents[2] / "workflow/reference/paper_curves.csv"


@pytest.fixture
def report(tmp_path):
    """A report without any run but for one job; its names try to break out of the page."""
    picture = tmp_path / "fig03.png"
    Image.new("RGB", (300, 200), "#0072B2").save(picture)
    job = {
        "settings": {"experiment": "FC40-FC40"},
        "method": "minimum (p=0.3)",
        "seeds": [0, 1, 2],
        "wall_seconds": 90.0,
        "git": {"commit": "c0ffee" * 6 + "c0ff", "clean": False},
        "device": "cpu",
        "cpu": "<b>A processor</b>",
        "versions": {"torch": "2.14.1"},
    }
    provenance = []
    for number, seconds in enumerate((90.0, 6000.0, 600.0)):
        path = tmp_path / f"provenance{number}.json"
        path.write_text(json.dumps(job | {"wall_seconds": seconds}))
        provenance.append(path)
    claims = tmp_path / "claims.csv"
    write_table(claims, judge(load(), NO_RUNS, {}, pd.read_csv(PAPER)))
    row = ["FC40-FC40", "minimum", 0.01, 3, 0.96, False, 0.475, False, 0.4, 1.0, 0.955]
    none = ["ResNet18", "minimum", 0.01, 3, 0.12, True, math.nan, False, *[math.nan] * 3]
    removable = pd.DataFrame(
        [[*row, 1000, 0.5, 20000, 0.25], [*none, *[math.nan] * 4]], columns=list(REMOVABLE)
    )
    title = 'Figure 3 <script>alert("x")</script>'
    pictures = [Picture("fig03", title, "FC40-FC40", "3 seeds", str(picture), str(picture))]
    slow = {"experiment": "<i>A</i>", "method": "minimum", "rounding": 1, "batch": 1, "cpu": "<b>"}
    slow |= {"multiply_adds": 9, "at_chance": False}
    speed = pd.DataFrame([dict.fromkeys(SPEED, 0.5) | slow])
    row = {"scale": "preview", "reduced": "3 seeds", "experiment": "<i>A</i>", "seeds": 3}
    row |= {"criterion": "minimum", "reference": "random", "low": 0.2, "high": 0.5, "ranks": ""}
    row |= {"effect": 0.012, "ci_low": 0.01, "ci_high": 0.014, "p_holm": 0.004}
    better = {**dict.fromkeys(CRITERIA, math.nan), **row, "verdict": "better", "reason": ""}
    other = better | {"verdict": "undecided", "reason": "too few <b>seeds</b>", "p_holm": math.nan}
    contrasts = pd.DataFrame([better, other | {"criterion": "maximum"}])
    of_paper = read_table(claims, READERS).assign(seeds=15, p_holds=0.01, verdict="holds")
    return render(
        "preview",
        "Not evidence",
        read_table(claims, READERS),
        removable,
        pictures,
        picture,
        provenance,
        [of_paper],
        (speed, picture),
        (contrasts, [picture]),
    )


class Page(HTMLParser):
    """What the tests want to know of a page."""

    def __init__(self, html):
        super().__init__()
        self.addresses, self.ids, self.scripts = [], [], 0
        self.feed(html)

    def handle_starttag(self, tag, attributes):
        named = dict(attributes)
        self.addresses += [named[key] for key in ("src", "href") if key in named]
        self.ids += [named["id"]] if "id" in named else []
        self.scripts += tag == "script"


def test_the_report_is_one_file_that_needs_no_network(report):
    page = Page(report)
    assert all(address.startswith(("data:", "#")) for address in page.addresses)
    assert len(page.ids) == len(set(page.ids))
    inner = [a[1:] for a in page.addresses if a.startswith("#")]
    assert set(inner) <= set(page.ids)
    assert not re.search(r"https?://|@import|url\(", report)


def test_every_statement_has_a_row_and_names_cannot_break_out(report):
    for statement in load():
        assert f"<td>{statement.id}</td>" in report
    for question in ("agrees with the figure?", "holds in our runs?", "the paper's own figure"):
        assert question in report
    assert "at least 48%" in report
    # the run itself decides nothing; what is published beside it does
    assert "<td>6 yes</td>" in report
    assert report.count('<span class="verdict not-run">not run</span>') > 100
    assert report.count("data:image/png;base64,") == 5
    assert "<td>near chance</td>" in report
    assert Page(report).scripts == 1
    assert "<b>A processor</b>" not in report
    assert "make figures SCALE=preview TARGETS=figures/preview/fig03.png" in report
    assert "Not evidence: 1 of 1 figures do not follow the paper" in report


def test_criteria_have_a_row_each_with_what_the_tests_say(report):
    assert '<span class="verdict better">better</span>' in report
    assert '<td class="number">+1.2 (+1.0 to +1.4)</td><td>50% to 20%</td>' in report
    assert "too few &lt;b&gt;seeds&lt;/b&gt;" in report
    assert "With 50% to 20% remaining, minimum is better" in report
    assert "Scale preview, Not evidence: what is found here is of reduced runs." in report


PROBE = """
<script>
window.addEventListener("load", () => {
  const found = {errors: window.failures, drawn: [], orders: []};
  for (const image of document.images) {
    found.drawn.push(image.complete ? image.naturalWidth : 0);
  }
  const table = [...document.querySelectorAll("table")].at(-1);
  const minutes = () => [...table.tBodies[0].rows].map(row => row.cells[3].textContent.trim());
  found.orders.push(minutes());
  const button = table.tHead.rows[0].cells[3].querySelector("button");
  button.click(); found.orders.push(minutes());
  button.click(); found.orders.push(minutes());
  found.sorted = table.tHead.rows[0].cells[3].getAttribute("aria-sort");
  found.width = document.documentElement.scrollWidth;
  document.body.replaceChildren(JSON.stringify(found));
});
</script></body>"""
CATCH = """<head><script>
window.failures = [];
window.addEventListener("error", event => window.failures.push(event.message));
</script>"""


@pytest.mark.slow
@pytest.mark.skipif(not CHROMIUM, reason="no chromium here")
@pytest.mark.parametrize("width", [1280, 400])
def test_the_report_works_in_a_browser(report, tmp_path, width):
    """It opens without errors, all pictures are drawn, a table sorts, nothing sticks out."""
    probed = report.replace('loading="lazy"', "").replace("<head>", CATCH, 1)
    page = tmp_path / "report.html"
    page.write_text(probed.replace("</body>", PROBE))
    run = subprocess.run(
        [CHROMIUM, "--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"]
        + [
            "--enable-logging=stderr",
            "--host-resolver-rules=MAP * ~NOTFOUND",
            f"--user-data-dir={tmp_path / 'profile'}",
        ]
        + [
            f"--window-size={width},900",
            "--virtual-time-budget=20000",
            "--dump-dom",
            page.as_uri(),
        ],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert "CONSOLE" not in run.stderr, run.stderr
    found = json.loads(re.search(r"<body>(\{.*\})</body>", run.stdout, re.DOTALL)[1])
    assert found["errors"] == []
    assert found["drawn"] == [1380] * 5
    assert found["orders"] == [
        ["90.0", "6,000.0", "600.0"],
        ["90.0", "600.0", "6,000.0"],
        ["6,000.0", "600.0", "90.0"],
    ]
    assert found["sorted"] == "descending"
    assert found["width"] <= max(width, 500)  # the narrowest window that chromium opens


def test_the_report_says_what_became_slower(report):
    assert "pruning makes 0 of 1 faster and 1 SLOWER: &lt;i&gt;A&lt;/i&gt; (0.50 times" in report
    assert '<span class="warning">slower</span>' in report
    assert "<i>A</i>" not in report


def test_a_colour_of_few_pixels_is_kept(tmp_path):
    """Each curve keeps its own, however many curves there are."""
    image = Image.effect_noise((1500, 1100), 90).convert("RGB")  # grey, of all shades
    places = {}
    for number, style in enumerate(STYLES.values()):
        places[style.colour] = (60 + 110 * number, 500)
        image.paste(style.colour, (*places[style.colour], 60 + 110 * number + 24, 524))
    image.save(tmp_path / "picture.png")
    data = embedded(tmp_path / "picture.png").partition("base64,")[2]
    with Image.open(io.BytesIO(base64.b64decode(data))) as small:
        scale = small.width / image.width
        for colour, (x, y) in places.items():
            seen = small.convert("RGB").getpixel((round((x + 12) * scale), round((y + 12) * scale)))
            wanted = ImageColor.getrgb(colour)
            assert max(abs(a - b) for a, b in zip(seen, wanted, strict=True)) < 25, colour
