"""What follows from published results is written anew together, or not at all."""

import shutil
from pathlib import Path

import pytest

from dropnet.config.plan import Plan
from dropnet.errors import UserError
from dropnet.publish.derived import check_derived, derive
from dropnet.publish.pages import check
from dropnet.publish.snapshot import publish
from dropnet.publish.staging import alone
from dropnet.publish.update import update_all
from helpers.finished_run import CONFIG

pytestmark = pytest.mark.usefixtures("sketched")

FOLDER = Path("published/small")


def update(**options):
    update_all(Path("README.md"), Path("published"), Plan(CONFIG), **options)


def contents():
    files = [*Path().glob("README.md"), *Path("published").rglob("*")]
    return {path: path.read_bytes() for path in files if path.is_file()}


def test_tables_pictures_and_pages_are_brought_up_to_date(published):
    update()
    expected = contents()
    kept = (FOLDER / "runs.csv").stat().st_ino
    (FOLDER / "curves.csv").unlink()
    (FOLDER / "claims.csv").write_text("edited")
    (FOLDER / "README.md").write_text("edited")
    (FOLDER / "figures/fig99.png").touch()
    (FOLDER / "criteria.csv").touch()
    update()
    assert contents() == expected
    assert (FOLDER / "runs.csv").stat().st_ino == kept, "what is up to date is not written"
    check_derived("published", Plan(CONFIG))
    check("README.md", "published", ["small"])


def test_an_error_at_the_end_changes_nothing(published):
    """Findings are looked at last of all, when all tables are made."""
    update()
    (FOLDER / "claims.csv").write_text("edited")
    (FOLDER / "figures/fig99.png").touch()
    (FOLDER / "findings.md.j2").write_text("{{ here.effect('C99.1') }}")
    before = contents()
    with pytest.raises(UserError, match=f"^{FOLDER}/findings.md.j2: ") as error:
        update()
    assert ".update" not in str(error.value)
    assert contents() == before
    assert not [*Path("published").glob(".*")]


def test_figures_are_drawn_anew_if_asked_for(published):
    update()
    figure = FOLDER / "figures/fig03.png"
    before = contents()
    figure.write_text("edited")
    update()
    assert figure.read_text() == "edited", "it follows from runs alone"
    update(redraw=True)
    assert contents()[figure] != b"edited"
    assert contents().keys() == before.keys()


def test_what_others_write_meanwhile_is_neither_lost_nor_undone(published, monkeypatch):
    """Somebody who does not ask for the lock, as an editor, or git."""
    update()
    before = contents()

    def derive_slowly(copy, plan):
        derive(copy, plan)
        shutil.copytree(FOLDER, "published/other")
        (FOLDER / "sizes.csv").write_text("new")
        (FOLDER / "findings.md.j2").write_text("new")

    monkeypatch.setattr("dropnet.publish.update.derive", derive_slowly)
    update()
    after = contents()
    assert after[FOLDER / "sizes.csv"] == after[FOLDER / "findings.md.j2"] == b"new"
    assert {path.name for path in before if path.parent == FOLDER} <= {
        path.name for path in after if path.parent == Path("published/other")
    }


def test_two_at_a_time_are_refused(published):
    before = contents()
    with alone(Path("published")):
        words = r"^published: another process publishes or makes pages; wait for it, then start"
        with pytest.raises(UserError, match=words):
            update()
        with pytest.raises(UserError, match=words):
            publish(Plan(CONFIG), "small")
    assert contents() == before


def test_a_page_that_is_not_there_is_refused(published):
    before = contents()
    Path("README.md").rename("LIESMICH.md")
    with pytest.raises(UserError, match=r"^README.md: no such file$"):
        update()
    assert contents() == {p: text for p, text in before.items() if p != Path("README.md")}
