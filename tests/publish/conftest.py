import pytest

from helpers import finished_run


@pytest.fixture
def project(tmp_path, monkeypatch):
    """A finished run of CONFIG in the working directory."""
    monkeypatch.chdir(tmp_path)
    finished_run.make()
    return tmp_path
