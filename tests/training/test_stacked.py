"""The engine of a GPU: by Triton's interpreter, and on a GPU where there is one."""

import math
from functools import cache

import pytest
import torch

from dropnet.networks.masks import Masks
from dropnet.networks.models import engine_of, masked_widths
from dropnet.networks.steps import steps_of
from dropnet.networks.weights import compact, initial_weights
from dropnet.training import convolutional
from helpers.images import make_images
from helpers.settings import toy_settings

stacked = pytest.importorskip("dropnet.training.stacked", reason="Triton is not installed")

GPU = torch.cuda.is_available()
DEVICE = "cuda" if GPU else "cpu"
gpu = pytest.mark.skipif(not GPU, reason="no GPU is present")

#: Two batches and a partial one. An odd height, that the pooling cuts off, is in the second.
SHAPES = {"Conv": ((3, 2), (1, 6, 6)), "ConvFC256": ((3, 5), (3, 7, 4))}


def network(settings, shape, seed, keep):
    """A compacted network with biases that are not zero, and its masks."""
    layers = stacked.BaseTask(shape, settings).layers
    full = initial_weights(steps_of(layers, shape), seed)
    for name, tensor in full.items():
        if name.endswith("bias"):
            full[name] = torch.linspace(-0.1, 0.1, len(tensor))
    generator = torch.Generator().manual_seed(seed)
    masks = Masks(
        tuple(
            torch.randperm(width, generator=generator) < left
            for width, left in zip(masked_widths(layers), keep, strict=True)
        )
    )
    return compact(full, steps_of(layers, shape, masks)), masks


def trained(engine, settings, splits, networks, device="cpu", epochs=1):
    """Everything that a stack gives after some epochs."""
    task = engine.Task(*splits, settings, torch.float32, device)
    stack = task.stack([weights for weights, _ in networks], [masks for _, masks in networks])
    train = [stack.train_epoch(epoch + 1) for epoch in range(epochs)]
    return train, stack.evaluate(task.validation), stack.statistics(task.train), stack.weights()


def images(shape, count, seed):
    """Images of a shape that carry their labels."""
    pixels, labels = make_images(count, seed, side=max(shape[1:]))
    return pixels[:, :, : shape[1], : shape[2]].repeat(1, shape[0], 1, 1), labels


@cache
def small(model):
    """Settings, splits and networks of unequal widths, with empty layers among them."""
    widths, shape = SHAPES[model]
    settings = toy_settings(model, widths, batch_size=8)
    splits = [images(shape, count, seed) for seed, count in enumerate((19, 5, 5))]
    keeps = [widths, (1, 2), (0, 2), (2, 0)]
    return settings, splits, [network(settings, shape, n, keep) for n, keep in enumerate(keeps)]


def assert_close(ours, theirs, tolerance):
    for a, b in zip(ours, theirs, strict=True):
        assert a.keys() == b.keys()
        for name in a:
            one, other = torch.as_tensor(a[name]).double(), torch.as_tensor(b[name]).double()
            assert one.shape == other.shape
            torch.testing.assert_close(one, other, rtol=tolerance, atol=tolerance)


@pytest.mark.slow
@pytest.mark.parametrize("model", SHAPES)
def test_a_stack_does_what_the_networks_do_one_by_one(model):
    settings, splits, networks = small(model)
    train, validation, statistics, weights = trained(stacked, settings, splits, networks, DEVICE)
    expected = trained(convolutional, settings, splits, networks)
    for ours, theirs in ((train[0], expected[0][0]), (validation, expected[1])):
        assert ours[0] == pytest.approx(theirs[0], rel=1e-5)
        assert ours[1] == theirs[1]
    assert_close(weights, expected[3], 1e-5)
    for own, other in zip(statistics, expected[2], strict=True):
        for name in other:
            for a, b in zip(own[name], other[name], strict=True):
                torch.testing.assert_close(a.double(), b.double(), rtol=1e-5, atol=1e-6)


@pytest.mark.slow
def test_digits_do_not_depend_on_the_company():
    """Not even if one of the others is no longer finite."""
    settings, splits, networks = small("Conv")
    alone = trained(stacked, settings, splits, networks[1:2], DEVICE)
    spoilt = {name: tensor * math.inf for name, tensor in networks[0][0].items()}
    together = trained(stacked, settings, splits, [(spoilt, networks[0][1]), networks[1]], DEVICE)
    assert not math.isfinite(together[0][0][0][0])
    assert together[0][0][1][0] == 0  # and it predicts nothing
    assert together[0][0][0][1] == alone[0][0][0][0]
    assert all(torch.equal(together[3][1][name], alone[3][0][name]) for name in alone[3][0])


def test_which_engine_trains_what():
    plain, large = toy_settings("Conv", (3, 2)), toy_settings("ResNet18", (3, 3, 4, 5, 6))
    assert engine_of(plain, gpu=True) == "dropnet.training.stacked"
    assert engine_of(plain, gpu=False) == "dropnet.training.convolutional"
    assert engine_of(large, gpu=True) == "dropnet.training.convolutional"
    mapped = toy_settings("Conv", (3, 2), augmentation="affine")
    assert engine_of(mapped, gpu=True) == "dropnet.training.convolutional"
    assert engine_of(toy_settings(), gpu=True) == "dropnet.training.fully_connected"


# --- on a GPU --------------------------------------------------------------------------------


@cache
def large(precision="float32", steps=200):
    """Networks of unequal widths on as many batches as steps, and a partial one."""
    # at the protocol's rate of 0.1 the losses of float32 and float64, both on a processor, are 1e-4
    # apart after so many steps: a position of a pooling that is a close call tips over; here 1e-7
    settings = toy_settings(
        "Conv", (40, 64), batch_size=32, precision=precision, learning_rate=0.02
    )
    splits = [images((1, 28, 28), count, seed) for seed, count in enumerate((32 * steps + 8, 9, 9))]
    keeps = [(40, 64), (17, 33), (3, 5)]
    networks = [network(settings, (1, 28, 28), n, keep) for n, keep in enumerate(keeps)]
    return settings, splits, networks


@gpu
def test_losses_of_200_steps_are_those_of_the_processor():
    ours, theirs = trained(stacked, *large(), "cuda"), trained(convolutional, *large())
    assert ours[0][0][0] == pytest.approx(theirs[0][0][0], rel=1e-4)


@gpu
@pytest.mark.parametrize("precision", ["float32", "tf32", "bfloat16"])
def test_a_run_can_be_repeated(precision):
    first, again = (trained(stacked, *large(precision), "cuda", epochs=2) for _ in range(2))
    assert first[:2] == again[:2]
    for a, b in zip(first[3], again[3], strict=True):
        assert all(torch.equal(a[name], b[name]) for name in a)


@gpu
def test_recorded_steps_are_the_steps(monkeypatch):
    recorded = trained(stacked, *large(steps=40), "cuda")
    monkeypatch.setattr(
        stacked.Stack,
        "_steps",
        lambda self, count: [self._step(self.task.batch_size) for _ in range(count)],
    )
    taken = trained(stacked, *large(steps=40), "cuda")
    assert recorded[:2] == taken[:2]


@gpu
def test_a_narrower_stack_has_the_same_digits():
    settings, splits, networks = large(steps=40)
    together = trained(stacked, settings, splits, networks, "cuda")
    for n in range(3):
        alone = trained(stacked, settings, splits, networks[n : n + 1], "cuda")
        assert alone[0][0][0][0] == together[0][0][0][n]
        assert all(torch.equal(alone[3][0][name], together[3][n][name]) for name in alone[3][0])
