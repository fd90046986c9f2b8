"""Artifacts that were damaged after a job wrote them: each is refused in one line that names it."""

import errno
import io
import os

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image
from safetensors.torch import save_file

from dropnet.data.dataset import Dataset
from dropnet.errors import UserError
from dropnet.files.artifacts import (
    load_tensors,
    read_json,
    save_tensors,
    write_json,
    write_text,
)
from dropnet.files.csv_tables import read_table, write_table
from dropnet.files.provenance import Moment, collect
from dropnet.networks.cycle import Cycle, Network, Results
from dropnet.networks.cycle_files import (
    load_cycles,
    load_initial_weights,
    load_masks,
    load_unpruned,
    save_cycles,
    save_initial_weights,
)
from dropnet.networks.masks import Masks
from dropnet.pruning import resume
from dropnet.pruning.resume import Checkpoint, FinishedCycles
from dropnet.report.html import embedded
from dropnet.tables.columns import SIZES

WIDTHS = (3, 2)
NUMBERS = Results(0.5, 1.0, 0.5, 1.0, 0.5, 1.0, 3)


def weights():
    return {"dense1.kernel": torch.ones(4, 3), "dense1.bias": torch.zeros(3)}


def cycle(number=0, dropped=()):
    """A cycle of two networks, without some nodes of their first layer."""
    gone = [torch.tensor(dropped, dtype=torch.long), torch.tensor([], dtype=torch.long)]
    masks = [Masks.full(WIDTHS).drop(gone) for _ in range(2)]
    return Cycle(number, [Network(seed, masks[seed], weights(), {}, NUMBERS) for seed in range(2)])


def refused(read, path):
    with pytest.raises(UserError) as error:
        read(path)
    line = str(error.value)
    assert line.startswith(f"{path}: not a readable artifact (")
    assert line.endswith("; delete it and run again")
    assert line.isprintable()
    return line


def rewritten(path, change):
    """Change the tensors and the record of a file, as a whole file of the same format."""
    tensors, record = load_tensors(path)
    change(tensors, record)
    save_tensors(path, tensors, record)


READERS = {
    "cycles": load_cycles,
    "masks": lambda path: load_masks(path, WIDTHS),
    "unpruned": lambda path: load_unpruned(path, WIDTHS),
}


@pytest.fixture
def networks(tmp_path):
    save_cycles(tmp_path / "networks.safetensors", [cycle()])
    return tmp_path / "networks.safetensors"


@pytest.mark.parametrize("read", READERS.values(), ids=READERS)
@pytest.mark.parametrize(
    "change",
    [
        lambda tensors, record: record.clear(),
        lambda tensors, record: record["networks"].append({"cycle": 0}),
        lambda tensors, record: record["networks"].append({"cycle": 7, "seed": 7, "results": {}}),
        lambda tensors, record: record.update(networks=None),
        lambda tensors, record: tensors.update({"cycle0/seed1/mask/1": torch.ones(2)}),
        lambda tensors, record: tensors.update({"cycle0/seed1/mask/3": tensors.popitem()[1]}),
    ],
    ids=["no record", "keys missing", "no such network", "null", "integers", "a gap"],
)
def test_networks_that_were_changed(networks, read, change):
    rewritten(networks, change)
    refused(read, networks)


def test_masks_of_other_widths(networks):
    change = {"cycle0/seed1/mask/0": torch.ones(99, dtype=torch.bool)}
    rewritten(networks, lambda tensors, record: tensors.update(change))
    for read in (READERS["masks"], READERS["unpruned"]):
        assert "[99, 2], expected [3, 2]" in refused(read, networks)


def test_pruned_networks_in_place_of_unpruned_ones(networks):
    save_cycles(networks, [cycle(1, dropped=[0])])
    assert "pruned" in refused(READERS["unpruned"], networks)
    save_cycles(networks, [cycle(0), cycle(1)])
    refused(READERS["unpruned"], networks)


@pytest.mark.parametrize("read", READERS.values(), ids=READERS)
def test_files_of_another_kind(networks, read):
    content = networks.read_bytes()
    for length in range(0, len(content), 13):
        networks.write_bytes(content[:length])
        refused(read, networks)
    save_file({"a": torch.ones(1)}, networks)  # without a record
    refused(read, networks)
    save_file({"a": torch.ones(1)}, networks, metadata={"record": "{"})
    refused(read, networks)
    networks.unlink()
    assert "no such file" in refused(read, networks)
    networks.mkdir()
    assert "not a file" in refused(read, networks)
    networks.rmdir()
    os.mkfifo(networks)  # to read it would take forever
    assert "not a file" in refused(read, networks)


@pytest.mark.parametrize(
    ("name", "tensor"),
    [
        ("seed1/dense1.bias", None),
        ("seed1/dense1.bias", torch.zeros(4)),
        ("seed1/dense1.bias", torch.zeros(3, dtype=torch.float64)),
        ("seed0/dense1.kernel", torch.full((4, 3), torch.nan)),
    ],
    ids=["missing", "shape", "type", "nan"],
)
def test_initial_weights_that_were_changed(tmp_path, name, tensor):
    path = tmp_path / "initial.safetensors"
    save_initial_weights(path, (0, 1), [weights(), weights()])
    assert len(load_initial_weights(path, cycle())) == 2
    rewritten(
        path,
        lambda tensors, _: tensors.pop(name) if tensor is None else tensors.update({name: tensor}),
    )
    assert name.split("/")[1] in refused(lambda path: load_initial_weights(path, cycle()), path)


