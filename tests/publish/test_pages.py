"""Pages agree with the tables, whoever has changed one of them."""

import json
import re
import shutil
from pathlib import Path

import pandas as pd
import pytest

from dropnet.config.check import load
from dropnet.config.plan import Plan
from dropnet.errors import UserError
from dropnet.paper.verdicts import COLUMNS, best_evidence
from dropnet.publish.derived import check_derived
from dropnet.publish.pages import BEGIN, END, texts, write
from dropnet.publish.pages import check as check_pages
from dropnet.publish.record import RECORD

ROOT = Path(__file__).parents[2]
PAGE = Path("published/small/README.md")


def update(readme, published):
    write(texts(Path(readme), Path(published), ["small"]))


def check(readme, published):
    check_pages(readme, published, load(ROOT / "config.yaml")["scales"] | {"small": {}})


def pages():
    update("README.md", "published")
    return Path("README.md").read_text(), PAGE.read_text()


def test_the_page_has_the_numbers_worked_by_hand(published):
    _, text = pages()
    assert text.startswith("# Scale `small`\n")
    assert "\nBy the paper's protocol, with fewer seeds: FC5-FC5 (2 of 15 seeds).\n" in text
    assert "\n| FC5-FC5 | `minimum`: 2, `minimum_layer`: 2 |\n" in text
    assert "Made by `c0ffeec0ff` in 1.0 job hours on A processor." in text
    # two seeds that differ by d: half the interval by Student's t is 12.706 * d / 2
    assert (
        "| FC5-FC5 | MNIST | 2 | 0.970 ± 0.127 | minimum_layer"
        " | 0.830 ± 0.381 (at 0.4) | 0.400 ± 1.271 (at 0.2) | - |\n" in text
    )
    # losses of .06 and .04 at 0.6: more than a point on average, and two seeds are sure of nothing
    assert "\n| FC5-FC5 | 0% (0 to 100) | 0% (0 to 100) |\n" in text
    shown, folded = text.split("<details><summary>1 more ")
    assert "![fig03: FC5-FC5, test accuracy](figures/fig03.png)" in shown
    assert "figures/fig03_epochs.png" in folded


def test_the_page_says_where_methods_ran_if_on_several_kinds_of_machine(published):
    path = Path("published/small") / RECORD
    record = json.loads(path.read_text())
    assert "several kinds of machine" not in pages()[1]
    gpu = record["environments"][0] | {"device": "A GPU"}
    moved = [job for job in record["jobs"] if job["method"] == "minimum_layer"]
    for job in moved:
        job["environment"] = len(record["environments"])
    path.write_text(json.dumps(record | {"environments": [*record["environments"], gpu]}))
    _, text = pages()
    assert "\n* FC5-FC5: `minimum` on A processor; `minimum_layer` on A GPU\n" in text
    assert "job hours on A GPU, A processor." in text


def test_every_table_of_a_page_is_one(published):
    """Each line that begins with a bar has as many cells as the head of its table."""
    for text in pages():
        for block in re.findall(r"(?:^\|.*\n)+", text, re.MULTILINE):
            head, line, *rows = block.splitlines()
            assert set(line) == set("| -")
            assert rows
            assert {row.count("|") for row in rows} == {head.count("|")} == {line.count("|")}


def test_readme_has_a_row_for_each_claim_between_its_markers(published):
    text, _ = pages()
    assert text.startswith(f"# Title\n\n{BEGIN}\n")
    assert text.endswith(f"{END}\n\nThe end.\n")
    assert re.findall(r"^\| (C\d+):", text, re.MULTILINE) == [f"C{n}" for n in range(1, 11)]
    assert "[small](published/small/README.md)" in text


def statements(*rows):
    """A claims.csv of some statements: claim, statement, seeds, p, verdict."""
    table = pd.DataFrame(columns=COLUMNS)
    for claim, statement, seeds, p, verdict in rows:
        row = {"claim": claim, "statement": statement, "seeds": seeds, "verdict": verdict}
        table.loc[len(table)] = dict.fromkeys(COLUMNS) | row | {"p_holds": p, "p_fails": p}
    return table


def test_a_statement_counts_once_with_the_runs_that_say_most():
    none = float("nan")
    small = statements(
        ("C1", "C1.1", 30, none, "inconclusive"),
        ("C1", "C1.2", 3, none, "inconclusive"),
        ("C1", "C1.3", 0, none, "not run"),
        ("C2", "C2.1", 5, 0.01, "holds"),
    )
    large = statements(
        ("C1", "C1.1", 15, 0.3, "inconclusive"),
        ("C1", "C1.2", 0, none, "not run"),
        ("C1", "C1.3", 0, none, "not run"),
        ("C2", "C2.1", 15, 0.3, "inconclusive"),
    )
    for tables in ([small, large], [large, small]):
        best = best_evidence(tables)
        assert list(best.columns) == list(COLUMNS)
        rows = best[["statement", "seeds", "verdict"]].itertuples(index=False, name=None)
        assert list(rows) == [
            ("C1.1", 15, "inconclusive"),
            ("C1.2", 3, "inconclusive"),
            ("C1.3", 0, "not run"),
            ("C2.1", 15, "inconclusive"),
        ]


