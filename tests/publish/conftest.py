"""A finished run, and one that is published: made once, and copied for each test."""

import shutil
from contextlib import chdir
from functools import cache

import pytest

from dropnet.config.plan import Plan
from dropnet.paper.claims import load
from dropnet.paper.curves import paper_curves
from dropnet.publish.derived import derive
from dropnet.publish.snapshot import publish
from helpers import finished_run

KNOWN = {"claims": cache(lambda: load()[:8]), "curves": cache(paper_curves)}


@pytest.fixture(scope="session")
def _finished(tmp_path_factory):
    folder = tmp_path_factory.mktemp("finished")
    with chdir(folder):
        finished_run.make()
    return folder


@pytest.fixture(scope="session")
def _published(_finished, tmp_path_factory):
    folder = shutil.copytree(_finished, tmp_path_factory.mktemp("published") / "project")
    with chdir(folder):
        publish(Plan(finished_run.CONFIG), "small")
        derive("published", Plan(finished_run.CONFIG))
    return folder


@pytest.fixture
def sketched(monkeypatch):
    """Figures are written as what they would be drawn from, which takes no time."""

    def write(drawn, path):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(drawn)

    def sketch(table, *words):
        return f"{words[:1]}\n{table.to_csv(index=False)}"

    # what is known of the paper is read once, and some of its statements are enough
    monkeypatch.setattr("dropnet.publish.derived.load", KNOWN["claims"])
    monkeypatch.setattr("dropnet.publish.derived.paper_curves", KNOWN["curves"])
    monkeypatch.setattr("dropnet.publish.derived.curves.plot", sketch)
    monkeypatch.setattr("dropnet.publish.derived.removable.plot", sketch)
    monkeypatch.setattr("dropnet.publish.derived.page.save_png", write)


def _in_a_copy(folder, copy, monkeypatch):
    shutil.copytree(folder, copy, dirs_exist_ok=True)
    monkeypatch.chdir(copy)
    return copy


@pytest.fixture
def project(_finished, tmp_path, monkeypatch):
    """A finished run of CONFIG in the working directory."""
    return _in_a_copy(_finished, tmp_path, monkeypatch)


@pytest.fixture
def published(_published, tmp_path, monkeypatch):
    """The same, published, with what follows from it but no page."""
    return _in_a_copy(_published, tmp_path, monkeypatch)
