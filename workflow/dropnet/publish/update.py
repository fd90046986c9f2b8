"""All that follows from what is published, anew: tables, pictures, pages."""

import shutil
from pathlib import Path

from dropnet.config.plan import Plan
from dropnet.publish.derived import PUBLISHED_TABLES, derive, draw, tables_and_pictures
from dropnet.publish.pages import texts, write
from dropnet.publish.record import folders
from dropnet.publish.staging import alone, beside, named_after, put_in_place


def update_all(readme: Path, published: Path, plan: Plan, *, redraw: bool = False) -> None:
    """Write what follows from every published scale, and what is said of it.

    Args:
        readme: the page that tells of all of them.
        published: their folder.
        plan: of the configuration.
        redraw: draw the figures that follow from runs alone, too, in the looks of today.

    Raises UserError, before anything is changed, if one of them cannot be made, or if another
    process publishes.
    """
    with alone(published), beside(published / "update") as made:
        earlier = _derived(published)
        copy = made / published.name
        with named_after(copy, published):
            shutil.copytree(published, copy, ignore=shutil.ignore_patterns(".*"))
            if redraw:
                draw(copy, plan)
            derive(copy, plan)
            pages = texts(readme, copy, plan.config["scales"])
        put_in_place(copy, _derived(copy), published, earlier)
        of_all = {readme: pages.pop(readme)}
        of_each = {published / page.relative_to(copy): text for page, text in pages.items()}
        write(of_each | of_all)


def _derived(published: Path) -> list[Path]:
    """The tables and pictures of all scales that follow from others."""
    return [
        file
        for folder in folders(published)
        for file in tables_and_pictures(folder)
        if file.name not in PUBLISHED_TABLES
    ]
