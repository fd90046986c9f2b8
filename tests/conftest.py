"""What the tests share: small image data, random networks, and a project that has run."""

import os

import pytest
import torch

if not torch.cuda.is_available():
    os.environ["TRITON_INTERPRET"] = "1"  # before anything imports the kernels of a GPU

from dropnet.networks.masks import Masks
from dropnet.networks.models import masked_widths
from dropnet.networks.steps import steps_of
from dropnet.networks.weights import initial_weights
from dropnet.training.engines import make_task as make_task_of
from helpers.images import make_images
from helpers.project import copy_project, snakemake
from helpers.settings import toy_settings

torch.set_num_threads(1)


@pytest.fixture(autouse=True)
def _subnormal_numbers():
    """The engines flush subnormal numbers to zero; other tests of this process need them."""
    yield
    torch.set_flush_denormal(False)


@pytest.fixture(scope="session")
def splits():
    """Training (not a multiple of the batch size), validation and test split; a test-only pixel."""
    train, validation, test = make_images(331, 1), make_images(90, 2), make_images(120, 3)
    test[0].view(len(test[0]), -1)[:, -1] = 77
    return train, validation, test


@pytest.fixture
def make_task(splits):
    """Return a function that prepares the splits as a task for a network."""

    def make(widths=(6, 5), dtype=torch.float64, **settings):
        return make_task_of(*splits, toy_settings(widths=widths, **settings), dtype)

    return make


@pytest.fixture
def make_network():
    """Return a function that makes initial weights, random masks and the steps under them."""

    def make(layers, seed, keep=1.0, dtype=torch.float64, image_shape=(1, 6, 6)):
        weights = initial_weights(steps_of(layers, image_shape), seed)
        generator = torch.Generator().manual_seed(seed + 1000)
        widths = masked_widths(layers)
        masks = Masks(tuple(torch.rand(w, generator=generator) < keep for w in widths))
        weights = {name: w.to(dtype) for name, w in weights.items()}
        return weights, masks, steps_of(layers, image_shape, masks)

    return make


@pytest.fixture(scope="session")
def project(tmp_path_factory):
    """A project whose figures are all made, undisturbed."""
    folder = copy_project(tmp_path_factory.mktemp("end_to_end") / "project")
    run = snakemake(folder)
    assert run.returncode == 0, run.stdout
    return folder
