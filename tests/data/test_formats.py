"""Decoders: what was written comes back, and whatever is wrong with a file is told in one line."""

import gzip
import os
import pickle
import struct
import tracemalloc

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dropnet.data.dataset import from_arrays
from dropnet.data.formats import FORMATS
from dropnet.errors import UserError
from helpers.data_files import (
    CIFAR_BATCHES,
    FIXTURE,
    FIXTURE_SHA256,
    assert_same,
    cifar_bin_files,
    cifar_png_files,
    cifar_py_files,
    compressed,
    idx,
    idx_files,
    make_arrays,
    md5,
    png,
    write_files,
)

TRAIN_IMAGES, TRAIN_LABELS = "train-images-idx3-ubyte", "train-labels-idx1-ubyte"
TEST_IMAGES, TEST_LABELS = "t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte"
CIFAR = {"train": 11, "test": 2, "shape": (3, 32, 32)}


def decode(name, folder):
    return FORMATS[name].decode(folder)[0]


def refused(name, folder):
    """The message with which the decoder refuses the files, which is one line."""
    with pytest.raises(UserError) as caught:
        FORMATS[name].decode(folder)
    assert "\n" not in str(caught.value)
    return str(caught.value)


# Round trips -------------------------------------------------------------------------------------


@settings(max_examples=30)
@given(
    train=st.integers(1, 20),
    test=st.integers(1, 20),
    shape=st.tuples(st.integers(1, 4), st.integers(1, 6), st.integers(1, 6)),
    seed=st.integers(0, 99),
)
@pytest.mark.parametrize("store", [lambda files: files, compressed], ids=["raw", "gz"])
def test_idx_files_come_back(tmp_path_factory, store, train, test, shape, seed):
    arrays = make_arrays(train, test, shape, seed=seed)
    folder = write_files(tmp_path_factory.mktemp("idx"), store(idx_files(arrays)))
    assert_same(decode("idx", folder), arrays)


def test_idx_files_may_be_raw_and_compressed_side_by_side(tmp_path):
    arrays = make_arrays()
    files = idx_files(arrays)
    mixed = {TRAIN_IMAGES: files.pop(TRAIN_IMAGES), **compressed(files)}
    assert_same(decode("idx", write_files(tmp_path, mixed)), arrays)


def test_compression_is_told_by_content_not_by_name(tmp_path):
    arrays = make_arrays()
    unpacked_by_a_browser = {f"{name}.gz": content for name, content in idx_files(arrays).items()}
    assert_same(decode("idx", write_files(tmp_path, unpacked_by_a_browser)), arrays)


@pytest.mark.parametrize(
    ("name", "subfolder", "make_files", "size"),
    [
        ("idx", "raw", idx_files, {}),
        ("cifar", ".", cifar_bin_files, CIFAR),
        ("cifar", "cifar-10-batches-bin", cifar_bin_files, CIFAR),
        ("cifar_png", ".", cifar_png_files, CIFAR),
    ],
)
def test_files_are_found_where_they_are_unpacked_to(tmp_path, name, subfolder, make_files, size):
    arrays = make_arrays(**size)
    write_files(tmp_path / subfolder, make_files(arrays))
    decoded, paths = FORMATS[name].decode(tmp_path)
    assert_same(decoded, arrays)
    assert {path.name for path in paths} <= FORMATS[name].accepts()


def test_one_row_of_a_picture_is_one_image_channel_by_channel(tmp_path):
    arrays = make_arrays(**CIFAR)
    arrays["test_images"][:] = 0
    arrays["test_images"][1, 2, 3, 4] = 99  # blue, in row 3 and column 4 of the second image
    decoded = decode("cifar_png", write_files(tmp_path, cifar_png_files(arrays)))
    assert np.argwhere(decoded["test_images"]).tolist() == [[1, 2, 3, 4]]


def test_the_fixture_is_the_beginning_of_mnist():
    arrays = decode("idx", FIXTURE)
    assert arrays["train_images"].shape == (600, 1, 28, 28)
    assert arrays["test_images"].shape == (200, 1, 28, 28)
    assert arrays["train_labels"][:10].tolist() == [5, 0, 4, 1, 9, 2, 1, 3, 1, 4]
    assert arrays["test_labels"][:10].tolist() == [7, 2, 1, 0, 4, 1, 4, 9, 5, 9]
    assert from_arrays("MNIST", 10, arrays).checksum() == FIXTURE_SHA256


