"""What tests of a model of one's own need, and no others."""

from importlib.util import find_spec

import pytest

from helpers.project import skip


@pytest.fixture
def torch_pruning():
    if find_spec("torch_pruning") is None:
        skip("Torch-Pruning is not installed: make own-model")
