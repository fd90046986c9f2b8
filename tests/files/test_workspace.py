"""What is wrong with the folders of a run, in words; runs that end so are with the workflow."""

import os

import pytest

from dropnet.files import workspace


@pytest.mark.parametrize("name", ["a:b", "a{scale}b", "a}", "{"])
def test_a_path_that_python_or_snakemake_would_take_apart_is_unfit(tmp_path, name):
    folder = tmp_path / name
    assert workspace.unfit_name(tmp_path, folder).startswith(f"{folder}: its path contains ")
    assert workspace.unfit_name(tmp_path) is None


def test_what_stands_where_a_folder_should_be_is_named(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "results").touch()
    (tmp_path / "figures").symlink_to("/nowhere")
    (tmp_path / "loop").symlink_to("loop")
    for name in ("results", "figures", "loop"):
        assert workspace.trouble(".", name) == (
            f"{tmp_path / name}: not a folder; move it away, then start again"
        )
    assert workspace.trouble(".", "absent") is None
    assert os.listdir(tmp_path) != []


def test_a_file_of_tomorrow_is_named(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "results").mkdir()
    (tmp_path / "results/a.csv").touch()
    assert workspace.dated_in_the_future("results", "figures") is None
    os.utime("results/a.csv", (os.stat("results").st_mtime + 86400,) * 2)
    assert workspace.dated_in_the_future("results", "figures").startswith("results/a.csv: dated in")