@pytest.mark.parametrize("name", FORMATS)
def test_a_folder_without_any_of_the_files_has_nothing_to_decode(tmp_path, name):
    write_files(tmp_path, {"readme.txt": b"no data"})
    assert FORMATS[name].decode(tmp_path) is None


# Files that are missing, damaged or swapped ------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "make_files", "size"),
    [
        ("idx", idx_files, {}),
        ("cifar", cifar_bin_files, CIFAR),
        ("cifar", cifar_py_files, CIFAR),
        ("cifar_png", cifar_png_files, CIFAR),
    ],
)
def test_a_missing_file_or_a_folder_in_its_place_is_named(tmp_path, name, make_files, size):
    files = make_files(make_arrays(**size))
    for index, missing in enumerate(files):
        rest = {file: content for file, content in files.items() if file != missing}
        folder = write_files(tmp_path / str(index), rest)
        assert refused(name, folder) == f"{missing}: missing"
        (folder / missing).mkdir()
        assert refused(name, folder) == f"{missing}: not a regular file"


@pytest.mark.parametrize("store", [lambda files: files, compressed], ids=["raw", "gz"])
def test_an_idx_file_cut_short_anywhere_is_refused(tmp_path, store):
    files = store(idx_files(make_arrays()))
    for name, content in files.items():
        write_files(tmp_path, files)
        for length in range(len(content)):
            write_files(tmp_path, {name: content[:length]})
            assert refused("idx", tmp_path).startswith(f"{name}: truncated")


@pytest.mark.slow
@pytest.mark.parametrize("store", [lambda files: files, compressed], ids=["raw", "gz"])
def test_a_flipped_bit_anywhere_is_refused_or_changes_no_image(tmp_path, store):
    arrays = make_arrays(3, 2)
    expected = from_arrays("data", 10, arrays).checksum()
    files = store(idx_files(arrays))
    harmless = 0
    for name, content in files.items():
        write_files(tmp_path, files)
        for position in range(8 * len(content)):
            damaged = bytearray(content)
            damaged[position // 8] ^= 1 << position % 8
            write_files(tmp_path, {name: bytes(damaged)})
            try:
                decoded = from_arrays("data", 10, decode("idx", tmp_path))
            except UserError:
                continue
            if decoded.checksum() == expected:
                harmless += 1
                assert_same({name: t.numpy() for name, t in decoded.tensors.items()}, arrays)
    # of a gzip header, the time, flags without effect and the system are not part of the data
    assert harmless == 0 if store is not compressed else 0 < harmless <= 4 * 8 * 8


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "truncated: 0 bytes"),
        (b"\x89PNG\r\n\x1a\n", "not an IDX file"),
        (b"\0\0\x07\x01\0\0\0\x01\0", "not an IDX file"),
        (idx(np.zeros((7, 2, 3), "f4"), 0x0D), "holds float32 values"),
        (idx(np.zeros((7, 2, 3), "i1"), 0x09), "holds int8 values"),
        (idx(np.zeros((7, 2), "u1")), "has 2 dimensions, allowed: 3 or 4"),
        (idx(np.zeros((7, 1, 1, 2, 3), "u1")), "has 5 dimensions, allowed: 3 or 4"),
        (struct.pack(">HBB", 0, 8, 255), "has 255 dimensions"),
        (idx(np.zeros((0, 2, 3), "u1")), "empty"),
        (idx(np.zeros((7, 0, 3), "u1")), "empty"),
        (idx(np.zeros((7, 2, 3), "u1")) + b"\0", "too long"),
        (gzip.compress(idx(np.zeros((7, 2, 3), "u1")) + b"\0", mtime=0), "too long"),
        (
            gzip.compress(idx(np.zeros((7, 2, 3), "u1")), mtime=0) + b"more",
            "truncated or corrupt gzip",
        ),
        (idx(np.zeros((6, 2, 3), "u1")), "6 images but train-labels-idx1-ubyte holds 7 labels"),
    ],
)
def test_an_idx_file_of_another_kind_is_refused(tmp_path, content, message):
    write_files(tmp_path, {**idx_files(make_arrays()), TRAIN_IMAGES: content})
    text = refused("idx", tmp_path)
    assert text.startswith(TRAIN_IMAGES)
    assert message in text


