"""The split: scikit-learn's, stratified, complete, and refused in one line where it cannot be."""

import re

import numpy as np
import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from sklearn.model_selection import train_test_split

from dropnet.data.classes import check_classes
from dropnet.data.split import Split, missing_classes, stratified_split
from dropnet.errors import UserError
from dropnet.files.artifacts import save_tensors


def labels_of(counts, seed=0):
    """Labels in random order, so many of each class."""
    labels = np.repeat(np.arange(len(counts), dtype=np.uint8), counts)
    return torch.from_numpy(np.random.default_rng(seed).permutation(labels))


@pytest.mark.parametrize(
    ("available", "count"), [(1000, None), (1000, 1000), (1000, 437), (600, 101)]
)
def test_it_is_the_split_of_the_notebooks(available, count):
    labels = torch.randint(
        0, 10, (available,), generator=torch.Generator().manual_seed(1), dtype=torch.uint8
    )
    used = labels[:count].numpy()
    images = np.arange(len(used) * 4).reshape(-1, 2, 2)
    x_train, x_validation, y_train, y_validation = train_test_split(
        images, used, test_size=0.1, stratify=used, random_state=42
    )
    split = stratified_split(labels, count)
    assert (images[split.train.numpy()] == x_train).all()
    assert (images[split.validation.numpy()] == x_validation).all()
    assert (used[split.train.numpy()] == y_train).all()
    assert (used[split.validation.numpy()] == y_validation).all()


@settings(max_examples=60)
@given(
    counts=st.lists(st.integers(0, 60).filter(lambda n: n != 1), min_size=2, max_size=12),
    seed=st.integers(0, 99),
)
def test_it_is_stratified_disjoint_and_complete(counts, seed):
    total, classes = sum(counts), sum(count > 0 for count in counts)
    assume(classes >= 2 and -(-total // 10) >= classes)
    labels = labels_of(counts, seed)
    split = stratified_split(labels)
    assert len(split.validation) == -(-total // 10)
    together = torch.cat([split.train, split.validation])
    assert sorted(together.tolist()) == list(range(total))
    for label, count in enumerate(counts):
        share = int((labels[split.validation] == label).sum())
        assert abs(share - count * len(split.validation) / total) <= 1


def test_only_the_first_images_are_used():
    labels = labels_of([50] * 4)
    split = stratified_split(labels, 80)
    again = stratified_split(torch.cat([labels[:80], labels[:80]]), 80)
    assert torch.equal(split.train, again.train)
    assert max(split.train.max(), split.validation.max()) == 79


@pytest.mark.parametrize(
    ("counts", "train_images", "message"),
    [
        ([30, 30], 61, "train_images: 61 is not allowed, the training set has 1 to 60"),
        ([30, 30], 0, "train_images: 0 is not allowed"),
        ([30, 30], -1, "train_images: -1 is not allowed"),
        ([30, 1, 30], None, "train_images: 61 is too few: class 1 has 1 image among them"),
        ([30], None, "train_images: 30 is too few: they are all of one class"),
        ([0, 30], None, "they are all of one class"),
        ([2, 2], None, "1 validation images cannot hold all 2 classes"),
        ([8] * 10, None, "8 validation images cannot hold all 10 classes"),
    ],
)
def test_what_cannot_be_split_is_refused(counts, train_images, message):
    with pytest.raises(UserError, match=re.escape(message)) as caught:
        stratified_split(labels_of(counts), train_images)
    assert "\n" not in str(caught.value)


@settings(max_examples=100)
@given(counts=st.lists(st.integers(0, 8), min_size=1, max_size=12), seed=st.integers(0, 9))
def test_scikit_learn_never_complains_itself(counts, seed):
    assume(sum(counts))
    try:
        split = stratified_split(labels_of(counts, seed))
    except UserError:
        return
    assert len(split.train) + len(split.validation) == sum(counts)


def test_a_file_gives_back_the_same_split(tmp_path):
    split = stratified_split(labels_of([40, 50, 60]))
    split.save(tmp_path / "a.safetensors")
    split.save(tmp_path / "b.safetensors")
    loaded = Split.load(tmp_path / "a.safetensors")
    assert torch.equal(loaded.train, split.train)
    assert torch.equal(loaded.validation, split.validation)
    assert (tmp_path / "a.safetensors").read_bytes() == (tmp_path / "b.safetensors").read_bytes()


@pytest.mark.parametrize(
    ("train", "validation"),
    [
        ([0, 1, 2], [2]),  # in both
        ([0, 1], [3]),  # 2 in none
        ([0, 0, 1], [2]),
        ([-1, 0, 1], [2]),
        ([0, 1, 2], []),
        ([0.0, 1.0, 2.0], [3]),
        ([[0, 1, 2]], [3]),
    ],
)
def test_a_file_that_is_no_split_is_refused(tmp_path, train, validation):
    path = tmp_path / "split.safetensors"
    tensors = {"train": torch.tensor(train), "validation": torch.tensor(validation).long()}
    save_tensors(path, tensors)
    with pytest.raises(UserError, match="delete it and run again"):
        Split.load(path)
    save_tensors(path, {"train": torch.arange(3)})
    with pytest.raises(UserError, match="not a split"):
        Split.load(path)


# --- classes that are missing -----------------------------------------------------------------

SORTED = torch.arange(10, dtype=torch.uint8).repeat_interleave(60)


@pytest.mark.parametrize(
    ("count", "message"),
    [
        (300, "300: 5 of 10 classes are missing (5, 6, 7, 8, 9), as where files are sorted"),
        (540, "540: 1 of 10 classes are missing (9), as where files are sorted by class; allowed"),
        (15, "15: 9 of 10 classes are missing (1, 2, 3, 4, 5, 6, 7, 8, 9), as where"),
    ],
)
def test_files_sorted_by_class_are_refused(count, message):
    """By the same rule for images to train on and to test with."""
    for refused in (
        lambda: stratified_split(SORTED, count),
        lambda: check_classes(f"test_images: {count}", SORTED[:count], SORTED),
    ):
        with pytest.raises(UserError, match=re.escape(message)) as caught:
            refused()
        assert "\n" not in str(caught.value)


def test_all_images_are_never_refused_and_a_class_without_any_is_none_of_them():
    labels = SORTED[SORTED != 3]
    assert check_classes("all", labels, labels) is None
    assert missing_classes(stratified_split(labels), labels) == []


@settings(max_examples=100)
@given(seed=st.integers(0, 10**6), count=st.integers(90, 200))
def test_what_is_missing_by_chance_is_said_and_not_refused(seed, count):
    """Of 60 classes of 10 images each, mixed."""
    labels = labels_of([10] * 60, seed)
    missing = set(range(60)) - set(labels[:count].tolist())
    line = check_classes("test_images: some", labels[:count], labels)
    assert (line is None) == (not missing)
    if line is not None:
        assert line.startswith(f"test_images: some: {len(missing)} of 60 classes are missing (")


def test_a_rare_class_that_is_not_validated_is_said():
    labels = labels_of([500, 500, 3])
    (line,) = missing_classes(stratified_split(labels), labels)
    assert line == "train_images: 1003: 101 validation images: 1 of 3 classes are missing (2)"
