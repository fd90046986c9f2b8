"""The data set: what its checksum covers, what it refuses, and that a file gives back the same."""

import hashlib
import re

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from dropnet.data.dataset import ARRAYS, Dataset, from_arrays, image_counts, verify
from dropnet.errors import UserError
from dropnet.files.artifacts import save_tensors
from helpers.data_files import FIXTURE_SHA256, make_arrays


def dataset(classes=10, **arrays):
    return from_arrays("digits", classes, {**make_arrays(), **arrays})


def test_the_checksum_is_over_names_shapes_and_bytes_in_a_fixed_order():
    arrays = make_arrays(train=7, test=3, shape=(1, 2, 3))
    text = (
        b"train_images uint8 7,1,2,3\n%btrain_labels uint8 7\n%b"
        b"test_images uint8 3,1,2,3\n%btest_labels uint8 3\n%b"
    )
    content = text % tuple(arrays[name].tobytes() for name in ARRAYS)
    shuffled = dict(sorted(arrays.items()))
    assert dataset(**shuffled).checksum() == hashlib.sha256(content).hexdigest()


@settings(max_examples=100)
@given(name=st.sampled_from(ARRAYS), data=st.data())
def test_any_changed_byte_changes_the_checksum(name, data):
    arrays = make_arrays()
    original = dataset(**arrays).checksum()
    flat, values = arrays[name].reshape(-1), 256 if name.endswith("images") else 10
    position = data.draw(st.integers(0, flat.size - 1))
    flat[position] = (int(flat[position]) + data.draw(st.integers(1, values - 1))) % values
    assert dataset(**arrays).checksum() != original


def test_the_same_bytes_in_another_shape_have_another_checksum():
    arrays = make_arrays()
    turned = {
        name: array.reshape(-1, 1, 3, 2) if name.endswith("images") else array
        for name, array in arrays.items()
    }
    assert dataset(**turned).checksum() != dataset(**arrays).checksum()


def test_the_checksum_does_not_depend_on_how_arrays_lie_in_memory():
    arrays = make_arrays(shape=(3, 4, 5))
    turned = {name: np.asfortranarray(array) for name, array in arrays.items()}
    assert not turned["train_images"].flags.c_contiguous
    assert dataset(**turned).checksum() == dataset(**arrays).checksum()


def test_verify_accepts_the_pinned_checksum_only():
    data = dataset()
    assert verify(data, data.checksum()) == data.checksum()
    for wrong in (FIXTURE_SHA256, data.checksum()[:-1], "", None):
        with pytest.raises(UserError) as caught:
            verify(data, wrong)
        assert str(caught.value) == (
            f"wrong checksum: the SHA-256 of the arrays is {data.checksum()}, expected {wrong}"
        )


def test_verify_tells_that_training_and_test_files_are_swapped():
    arrays = make_arrays()
    swapped = dataset(
        train_images=arrays["test_images"],
        train_labels=arrays["test_labels"],
        test_images=arrays["train_images"],
        test_labels=arrays["train_labels"],
    )
    with pytest.raises(UserError, match="training and the test part are swapped"):
        verify(swapped, dataset().checksum())


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"train_labels": np.full(7, 10, np.uint8)}, "train_labels hold the label 10, allowed"),
        ({"test_labels": np.full(3, 255, np.uint8)}, "test_labels hold the label 255, allowed"),
        ({"train_labels": np.zeros(6, np.uint8)}, "train_images are 7, but train_labels are 6"),
        ({"test_images": np.zeros((3, 1, 2, 2), np.uint8)}, "but test_images 1 x 2 x 2"),
        ({"train_images": np.zeros((7, 2, 3), np.uint8)}, "train_images: is 7 x 2 x 3, expected 4"),
        ({"train_images": np.zeros((7, 0, 2, 3), np.uint8)}, "none of them empty"),
        ({"train_labels": np.zeros((7, 1), np.uint8)}, "train_labels: is 7 x 1, expected 1"),
        ({"train_images": np.zeros((7, 1, 2, 3), np.float32)}, "holds torch.float32, allowed"),
        ({"test_labels": np.zeros(3, np.int64)}, "test_labels: holds torch.int64, allowed"),
        ({"classes": 1}, "classes: 1 is not allowed, only 2 to 256"),
        ({"classes": 257}, "classes: 257 is not allowed"),
        ({"classes": None}, "classes: None is not allowed"),
        ({"classes": True}, "classes: True is not allowed"),
    ],
)
def test_arrays_that_do_not_fit_are_refused(change, message):
    with pytest.raises(UserError, match=re.escape(message)):
        dataset(**change)


def test_a_file_gives_back_the_same_data_set(tmp_path):
    data = dataset()
    data.save(tmp_path / "data.safetensors")
    data.save(tmp_path / "again.safetensors")
    loaded = Dataset.load(tmp_path / "data.safetensors")
    assert (loaded.name, loaded.classes, loaded.image_shape) == ("digits", 10, (1, 2, 3))
    assert loaded.checksum() == data.checksum()
    for name, tensor in data.tensors.items():
        assert torch.equal(loaded.tensors[name], tensor)
    files = sorted(tmp_path.iterdir())
    assert [file.name for file in files] == ["again.safetensors", "data.safetensors"]
    assert files[0].read_bytes() == files[1].read_bytes()


def test_the_images_of_a_file_are_counted_without_reading_them(tmp_path):
    data, path = dataset(), tmp_path / "data.safetensors"
    assert image_counts(path) is None
    data.save(path)
    assert image_counts(path) == (len(data.train_labels), len(data.test_labels))
    path.write_bytes(path.read_bytes()[:-1])
    assert image_counts(path) is None


def test_a_file_that_is_no_data_set_is_refused(tmp_path):
    path = tmp_path / "data.safetensors"

    def refused():
        with pytest.raises(UserError) as caught:
            Dataset.load(path)
        assert str(caught.value).startswith(f"{path}: ")
        assert "\n" not in str(caught.value)
        return str(caught.value)

    refused()  # not there
    data = dataset()
    data.save(path)
    whole = path.read_bytes()
    for length in range(0, len(whole), 7):
        path.write_bytes(whole[:length])
        refused()
    record = {"name": "digits", "classes": 10}
    save_tensors(path, {"train_images": data.train_images}, record)
    assert "not a data set" in refused()
    save_tensors(path, data.tensors)
    assert "not a data set" in refused()
    save_tensors(path, data.tensors, {**record, "classes": 3})
    assert "allowed with 3 classes" in refused()
    save_tensors(path, {**data.tensors, "train_labels": data.train_labels.long()}, record)
    assert "train_labels: holds torch.int64" in refused()
