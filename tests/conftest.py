"""What the tests share: small image data, random networks, and a project that has run."""

import fcntl
import os
import shutil

import hypothesis
import pytest
import torch

# as on most machines: jobs of one project share what the first of them has compiled
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
if not torch.cuda.is_available():
    os.environ["TRITON_INTERPRET"] = "1"  # before anything imports the kernels of a GPU

from dropnet.networks.masks import Masks
from dropnet.networks.models import masked_widths
from dropnet.networks.steps import steps_of
from dropnet.networks.weights import initial_weights
from dropnet.training.engines import make_task as make_task_of
from helpers import processes
from helpers.images import make_images
from helpers.project import copy_project, snakemake
from helpers.settings import toy_settings

torch.set_num_threads(1)
hypothesis.settings.register_profile("any machine", deadline=None)  # however busy it is
hypothesis.settings.load_profile("any machine")


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config, items):
    """Let those that take long begin first: at the end none is left to run alone."""
    longest = ("timeout", "slow")  # minutes, seconds
    items.sort(key=lambda item: [item.get_closest_marker(name) is None for name in longest])
    if config.getoption("loadgroup", False):  # in a process of `--dist loadgroup`
        lost = [item for item in items if item.get_closest_marker("xdist_group")]
        lost = [item.nodeid for item in lost if "@" not in item.nodeid]
        if lost:  # pytest 9.2.0 does so with pytest-xdist 3.8.0
            raise pytest.UsageError(f"groups of tests would run apart: {lost}")


@pytest.fixture(autouse=True)
def _subnormal_numbers():
    """The engines flush subnormal numbers to zero; other tests of this process need them."""
    yield
    torch.set_flush_denormal(False)


@pytest.fixture(autouse=True)
def _programs():
    """What a test has started ends with it."""
    yield
    processes.end_all()


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
    """A project whose figures and report are made, undisturbed: one for all processes of a run.

    Tests may read it; those that work in it are of one group, `project`.
    """
    shared = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:  # each of them has its own folder in that of the run
        shared = shared.parent
    folder, made = shared / "project", shared / "project_made"
    with (shared / "project_lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not made.exists():
            shutil.rmtree(folder, ignore_errors=True)
            run = snakemake(copy_project(folder), "figures", "report")
            assert run.returncode == 0, run.stdout
            made.touch()
    return folder
