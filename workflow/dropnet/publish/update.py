"""All that follows from what is published, anew: tables, pictures, pages."""

import shutil
from pathlib import Path

from dropnet.config.plan import Plan
from dropnet.errors import UserError
from dropnet.publish.derived import derive, draw, tables_and_pictures
from dropnet.publish.pages import update
from dropnet.publish.record import folders
from dropnet.publish.staging import beside, named_after, put_in_place


def update_all(readme: Path, published: Path, plan: Plan, *, redraw: bool = False) -> None:
    """Write what follows from every published scale, and what is said of it.

    Args:
        readme: the page that tells of all of them.
        published: their folder.
        plan: of the configuration.
        redraw: draw the figures that follow from runs alone, too, in the looks of today.

    Raises UserError, before anything is changed, if it cannot all be written.
    """
    if not readme.is_file():
        raise UserError(f"{readme}: no such file")
    with beside(published / "update") as made:
        copy, page = made / published.name, made / "page" / readme.name
        with named_after({copy: published, page: readme}):
            shutil.copytree(published, copy, ignore=_hidden)
            page.parent.mkdir()
            shutil.copy(readme, page)
            if redraw:
                draw(copy, plan)
            derive(copy, plan)
            update(page, copy, plan.config["scales"])
        scales = folders(published)
        put_in_place(copy, published, (file for of in scales for file in tables_and_pictures(of)))
        put_in_place(page.parent, readme.parent)


def _hidden(_folder: str, names: list[str]) -> list[str]:
    return [name for name in names if name.startswith(".")]
