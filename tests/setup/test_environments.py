"""Every list of packages says the same versions, and names no place they came from."""

import ast
import importlib.metadata
import re
import sys
from collections.abc import Collection
from pathlib import Path

import pytest
import yaml

REPOSITORY = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(REPOSITORY / "envs"))

import pin_environments  # noqa: E402
from dropnet.files import code_files  # noqa: E402
from helpers.project import skip  # noqa: E402

LOCKS = ("requirements.lock", "benchmarks/requirements-keras.lock")
OWN_MODEL = "requirements-own-model.lock"  # what is added to .venv; it has no input of its own
HASH = re.compile(r"--hash=sha256:[0-9a-f]{64}")
PIN = re.compile(r"(?P<name>[A-Za-z0-9._-]+)==(?P<version>[A-Za-z0-9.]+)")


def canonical(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def pins_of(lines: Collection[str]) -> dict[str, str]:
    """The versions in lines of the form name==version; anything else fails."""
    matches = {line: PIN.fullmatch(line) for line in lines}
    assert not [line for line, match in matches.items() if match is None]
    assert len(matches) == len(lines), "a line is there twice"
    return {canonical(match["name"]): match["version"] for match in matches.values()}


def read_requirements(path: str) -> dict[str, list[str]]:
    """The packages that a requirements file lists, each with the sums that it may have."""
    text = (REPOSITORY / path).read_text(encoding="utf-8").replace("\\\n", "")
    lines = [bare for line in text.splitlines() if (bare := line.partition("#")[0].strip())]
    assert len({line.split()[0] for line in lines}) == len(lines), "a package is there twice"
    return {package: sums for package, *sums in map(str.split, lines)}


def read_conda(name: str) -> tuple[list[str], list[str]]:
    """What an environment of envs/ takes from conda, and what from pip."""
    content = yaml.safe_load((REPOSITORY / "envs" / f"{name}.yaml").read_text(encoding="utf-8"))
    assert set(content) == {"channels", "dependencies"}
    *conda, from_pip = content["dependencies"]
    return conda, from_pip["pip"]


def imported_modules(file: Path) -> set[str]:
    """The top-level names that a file imports, wherever in it."""
    nodes = list(ast.walk(ast.parse(file.read_text(encoding="utf-8"))))
    plain = {alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names}
    of = {node.module for node in nodes if isinstance(node, ast.ImportFrom) and not node.level}
    return {name.partition(".")[0] for name in plain | of if name}


@pytest.mark.parametrize("lock", LOCKS)
def test_a_lock_pins_what_its_input_asks_for(lock: str) -> None:
    asked = pins_of(read_requirements(lock.replace(".lock", ".in")))
    assert asked.items() <= pins_of(read_requirements(lock)).items()


@pytest.mark.parametrize("lock", [*LOCKS, OWN_MODEL])
def test_a_lock_knows_the_sums_of_every_package(lock: str) -> None:
    for package, sums in read_requirements(lock).items():
        assert sums, package
        assert all(HASH.fullmatch(sum_) for sum_ in sums), package


@pytest.mark.parametrize(
    "path", [*LOCKS, *(lock.replace(".lock", ".in") for lock in LOCKS), OWN_MODEL]
)
def test_a_list_names_no_address_path_or_option(path: str) -> None:
    text = (REPOSITORY / path).read_text(encoding="utf-8")
    assert "://" not in text
    assert not re.search(r"(^|[\s=])(~|\.{0,2})/", text), "a path"
    assert not re.search(r"^\s*-(?!-hash=)", text, re.MULTILINE), "an option such as --index-url"
    assert " @ " not in text


def test_this_environment_is_the_locked_one() -> None:
    locked = pins_of(read_requirements("requirements.lock"))
    installed = {name: importlib.metadata.version(name).partition("+")[0] for name in locked}
    assert installed == locked


def test_the_lock_is_complete() -> None:
    asked = pins_of(read_requirements("requirements.in"))
    needed = pin_environments.with_dependencies(asked)
    assert needed == pins_of(read_requirements("requirements.lock")).keys()


def test_what_is_added_needs_nothing_that_the_lock_lacks() -> None:
    added = pins_of(read_requirements(OWN_MODEL))
    locked = pins_of(read_requirements("requirements.lock"))
    assert not added.keys() & locked.keys()
    for name, version in added.items():
        try:
            assert importlib.metadata.version(name) == version
        except importlib.metadata.PackageNotFoundError:
            skip(f"{name} is not installed: make own-model")
    assert pin_environments.with_dependencies(added) <= locked.keys() | added.keys()


def test_what_the_code_imports_is_asked_for() -> None:
    folders = ("workflow", "envs", "tests", "benchmarks", "examples")
    files = [file for folder in folders for file in (REPOSITORY / folder).rglob("*.py")]
    own = {file.stem for file in files} | {file.parent.name for file in files}
    packages = importlib.metadata.packages_distributions()
    used = {
        canonical(distribution)
        for module in {name for file in files for name in imported_modules(file)} - own
        for distribution in packages.get(module, [])
    }
    assert used
    asked = pins_of(read_requirements("requirements.in")) | pins_of(read_requirements(OWN_MODEL))
    assert used <= asked.keys()


@pytest.mark.parametrize("name", pin_environments.ENVIRONMENTS)
def test_a_conda_environment_has_the_locked_versions_alone(name: str) -> None:
    conda, from_pip = read_conda(name)
    assert {line.partition("=")[0] for line in conda} == {"python", "pip"}
    assert all(re.fullmatch(r"\w+=\d+(\.\d+)+", line) for line in conda), "an exact version"
    assert pins_of(from_pip).items() <= pins_of(read_requirements("requirements.lock")).items()


@pytest.mark.parametrize("name", pin_environments.ENVIRONMENTS)
def test_a_conda_environment_is_up_to_date(name: str) -> None:
    path = REPOSITORY / "envs" / f"{name}.yaml"
    expected = pin_environments.describe_environment(name)
    assert path.read_text(encoding="utf-8") == expected, "run: python envs/pin_environments.py"


def test_the_versions_that_make_results_stale_are_those_of_the_environments() -> None:
    """Planned with conda, or without torch, nothing is stale that was trained in .venv."""
    _, from_pip = read_conda("train")
    for stage in code_files.DECIDING:
        found = code_files.versions_of(stage)
        assert found.keys() == set(code_files.DECIDING[stage])
        assert found.items() <= pins_of(from_pip).items()


def test_plotting_needs_no_torch() -> None:
    _, from_pip = read_conda("plot")
    assert not {"torch", "scikit-learn"} & pins_of(from_pip).keys()


def test_every_conda_environment_is_one_that_is_kept_up_to_date() -> None:
    written = {path.stem for path in (REPOSITORY / "envs").glob("*.yaml")}
    assert written == set(pin_environments.ENVIRONMENTS)


def test_the_cluster_profile_knows_every_rule():
    """Jobs that train have their own time and memory; the short ones travel together."""
    rules = set()
    for file in (REPOSITORY / "workflow/rules").glob("*.smk"):
        rules |= set(
            re.findall(r"^(?:use )?rule (\w+)(?: as (\w+) with)?:", file.read_text(), re.M)
        )
    named = {alias or name for name, alias in rules} - {"report"}
    profile = yaml.safe_load((REPOSITORY / "profiles/slurm/config.yaml").read_text())
    grouped = {entry.partition("=")[0] for entry in profile["groups"]}
    assert named - grouped == {*profile["set-resources"], "split_dataset"}