def test_a_figure_that_is_printed_twice_is_shown_once(published):
    folder = Path("published/small")
    curves = pd.read_csv(folder / "curves.csv")
    again = curves[curves["figure"] == "fig03"].assign(figure="figS99")
    pd.concat([curves, again]).to_csv(folder / "curves.csv", index=False)
    shutil.copy(folder / "figures/fig03.png", folder / "figures/figS99.png")
    _, text = pages()
    assert "figures/fig03.png" in text
    assert "figS99" not in text
    again["method"] = "random"
    pd.concat([curves, again]).to_csv(folder / "curves.csv", index=False)
    assert "figures/figS99.png" in pages()[1]


def test_update_is_stable_and_check_agrees(published):
    before = pages()
    check("README.md", "published")
    assert pages() == before


@pytest.mark.parametrize(("page", "number"), [(PAGE, r"0\.830 ±"), ("README.md", r"\| 6 no \|")])
def test_check_finds_a_changed_number(published, page, number):
    pages()
    path = Path(page)
    changed, count = re.subn(number, "0.930 ±", path.read_text(), count=1)
    assert count == 1
    path.write_text(changed)
    with pytest.raises(UserError, match=f"^{page}: differs from the tables in published/; run"):
        check("README.md", "published")
    assert path.read_text() == changed  # a check changes nothing


def test_check_finds_a_changed_table_and_a_missing_page(published):
    pages()
    runs = Path("published/small/runs.csv")
    text = runs.read_text()
    runs.write_text(text.replace("0.98", "0.58"))
    with pytest.raises(UserError, match=f"^{PAGE}: differs"):
        check("README.md", "published")
    runs.write_text(text)
    PAGE.unlink()
    with pytest.raises(UserError, match=f"^{PAGE}: differs"):
        check("README.md", "published")


def test_nothing_published_is_said(project):
    update("README.md", "published")
    assert "\nNo results are published yet.\n" in Path("README.md").read_text()


@pytest.mark.parametrize("text", ["no markers", f"{END}\n{BEGIN}\n", f"{BEGIN}{END}{BEGIN}"])
def test_markers_are_needed(project, text):
    Path("README.md").write_text(text)
    with pytest.raises(UserError, match=r"README.md: needs the lines <!-- results:begin -->"):
        update("README.md", "published")
    assert Path("README.md").read_text() == text


# ------------------------------------------------------------------------------- findings


def test_findings_are_prose_with_the_numbers_filled_in(published):
    Path("published/small/findings.md.j2").write_text(
        '{{ here.seeds("FC5-FC5") }} seeds: {{ here.accuracy("fig03", "minimum", 0.4) }} at 0.4,'
        ' {{ here.gap("FC5-FC5", "minimum", "minimum_layer", 0.4, 0.8) }} points apart;'
        ' {{ here.share("FC5-FC5", "minimum") }}.'
    )
    Path("published/findings.md.j2").write_text(
        'All say {{ scales["small"].accuracy("fig03", "minimum", 0.2) }}.'
    )
    readme, page = pages()
    assert f"\n\n{BEGIN}\n**In short:** we read 36 sentences of the paper as 133 st" in readme
    assert "\n**0 hold**, " in readme
    assert "\n\nAll say 40.0%.\n\n| the paper's claim" in readme
    assert re.search(
        r"## What it shows\n\n2 seeds: 83.0% at 0.4, [+-]0.0 \([+-]\d+.\d to [+-]\d+.\d\) points"
        r" apart; 0% \(0 to 100\).\n",
        page,
    )


@pytest.mark.parametrize(
    ("prose", "message"),
    [
        ('{{ here.share("FC6-FC6", "minimum") }}', "removable.csv has no row of FC6-FC6, minimum"),
        ('{{ here.accuracy("fig03", "minimum", 0.3) }}', "curves.csv at 0.3 has no row of fig03"),
        ('{{ here.effect("C99.1") }}', "claims.csv has no row of C99.1"),
        ("{{ here.shrae() }}", "has no attribute 'shrae'"),
        ("{{ here.share() }}", "missing 2 required positional arguments"),
        ("{% if %}", "Expected an expression"),
    ],
)
def test_findings_that_mention_what_is_not_there_are_refused_in_one_line(published, prose, message):
    Path("published/small/findings.md.j2").write_text(prose)
    with pytest.raises(UserError) as refused:
        update("README.md", "published")
    assert str(refused.value).startswith("published/small/findings.md.j2: ")
    assert message in str(refused.value)
    assert "\n" not in str(refused.value)
    assert not PAGE.exists()


# ------------------------------------------------------------------------------- the project's own


@pytest.mark.slow
def test_pages_of_the_project_agree_with_what_is_published():
    check(ROOT / "README.md", ROOT / "published")
    check_derived(ROOT / "published", Plan(load(ROOT / "config.yaml")))


def test_a_scale_without_its_record_is_not_passed_over(published):
    (PAGE.parent / RECORD).unlink()
    before = Path("README.md").read_bytes()
    with pytest.raises(UserError, match=r"published/small: has runs.csv, but no provenance.json"):
        update("README.md", "published")
    assert Path("README.md").read_bytes() == before