def test_swapped_files_are_told_where_the_format_shows_it(tmp_path):
    files = idx_files(make_arrays())

    def swap(one, other):
        return refused(
            "idx", write_files(tmp_path, {**files, one: files[other], other: files[one]})
        )

    assert swap(TRAIN_IMAGES, TRAIN_LABELS) == (
        f"{TRAIN_IMAGES}: holds labels where images belong: are the files swapped?"
    )
    assert swap(TEST_LABELS, TRAIN_IMAGES) == (
        f"{TRAIN_IMAGES}: holds labels where images belong: are the files swapped?"
    )
    assert "holds 3 images but train-labels-idx1-ubyte holds 7" in swap(TRAIN_IMAGES, TEST_IMAGES)
    assert "holds 7 images but train-labels-idx1-ubyte holds 3" in swap(TRAIN_LABELS, TEST_LABELS)
    images_as_labels = write_files(tmp_path, {**files, TEST_LABELS: files[TEST_IMAGES]})
    assert refused("idx", images_as_labels).startswith(f"{TEST_LABELS}: holds images")


@pytest.mark.parametrize(
    ("shape", "zeros", "message"),
    [
        ((7, 2, 3), 50_000_000, "too long: the header announces 42 values"),
        ((2**32 - 1, 2**32 - 1, 2**32 - 1), 50_000_000, "truncated: the header announces"),
        ((50_000, 100, 10), 50_000_000, "at most 1000000 are allowed"),
    ],
)
def test_a_gzip_bomb_is_not_unpacked_beyond_its_header(
    tmp_path, monkeypatch, shape, zeros, message
):
    monkeypatch.setattr("dropnet.data.formats.LARGEST_FILE", 1_000_000)
    bomb = gzip.compress(struct.pack(">HBB3I", 0, 8, 3, *shape) + bytes(zeros))
    folder = write_files(tmp_path, {**idx_files(make_arrays()), TRAIN_IMAGES: bomb})
    tracemalloc.start()
    try:
        assert message in refused("idx", folder)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 2_000_000


# CIFAR-10's own files ----------------------------------------------------------------------------


def test_a_binary_batch_must_be_whole_images(tmp_path):
    files = cifar_bin_files(make_arrays(**CIFAR))
    for content in (
        b"",
        files["test_batch.bin"][:-1],
        files["test_batch.bin"] + b"\0",
        b"\0" * 3072,
    ):
        write_files(tmp_path, {**files, "test_batch.bin": content})
        assert refused("cifar", tmp_path).startswith(
            "test_batch.bin: truncated or of another format"
        )


def official(monkeypatch, files):
    """Have torchvision take these files for the official ones."""
    from torchvision.datasets import CIFAR10

    sums = [[name, md5(files[name])] for name in CIFAR_BATCHES]
    monkeypatch.setattr(CIFAR10, "train_list", sums[:5])
    monkeypatch.setattr(CIFAR10, "test_list", sums[5:])


@pytest.mark.slow
@pytest.mark.parametrize("subfolder", [".", "cifar-10-batches-py"])
def test_pickled_batches_with_the_official_checksums_come_back(tmp_path, monkeypatch, subfolder):
    arrays = make_arrays(**CIFAR)
    files = cifar_py_files(arrays)
    official(monkeypatch, files)
    write_files(tmp_path / subfolder, files)
    assert_same(decode("cifar", tmp_path), arrays)


