"""What the documents name is there: folders, modules, rules, tests, links, the release."""

import re
import tomllib
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "workflow" / "dropnet"
PAGES = [
    path
    for pattern in ("*.md", "docs/*.md", "benchmarks/*.md", "published/*/*.md", "workflow/**/*.md")
    for path in sorted(ROOT.glob(pattern))
]
ARCHITECTURE = (ROOT / "docs" / "architecture.md").read_text()
PICTURE, TREE = re.findall(r"^```\n(.*?)^```$", ARCHITECTURE, re.DOTALL | re.MULTILINE)[:2]


def rooms():
    """The folders of the tree, and the modules that it names in each."""
    found = {}
    for line in TREE.splitlines()[1:]:
        if head := re.match(r"  (\w+)/ ", line):
            room = found.setdefault(head[1], [])
        elif line.startswith(" " * 18):
            room += re.findall(r"\w+", line)
        else:
            assert (PACKAGE / line.split()[0]).is_file()
    return found


def test_the_tree_has_every_folder_and_module_of_the_package():
    there = {
        folder.parent.name: {path.stem for path in folder.parent.glob("[a-z]*.py")}
        for folder in PACKAGE.glob("*/__init__.py")
    }
    named = {room: set(modules) for room, modules in rooms().items()}
    # a metric is a file and no more: the tree says so, and names none
    assert named.pop("metrics") == set()
    assert there.pop("metrics")
    assert named == there


def test_the_picture_shows_every_rule_and_room():
    rules = {
        name
        for file in (ROOT / "workflow" / "rules").glob("*.smk")
        for name in re.findall(r"^rule (\w+):", file.read_text(), re.MULTILINE)
    } - {"report"}
    assert {rule for rule in rules if not re.search(rf"\b{rule}\b", PICTURE)} == set()
    shown = set(re.findall(r"\b(\w+)/,?(?=\s|$)", PICTURE)) - {"dropnet"}
    assert shown == set(rooms()) - {"files"}  # all of them write files


def test_every_test_that_keeps_a_promise_is_there():
    named = re.findall(r"`(\w+/test_\w+\.py)(?:::(\w+))?`", ARCHITECTURE)
    assert len(named) > 20
    for file, test in named:
        path = ROOT / "tests" / file
        assert path.is_file(), file
        assert not test or re.search(rf"^def {test}\(", path.read_text(), re.MULTILINE), test


def anchors(page):
    """What GitHub calls the headings of a page."""
    titles = re.findall(r"^#+ (.*)$", page.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-") for title in titles}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page):
    text = re.sub(r"^(```|    ).*?$|`[^`]*`", "", page.read_text(), flags=re.MULTILINE)
    for link in re.findall(r"\]\(([^)\s]+)\)", text):
        if not link.startswith(("https://", "http://")):
            name, _, anchor = link.partition("#")
            target = (page.parent / name).resolve() if name else page
            assert target.exists(), link
            assert not anchor or anchor in anchors(target), link


def test_readme_is_read_to_its_end():
    assert len((ROOT / "README.md").read_text().splitlines()) <= 150


def test_the_release_has_one_number():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    assert yaml.safe_load((ROOT / "CITATION.cff").read_text())["version"] == project
    newest = re.search(r"^## (.*)$", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)[1]
    assert project.removesuffix(".dev0") in newest
    assert project.endswith(".dev0") == newest.startswith("[Unreleased]")
