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
    assert set(os.listdir(tmp_path)) == {"results", "figures", "loop"}


def test_what_somebody_may_still_be_writing_is_not_tidied_away(tmp_path):
    folder = tmp_path / "preview/A/minimum"
    (folder / "cycles_seeds0-2").mkdir(parents=True)
    (folder / "cycles_seeds3-4").mkdir()
    (folder / "runs_seeds0-2.csv").touch()
    old, new = folder / ".runs_seeds0-2.csv.a.tmp", folder / ".runs_seeds3-4.csv.b.tmp"
    for file in (old, new):
        file.touch()
    os.utime(old, (old.stat().st_mtime - workspace.LEFT_BEHIND - 1,) * 2)
    workspace.tidy(tmp_path, tmp_path / "none")
    assert {path.name for path in folder.iterdir()} == {
        "cycles_seeds3-4", "runs_seeds0-2.csv", new.name
    }  # fmt: skip


def test_a_file_of_tomorrow_is_named(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "results").mkdir()
    (tmp_path / "results/a.csv").touch()
    assert workspace.dated_in_the_future("results", "figures") is None
    os.utime("results/a.csv", (os.stat("results").st_mtime + 86400,) * 2)
    assert workspace.dated_in_the_future("results", "figures").startswith("results/a.csv: dated in")


def test_what_stands_in_the_way_of_a_file_is_named(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    files = ["results/a/b/runs.csv", "results/a/b/log.txt", "figures/a.png"]
    assert workspace.in_the_way(files) is None
    (tmp_path / "results/a/b").mkdir(parents=True)
    (tmp_path / "results/a/b/runs.csv").touch()
    assert workspace.in_the_way(files) is None
    (tmp_path / "figures/a.png").mkdir(parents=True)
    assert workspace.in_the_way(files).startswith("figures/a.png: a folder is where a file goes")
    (tmp_path / "figures/a.png").rmdir()
    (tmp_path / "results/a/b/runs.csv").unlink()
    (tmp_path / "results/a/b").rmdir()
    for in_the_way in (lambda path: path.touch(), lambda path: path.symlink_to("/nowhere")):
        in_the_way(tmp_path / "results/a/b")
        assert workspace.in_the_way(files).startswith("results/a/b: not a folder")
        (tmp_path / "results/a/b").unlink()