def test_finished_cycles_and_checkpoints_without_their_record(tmp_path):
    kept = FinishedCycles(tmp_path, "made from")
    masks = [Masks.full(WIDTHS)] * 2
    kept.put(cycle(), 1.0)
    path = tmp_path / "cycle0.safetensors"
    rewritten(path, lambda tensors, record: record.update(about=None))
    refused(lambda _: kept.get(0, masks), path)
    save_tensors(tmp_path / "epochs", {}, None)
    refused(lambda path: Checkpoint(path, "key").load(), tmp_path / "epochs")


def test_inputs_that_are_no_files(tmp_path):
    os.mkfifo(tmp_path / "digits.safetensors")
    refused(lambda path: collect({}, [path], Moment.now()), tmp_path / "digits.safetensors")
    refused(Dataset.load, tmp_path / "digits.safetensors")


def test_json(tmp_path):
    path = tmp_path / "provenance.json"
    write_json(path, {"seconds": 1.5, "seeds": [0]})
    assert read_json(path, ["seeds"]) == {"seconds": 1.5, "seeds": [0]}
    assert "'cpu' is missing" in refused(lambda path: read_json(path, ["cpu"]), path)
    whole = path.read_text()
    broken = [whole[:length] for length in range(len(whole) - 2)]
    for text in [
        *broken,
        '{"seconds": NaN}',
        "[1]",
        "3",
        "null",
        "\ud800".encode("utf-8", "surrogatepass"),
    ]:
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        refused(read_json, path)


def test_a_table_that_was_cut_off_anywhere(tmp_path):
    """Also within a number, where what is left is a number; only whole lines can be missing."""
    path = tmp_path / "sizes.csv"
    rows = [["FC8-FC6", "minimum", seed, 1, 8861 + seed, 123] for seed in range(3)]
    write_table(path, pd.DataFrame(rows, columns=list(SIZES)))
    whole = path.read_text()
    for length in range(len(whole)):
        path.write_text(whole[:length])
        if whole[:length].endswith("\n"):
            assert (
                read_table(path, SIZES).to_numpy().tolist()
                == rows[: whole[:length].count("\n") - 1]
            )
        else:
            with pytest.raises(UserError, match=f"^{path}"):
                read_table(path, SIZES)


def test_a_picture_that_was_cut_off(tmp_path):
    noise = np.random.default_rng(0).integers(0, 255, (40, 60), dtype=np.uint8)  # of greys
    buffer = io.BytesIO()
    Image.fromarray(noise).save(buffer, "PNG")
    path = tmp_path / "fig.png"
    path.write_bytes(buffer.getvalue())
    assert embedded(path).startswith("data:image/png;base64,")
    for length in range(0, len(buffer.getvalue()) - 20, 97):
        path.write_bytes(buffer.getvalue()[:length])
        refused(embedded, path)


@pytest.mark.parametrize("number", [errno.ENOSYS, errno.EOPNOTSUPP, errno.ENOLCK])
def test_a_file_system_that_cannot_lock(tmp_path, monkeypatch, number):
    def flock(*_):
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(resume.fcntl, "flock", flock)
    with pytest.raises(UserError, match="that file system cannot lock files .*; mount it with"):
        FinishedCycles(tmp_path, "made from")


# ------------------------------------------------------------------------------ loss of power


def test_content_is_on_the_disk_before_the_name_and_the_name_before_the_end(tmp_path, monkeypatch):
    done = []

    def fsync(handle):
        done.append(os.readlink(f"/proc/self/fd/{handle}"))

    def replaced(temporary, path):
        done.append(path)
        os.rename(temporary, path)

    monkeypatch.setattr(os, "fsync", fsync)
    monkeypatch.setattr(os, "replace", replaced)
    write_text(tmp_path / "a.txt", "content")
    first, second, third = done
    assert first.startswith(f"{tmp_path}/.a.txt.")
    assert (second, third) == (tmp_path / "a.txt", str(tmp_path))


def test_a_folder_that_cannot_be_flushed_is_no_error_but_a_file_is(tmp_path, monkeypatch):
    def fsync(handle, folders_alone=True):
        if os.path.isdir(f"/proc/self/fd/{handle}") or not folders_alone:
            raise OSError(errno.EINVAL, "Invalid argument")

    monkeypatch.setattr(os, "fsync", fsync)
    write_text(tmp_path / "a.txt", "content")
    assert (tmp_path / "a.txt").read_text() == "content"
    monkeypatch.setattr(os, "fsync", lambda handle: fsync(handle, folders_alone=False))
    with pytest.raises(OSError, match="Invalid"):
        write_text(tmp_path / "b.txt", "content")
    assert [path.name for path in tmp_path.iterdir()] == ["a.txt"]
