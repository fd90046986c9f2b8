"""What a training job reads: the images to test with are checked as those to train on are."""

import logging

import pytest
import torch

from dropnet.data.dataset import Dataset
from dropnet.data.split import stratified_split
from dropnet.errors import UserError
from dropnet.training.data import load_task
from helpers.images import make_images
from helpers.settings import toy_settings


@pytest.fixture
def files(tmp_path):
    """A data set of 10 classes, its test images sorted by class, and its split."""
    images, labels = make_images(300)
    test, of_test = make_images(200)
    order = of_test.argsort(stable=True)
    data = Dataset("toy", 10, images, labels, test[order], of_test[order])
    data.save(tmp_path / "data.safetensors")
    stratified_split(labels).save(tmp_path / "split.safetensors")
    return tmp_path / "data.safetensors", tmp_path / "split.safetensors"


def test_test_images_of_a_few_classes_are_refused(files):
    message = r"^toy: test_images: 15: 9 of 10 classes are missing \(1, 2, .*9\), as where files"
    with pytest.raises(UserError, match=message):
        load_task(toy_settings(test_images=15), *files, torch.device("cpu"))


def test_where_a_class_may_be_missing_by_chance_a_warning_says_so(files, caplog):
    """The last class has fewer images than would make it certain to be there."""
    dataset, split = files
    data = Dataset.load(dataset)
    chosen = torch.cat([torch.arange(len(data.test_labels) - 17), torch.tensor([-1])])
    rare = data.test_images[chosen], data.test_labels[chosen]
    Dataset("toy", 10, data.train_images, data.train_labels, *rare).save(dataset)
    whole = load_task(toy_settings(), dataset, split, torch.device("cpu"))
    assert not caplog.records
    without = int((whole.test.labels < 9).sum())
    with caplog.at_level(logging.WARNING, "dropnet"):
        load_task(toy_settings(test_images=without), dataset, split, torch.device("cpu"))
    (record,) = caplog.records
    assert record.getMessage() == (
        f"warning: toy: test_images: {without}: 1 of 10 classes are missing (9)"
    )
