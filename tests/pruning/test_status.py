"""How far a job is, by the files that it has left."""

from dropnet.pruning.status import Status, status_of


def test_a_log_may_hold_anything(tmp_path):
    (tmp_path / "log_seeds0-1.txt").write_bytes(b"first\n\xff\xfe: epoch 3 of 8 \xe2\x82")
    (tmp_path / "cycles_seeds0-1").mkdir()
    (tmp_path / "cycles_seeds0-1/cycle0.safetensors").touch()
    found = status_of(tmp_path, "0-1", 5)
    assert (found.finished, found.cycles, found.complete) == (1, 5, False)
    assert ": epoch 3 of 8" in found.last_line


def test_a_job_that_has_not_begun(tmp_path):
    assert status_of(tmp_path / "absent", "0-1", 5) == Status(0, 5, complete=False, last_line="")
