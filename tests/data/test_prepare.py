"""From files to a data set: the order of an image's numbers, and images that hold nothing."""

import numpy as np
import pytest

from dropnet.data.prepare import prepare
from dropnet.errors import UserError
from helpers.data_files import idx_files, make_arrays, write_files


def prepared(folder, arrays, image):
    """The data set that IDX files of the arrays give."""
    write_files(folder, idx_files(arrays))
    source = {"folder": str(folder), "format": "idx"}
    settings = {"classes": 10, "image": image, "sha256": None, "sources": [source]}
    return prepare("Mine", settings, folder, lambda line: None)[0]


def colours_last(arrays):
    return {
        name: np.moveaxis(array, 1, 3) if array.ndim == 4 else array
        for name, array in arrays.items()
    }


def test_images_may_have_their_colours_first_or_last(tmp_path):
    arrays = make_arrays(shape=(3, 6, 5))
    first = prepared(tmp_path / "first", arrays, [3, 6, 5])
    last = prepared(tmp_path / "last", colours_last(arrays), [3, 6, 5])
    assert first.image_shape == last.image_shape == (3, 6, 5)
    assert first.checksum() == last.checksum()
    np.testing.assert_array_equal(last.test_images.numpy(), arrays["test_images"])


def test_an_image_of_three_by_three_by_three_is_taken_as_it_is(tmp_path):
    arrays = make_arrays(shape=(3, 3, 3))
    found = prepared(tmp_path, arrays, [3, 3, 3])
    np.testing.assert_array_equal(found.train_images.numpy(), arrays["train_images"])


@pytest.mark.parametrize(
    ("shape", "image", "allowed"),
    [
        ((3, 32, 32), [1, 32, 32], [3, 32, 32]),
        ((3, 32, 32), [32, 32, 3], [3, 32, 32]),
        ((32, 32, 3), [1, 32, 32], [3, 32, 32]),
        ((32, 32, 3), [32, 32, 3], [3, 32, 32]),  # once advised, and 32 channels
        ((32, 32, 4), [3, 32, 32], [4, 32, 32]),
        ((1, 6, 5), [1, 5, 6], [1, 6, 5]),
    ],
)
def test_the_shape_that_is_advised_is_taken(tmp_path, shape, image, allowed):
    arrays = make_arrays(shape=shape)
    with pytest.raises(UserError) as refusal:
        prepared(tmp_path / "refused", arrays, image)
    assert f"image: {image} is not that of the files; allowed: {allowed} (ch" in str(refusal.value)
    assert list(prepared(tmp_path / "taken", arrays, allowed).image_shape) == allowed


@pytest.mark.parametrize("part", ["train_images", "test_images"])
@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda images: images * 0, "no pixel is above 1, as where numbers from 0 to 1 were made"),
        (lambda images: (images / 255).astype(np.uint8), "no pixel is above 1"),
        (lambda images: images // 128, r"no pixel is above 1.*; allowed: bytes from 0 to 255"),
        (lambda images: images[:1].repeat(len(images), 0), r"all \d+ images are equal; allowed"),
    ],
)
def test_images_from_which_nothing_can_be_learnt_are_refused(tmp_path, part, spoil, message):
    arrays = make_arrays()
    arrays[part] = spoil(arrays[part])
    with pytest.raises(UserError, match=f"{part}: {message}"):
        prepared(tmp_path, arrays, [1, 2, 3])
