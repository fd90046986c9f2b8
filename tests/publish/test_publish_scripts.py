"""The scripts that publish."""

from pathlib import Path

import pytest

from helpers.finished_run import edit_json, provenance_of
from helpers.scripts import run_script

pytestmark = pytest.mark.slow


def test_scripts_publish_and_check(project):
    answer = run_script("publish_results", "--scale", "small")
    assert answer.returncode == 0
    assert answer.stdout.startswith("9 files in published/small")
    table = Path("published/small/curves.csv")
    table.write_text(table.read_text().replace("0.92", "0.93"))
    answer = run_script("update_pages", "--check")
    assert answer.returncode == 1
    assert answer.stderr.startswith("error: published/small/curves.csv: does not follow from")
    assert answer.stderr.count("\n") == 1
    assert run_script("update_pages").returncode == 0
    assert run_script("update_pages", "--check").returncode == 0
    before = Path("README.md").read_bytes()
    answer = run_script("update_pages", "--published", "README.md")
    assert (answer.returncode, answer.stderr) == (
        1,
        "error: --published README.md: no such folder\n",
    )
    assert Path("README.md").read_bytes() == before


def test_script_refuses_in_one_line(project):
    edit_json(provenance_of("minimum"), git={"commit": "c0ffee" * 6 + "c0ff", "clean": False})
    answer = run_script("publish_results", "--scale", "small")
    assert answer.returncode == 1
    assert answer.stderr.startswith(
        "error: results/small/FC5-FC5: minimum, seeds 0-0, was made by uncommitted changes"
    )
    assert answer.stderr.count("\n") == 1
    assert run_script("publish_results", "--scale", "small", "--allow-dirty").returncode == 0
