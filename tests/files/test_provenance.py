"""Which commit made a result, or why nobody knows."""

import subprocess

import pytest

from dropnet.files import provenance


@pytest.fixture
def module(tmp_path, monkeypatch):
    """A clone with one module, which asks; returns its path, and what runs git there."""
    file = tmp_path / "clone" / "provenance.py"
    file.parent.mkdir()
    file.touch()
    monkeypatch.setattr(provenance, "__file__", str(file))
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path))

    def git(*words):
        who = ("-c", "user.name=Me", "-c", "user.email=me@example.org")
        command = ["git", "-C", str(file.parent), *who, *words]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()

    return file, git


def unknown():
    state = provenance.git_state()
    assert (state["commit"], state["clean"]) == (None, None)
    return state["unknown"]


def test_a_clone_has_a_commit_and_may_be_changed(module):
    file, git = module
    git("init")
    git("add", ".")
    git("commit", "-m", "first")
    commit = git("rev-parse", "HEAD")
    assert provenance.git_state() == {"commit": commit, "clean": True}
    file.write_text("changed")
    assert provenance.git_state() == {"commit": commit, "clean": False}


def test_what_publishing_writes_makes_no_code_of_another_commit(module):
    file, git = module
    git("init")
    written = [file.parent / "published" / "paper" / "runs.csv", file.parent / "README.md"]
    for path in written:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("before")
    git("add", ".")
    git("commit", "-m", "first")
    for path in written:
        path.write_text("after")
    assert provenance.git_state()["clean"] is True
    file.write_text("changed")
    assert provenance.git_state()["clean"] is False


def test_why_a_commit_is_unknown_is_said(module, monkeypatch):
    file, git = module
    assert "not a git repository" in unknown()  # from an archive
    git("init")
    git("commit", "--allow-empty", "-m", "of something else")
    assert "did not match any file" in unknown()  # unpacked in somebody else's repository
    git("add", ".")
    git("commit", "-m", "ours")
    monkeypatch.setenv("GIT_TEST_ASSUME_DIFFERENT_OWNER", "1")
    assert "dubious ownership" in unknown()
    monkeypatch.setenv("PATH", "")
    assert unknown() == "git is not installed"
