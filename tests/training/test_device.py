"""Where networks are trained: jobs are spread over the GPUs, and what does not work is told."""

import warnings

import pytest
import torch

from dropnet.errors import UserError
from dropnet.training import device
from dropnet.training.device import find_device, name_of


@pytest.fixture
def gpus(monkeypatch, tmp_path):
    """Return a function that makes torch find so many GPUs; locks are in a folder of the test."""
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    monkeypatch.setattr(device, "_held", held := [])
    monkeypatch.setattr(device, "DRIVER", tmp_path / "driver")

    def found(count):
        monkeypatch.setattr(torch.cuda, "is_available", lambda: count > 0)
        monkeypatch.setattr(torch.cuda, "device_count", lambda: count)
        return held

    yield found
    for file in held:
        file.close()


def test_a_device_that_is_not_there_is_refused(gpus):
    gpus(0)
    assert find_device("auto") == find_device("cpu") == torch.device("cpu")
    with pytest.raises(UserError, match=r"device: 'cuda' is not there: torch finds 0 GPUs"):
        find_device("cuda")
    gpus(2)
    assert find_device("cuda:1") == torch.device("cuda:1")
    with pytest.raises(UserError, match=r"'cuda:2' is not there.*allowed: auto, cpu, cuda:0, cud"):
        find_device("cuda:2")


def test_jobs_side_by_side_take_a_gpu_each(gpus):
    held = gpus(2)
    assert find_device("auto") == torch.device("cuda:0")
    assert find_device("auto", convolves=False) == torch.device("cpu")
    assert find_device("auto") == torch.device("cuda:1")
    assert find_device("auto") == torch.device("cuda:0")  # each has one, and so they share
    assert find_device("auto") == torch.device("cuda:1")
    held[1].close()
    assert find_device("auto") == torch.device("cuda:1")  # it was let go of


def test_any_number_of_jobs_is_spread_evenly(gpus):
    gpus(3)
    taken = [find_device("auto").index for _ in range(300)]
    assert [taken.count(number) for number in range(3)] == [100] * 3


def test_whatever_the_environment_says_makes_a_name_of_a_file(gpus, monkeypatch, tmp_path):
    gpus(2)
    values = [",".join(f"GPU-{n:036d}" for n in range(16)), "../../up", "\udcff", "0,1\n"]
    for value in values:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", value)
        assert find_device("auto") == torch.device("cuda:0")  # they are other GPUs
    files = [path.name for path in tmp_path.rglob("*")]
    assert len(files) == len(values)
    assert max(map(len, files)) < 60


@pytest.mark.parametrize("refused", ["open", "flock"])
def test_jobs_are_spread_where_no_file_can_be_locked(gpus, monkeypatch, refused):
    gpus(2)
    place = {"open": "pathlib.Path.open", "flock": "fcntl.flock"}[refused]

    def refuse(*_):
        raise OSError(37, "No locks available")

    monkeypatch.setattr(place, refuse)
    monkeypatch.setattr("os.getpid", lambda: 1234)
    assert find_device("auto") == torch.device("cuda:0")
    monkeypatch.setattr("os.getpid", lambda: 1235)
    assert find_device("auto") == torch.device("cuda:1")


def broken(message):
    def is_available():
        warnings.warn(message, stacklevel=1)
        return False

    return is_available


def test_a_cuda_that_does_not_start_is_told(gpus, monkeypatch, tmp_path, caplog):
    gpus(0)
    message = "CUDA initialization: the driver on your system is too old\n(found version 11040)"
    monkeypatch.setattr(torch.cuda, "is_available", broken(message))
    monkeypatch.setattr(torch.version, "cuda", "12.8")
    assert find_device("auto") == torch.device("cpu")
    assert not caplog.records, "a machine without a driver has no GPU"
    (tmp_path / "driver").touch()
    assert find_device("auto", convolves=False) == torch.device("cpu")
    assert not caplog.records, "these networks would not be trained there"
    assert find_device("auto") == torch.device("cpu")
    (record,) = caplog.records
    assert record.getMessage() == (
        "warning: device: auto: an NVIDIA driver is here, but CUDA does not start (CUDA"
        " initialization: the driver on your system is too old (found version 11040)); this job"
        " trains on the processor"
    )
    with pytest.raises(UserError, match=r"'cuda' is not there.* is too old"):
        find_device("cuda")
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    assert find_device("auto") == torch.device("cpu")
    assert len(caplog.records) == 1, "somebody has hidden the GPUs"


def test_a_device_has_a_name_of_one_line(monkeypatch):
    assert name_of(torch.device("cpu")) == "cpu"
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda _: " A | <b>GPU</b>\n" + "x" * 300)
    name = name_of(torch.device("cuda:0"))
    assert name.startswith("A b GPU /b xxx")
    assert len(name) == 100


def test_bfloat16_is_refused_where_sums_would_be_rounded(gpus, monkeypatch):
    gpus(0)
    monkeypatch.setattr(device, "sums_bfloat16", lambda: False)
    with pytest.raises(UserError, match=r"precision: 'bfloat16' is not for this processor"):
        find_device("auto", "bfloat16")
    assert find_device("auto", "bfloat16", convolves=False) == torch.device("cpu")
    monkeypatch.setattr(device, "sums_bfloat16", lambda: True)
    assert find_device("cpu", "bfloat16") == torch.device("cpu")