class Malice:
    """Unpickling this makes a file."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.mkdir, (str(self.path),)


@pytest.mark.parametrize("batch", CIFAR_BATCHES)
def test_a_pickle_of_another_checksum_is_never_loaded(tmp_path, monkeypatch, batch):
    files = cifar_py_files(make_arrays(**CIFAR))
    official(monkeypatch, files)
    harm = tmp_path / "harm"
    malicious = pickle.dumps(Malice(harm))
    expected = md5(files[batch])
    folder = write_files(tmp_path / "cifar", {**files, batch: malicious})
    assert refused("cifar", folder) == (
        f"{batch}: not the official file, so it is not unpickled:"
        f" its MD5 is {md5(malicious)}, expected {expected}"
    )
    assert not harm.exists()
    pickle.loads(malicious)  # the guard is what kept it from running
    assert harm.exists()


def test_a_pickle_that_would_fill_the_memory_is_not_even_read(tmp_path, monkeypatch):
    files = cifar_py_files(make_arrays(**CIFAR))
    official(monkeypatch, files)
    monkeypatch.setattr("dropnet.data.formats.LARGEST_FILE", 5_000)
    folder = write_files(tmp_path / "cifar", {**files, "data_batch_1": bytes(5_001)})
    assert refused("cifar", folder) == "data_batch_1: larger than 5000 bytes"


def test_binary_batches_are_preferred_to_pickled_ones(tmp_path):
    arrays = make_arrays(**CIFAR)
    write_files(
        tmp_path, {**cifar_bin_files(arrays), **cifar_py_files(make_arrays(**CIFAR, seed=1))}
    )
    assert_same(decode("cifar", tmp_path), arrays)


# CIFAR-10 as pictures ----------------------------------------------------------------------------


@pytest.fixture(scope="module")
def pictures():
    return cifar_png_files(make_arrays(**CIFAR))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "not a whole PNG picture"),
        (b"GIF89a", "not a whole PNG picture"),
        (png(np.zeros((2, 1023, 3), np.uint8)), "RGB picture of 1023 x 2 pixels"),
        (png(np.zeros((2, 1024), np.uint8)), "L picture of 1024 x 2 pixels"),
        (png(np.zeros((60_001, 1024), np.uint8)), "picture of 1024 x 60001 pixels"),
        (png(np.zeros((1, 1024, 3), np.uint8)), "holds 1 images but test_lables.json holds 2"),
    ],
)
def test_a_picture_of_another_kind_is_refused(tmp_path, pictures, content, message):
    write_files(tmp_path, {**pictures, "test_batch.png": content})
    text = refused("cifar_png", tmp_path)
    assert text.startswith("test_batch.png")
    assert message in text


def test_a_picture_that_is_a_bomb_is_refused_by_its_header(tmp_path, pictures):
    content = bytearray(pictures["test_batch.png"])
    content[16:24] = struct.pack(">2I", 1024, 2**31 - 1)
    write_files(tmp_path, {**pictures, "test_batch.png": bytes(content)})
    assert refused("cifar_png", tmp_path).startswith("test_batch.png: not a whole PNG picture")


@settings(max_examples=200)
@given(data=st.data())
def test_a_damaged_picture_is_refused(tmp_path_factory, data):
    files = cifar_png_files(make_arrays(**CIFAR))
    content = files["data_batch_3.png"]
    end = len(content) - 12  # the last chunk only marks the end, it holds no pixel
    if data.draw(st.booleans(), label="cut short"):
        damaged = content[: data.draw(st.integers(0, end - 1), label="length")]
    else:
        position = data.draw(st.integers(0, 8 * end - 1), label="bit")
        damaged = bytearray(content)
        damaged[position // 8] ^= 1 << position % 8
    folder = tmp_path_factory.mktemp("png")
    write_files(folder, {**files, "data_batch_3.png": bytes(damaged)})
    assert refused("cifar_png", folder).startswith("data_batch_3.png: not a whole PNG picture")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "not valid JSON"),
        (b"[1, 2", "not valid JSON"),
        (b"[1, \xff]", "not valid JSON"),
        (b"[" * 100_000, "not valid JSON"),
        (b"[1, " + b"9" * 5000 + b"]", "not valid JSON"),
        (b"{}", "expected a list"),
        (b"[]", "expected a list"),
        (b"[1, 256]", "'256' is no label"),
        (b"[1, -1]", "'-1' is no label"),
        (b"[1, 1.5]", "'1.5' is no label"),
        (b"[true, 1]", "'True' is no label"),
        (b"[null, 1]", "'None' is no label"),
        (b'["1", 1]', "'1' is no label"),
        (b" " * 2**20 + b"[1, 2]", "larger than"),
    ],
)
def test_labels_that_are_none_are_refused(tmp_path, pictures, content, message):
    write_files(tmp_path, {**pictures, "test_lables.json": content})
    text = refused("cifar_png", tmp_path)
    assert text.startswith("test_lables.json: ")
    assert message in text
