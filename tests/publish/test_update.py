"""What follows from published results is written anew together, or not at all."""

from pathlib import Path

import pytest

from dropnet.config.plan import Plan
from dropnet.errors import UserError
from dropnet.publish.derived import check_derived
from dropnet.publish.pages import check
from dropnet.publish.update import update_all
from helpers.finished_run import CONFIG

pytestmark = pytest.mark.usefixtures("sketched")

FOLDER = Path("published/small")


def update():
    update_all(Path("README.md"), Path("published"), Plan(CONFIG))


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


def test_a_page_that_is_not_there_is_refused(published):
    before = contents()
    Path("README.md").rename("LIESMICH.md")
    with pytest.raises(UserError, match=r"^README.md: no such file$"):
        update()
    assert contents() == {p: text for p, text in before.items() if p != Path("README.md")}
