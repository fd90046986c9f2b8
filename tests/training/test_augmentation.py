"""Augmentation: Keras' maps, drawn anew in each epoch and the same wherever they are drawn."""

import contextlib

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage

from dropnet.errors import UserError
from dropnet.networks.cycle_files import save_cycles
from dropnet.networks.masks import Masks
from dropnet.networks.models import MODELS, masked_widths
from dropnet.networks.weights import initial_weights
from dropnet.pruning.resume import FinishedCycles
from dropnet.training import augmentation, convolutional
from dropnet.training.augmentation import affine_maps, draw, warp
from dropnet.training.engines import make_task
from dropnet.training.train import train_cycle
from helpers.images import make_images
from helpers.interruptions import Dying, Killed
from helpers.settings import toy_settings

NOTHING = {
    **dict.fromkeys(("rotation", "right", "down", "shear"), 0.0),
    **dict.fromkeys(("wide", "high"), 1.0),
    "flip": False,
}


def maps_of(**changes):
    """The map of one image, given by what differs from no map at all."""
    values = {name: np.array([value]) for name, value in (NOTHING | changes).items()}
    return affine_maps(**{name: torch.from_numpy(value) for name, value in values.items()})


def warped(image, **changes):
    """An image [height, width] under a map."""
    return warp(torch.as_tensor(image).double()[None, None], maps_of(**changes))[0, 0]


def like_keras(image, rotation, right, down, shear, wide, high, flip):
    """An image [height, width] as Keras' apply_affine_transform and flip have it, by SciPy."""
    rotation, shear = np.deg2rad(rotation), np.deg2rad(shear)
    cos, sin = np.cos(rotation), np.sin(rotation)
    matrix = np.array([[cos, -sin, 0], [sin, cos, 0], [0, 0, 1]])
    matrix = matrix @ [[1, 0, right], [0, 1, down], [0, 0, 1]]
    matrix = matrix @ [[1, -np.sin(shear), 0], [0, np.cos(shear), 0], [0, 0, 1]]
    matrix = matrix @ np.diag([wide, high, 1])
    x, y = image.shape[1] / 2 - 0.5, image.shape[0] / 2 - 0.5
    centred = np.array([[1, 0, x], [0, 1, y], [0, 0, 1]]) @ matrix
    centred = centred @ [[1, 0, -x], [0, 1, -y], [0, 0, 1]]
    rows = centred[[1, 0, 2]][:, [1, 0, 2]]  # SciPy has the row first
    moved = ndimage.affine_transform(image, rows[:2, :2], rows[:2, 2], order=1, mode="nearest")
    return moved[:, ::-1] if flip else moved


# --- maps -----------------------------------------------------------------------------------------

PICTURE = torch.arange(12.0).view(3, 4)


@pytest.mark.parametrize("side", [7, 32, 64])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_no_map_gives_back_the_image(side, dtype):
    images = torch.rand(2, 3, side, side, dtype=dtype)
    back = warp(images, maps_of().expand(2, 2, 3))
    if side == 7:
        torch.testing.assert_close(back, images, rtol=0, atol=1e-6)
    else:  # the sizes of CIFAR-10 and Tiny ImageNet are powers of two
        assert torch.equal(back, images)


def test_maps_worked_out_by_hand():
    """0 1 2 3 / 4 5 6 7 / 8 9 10 11; what comes from outside is the nearest pixel."""
    by_hand = [
        ({"flip": True}, [[3, 2, 1, 0], [7, 6, 5, 4], [11, 10, 9, 8]]),
        ({"right": 1.0}, [[1, 2, 3, 3], [5, 6, 7, 7], [9, 10, 11, 11]]),
        ({"right": -2.0}, [[0, 0, 0, 1], [4, 4, 4, 5], [8, 8, 8, 9]]),
        ({"down": 1.0}, [[4, 5, 6, 7], [8, 9, 10, 11], [8, 9, 10, 11]]),
        ({"right": 1.0, "flip": True}, [[3, 3, 2, 1], [7, 7, 6, 5], [11, 11, 10, 9]]),
        ({"right": 0.5}, [[0.5, 1.5, 2.5, 3], [4.5, 5.5, 6.5, 7], [8.5, 9.5, 10.5, 11]]),
        ({"rotation": 180.0}, [[11, 10, 9, 8], [7, 6, 5, 4], [3, 2, 1, 0]]),
        # twice as far from the centre: -3 and 3 are beyond the edge, -1 and 1 between two pixels
        ({"wide": 2.0}, [[0, 0.5, 2.5, 3], [4, 4.5, 6.5, 7], [8, 8.5, 10.5, 11]]),
        ({"high": 0.5}, [[2, 3, 4, 5], [4, 5, 6, 7], [6, 7, 8, 9]]),
    ]
    for changes, expected in by_hand:
        found = warped(PICTURE, **changes)
        torch.testing.assert_close(found, torch.tensor(expected).double(), msg=str(changes))


def test_a_quarter_turn_by_hand():
    square = torch.arange(9.0).view(3, 3).double()
    # the value shown at the right, (1, 0), is taken from below, (0, 1): all turns left
    torch.testing.assert_close(warped(square, rotation=90.0), square.rot90())
    # the shift is turned as well: a pixel to the right becomes one down
    below = square.rot90()[:, [1, 2, 2]]
    torch.testing.assert_close(warped(square, rotation=90.0, right=1.0), below)


@settings(max_examples=100)
@given(
    rotation=st.floats(-180, 180),
    right=st.floats(-5, 5),
    down=st.floats(-5, 5),
    shear=st.floats(-30, 30),
    wide=st.floats(0.5, 2),
    high=st.floats(0.5, 2),
    flip=st.booleans(),
    shape=st.tuples(st.integers(2, 9), st.integers(2, 9)),
)
def test_maps_are_those_of_keras(shape, **values):
    image = np.random.default_rng(0).random(shape)
    found = warped(torch.from_numpy(image), **values)
    np.testing.assert_allclose(found.numpy(), like_keras(image, **values), rtol=0, atol=1e-9)


def test_images_of_a_batch_have_their_own_maps_and_channels_share_them():
    images = torch.rand(2, 3, 8, 8, dtype=torch.float64)
    maps = torch.cat([maps_of(right=1.0), maps_of(rotation=20.0, wide=1.1)])
    both = warp(images, maps)
    for number in range(2):
        for channel in range(3):
            alone = warp(images[number, channel][None, None], maps[number : number + 1])
            torch.testing.assert_close(both[number, channel], alone[0, 0])


# --- chance ---------------------------------------------------------------------------------------


def test_parameters_fill_their_ranges(monkeypatch):
    seen = {}
    monkeypatch.setattr(
        augmentation, "affine_maps", lambda **values: seen.update(values) or torch.zeros(1)
    )
    drawn = draw(1, 20_000, height=10, width=100)
    ranges = {
        "rotation": (-40, 40),
        "right": (-20, 20),
        "down": (-2, 2),
        "shear": (-0.2, 0.2),
        "wide": (0.8, 1.2),
        "high": (0.8, 1.2),
    }
    for name, (low, high) in ranges.items():
        values, width = seen.pop(name), high - low
        assert low <= values.min() < low + 0.01 * width
        assert high - 0.01 * width < values.max() <= high
        assert values.mean() == pytest.approx((low + high) / 2, abs=0.01 * width)
        assert values.std() == pytest.approx(width / 12**0.5, rel=0.02)
    assert seen.pop("flip").double().mean() == pytest.approx(0.5, abs=0.02)
    assert seen == {}
    assert drawn.order.sort().values.tolist() == list(range(20_000))


def test_an_epochs_number_is_all_that_chance_depends_on():
    one = draw(3, 50, 8, 8)
    torch.rand(5)
    again, other = draw(3, 50, 8, 8), draw(4, 50, 8, 8)
    assert torch.equal(one.order, again.order)
    assert torch.equal(one.maps, again.maps)
    assert not torch.equal(one.order, other.order)
    assert not (one.maps == other.maps).all(2).all(1).any()
    assert not torch.equal(one.order, torch.arange(50))


# --- training -------------------------------------------------------------------------------------

LAYERS = MODELS["Conv"]([4, 5], 10)


def task_of(splits=None, dtype=torch.float32, device="cpu", **settings):
    splits = splits or [make_images(count, seed, 8) for seed, count in enumerate((37, 9, 12))]
    settings = {"model": "Conv", "widths": [4, 5], "max_epochs": 4, "patience": 9} | settings
    return make_task(*splits, toy_settings(**settings), dtype, device)


def stack_of(task, seeds=(0,)):
    full = Masks.full(masked_widths(task.layers))
    return task.stack([initial_weights(task.steps(), s) for s in seeds], [full for _ in seeds])


def test_an_augmented_epoch_is_a_plain_one_over_the_images_of_its_draw():
    """Order, maps, labels, the partial batch: as if these images had been given in this order."""
    train, *others = (make_images(count, seed, 8) for seed, count in enumerate((37, 9, 12)))
    augmented = stack_of(task_of(dtype=torch.float64, augmentation="affine"), (0, 1))
    for epoch in (1, 2):
        before = augmented.weights()
        drawn = draw(epoch, 37, 8, 8)
        images = warp(train[0][drawn.order].double() / 255, drawn.maps)
        plain = task_of(splits=[(train[0], train[1][drawn.order]), *others], dtype=torch.float64)
        plain.images = lambda samples, start, count, images=images: images[start : start + count]
        full = Masks.full(masked_widths(LAYERS))
        expected = plain.stack(before, [full, full])
        found = augmented.train_epoch(epoch)
        for one, other in zip(found, expected.train_epoch(7), strict=True):
            assert one == pytest.approx(other, rel=1e-12)
        for one, other in zip(augmented.weights(), expected.weights(), strict=True):
            for name, tensor in one.items():
                torch.testing.assert_close(tensor, other[name], rtol=1e-9, atol=1e-12)


def test_other_images_and_statistics_are_plain():
    plain, augmented = (stack_of(task_of(augmentation=kind)) for kind in ("none", "affine"))
    for samples in ("train", "validation", "test"):
        results = [stack.evaluate(getattr(stack.task, samples))[0] for stack in (plain, augmented)]
        assert results[0] == results[1]
    for name, layers in plain.statistics(plain.task.train)[0].items():
        others = augmented.statistics(augmented.task.train)[0][name]
        assert all(map(torch.equal, layers, others))


def test_without_augmentation_nothing_is_drawn_or_copied(monkeypatch):
    """Every epoch sees the images as they are, whatever its number, and onehot labels in place."""

    def forbid(*_):
        raise AssertionError

    for name in ("draw", "warp"):
        monkeypatch.setattr(convolutional, name, forbid)
    one, other = stack_of(task_of()), stack_of(task_of(augmentation="none"))
    assert one.train_epoch(1) == other.train_epoch(9)
    for name, tensor in one.weights()[0].items():
        assert torch.equal(tensor, other.weights()[0][name])
    images, onehot = one.task.batch(16, None)
    assert torch.equal(images, one.task.images(one.task.train, 16, 16))
    assert onehot.data_ptr() == one.task.onehot[16].data_ptr()


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_augmented_images_lie_as_plain_ones_do(channels, precision):
    images = torch.randint(0, 256, (20, channels, 8, 8), dtype=torch.uint8)
    split = (images, torch.zeros(20, dtype=torch.uint8))
    task = task_of(splits=[split] * 3, augmentation="affine", precision=precision)
    for start, size in ((0, 16), (16, 4)):
        plain, _ = task.batch(start, None)
        augmented, onehot = task.batch(start, task.draw(1))
        assert (augmented.shape, augmented.dtype) == (plain.shape, plain.dtype)
        assert augmented.stride() == plain.stride()
        assert len(augmented) == len(onehot) == size
        assert 0 <= augmented.min() < augmented.max() <= 1


def test_every_tensor_of_an_augmented_step_is_on_the_device():
    task = task_of(augmentation="affine", device="meta")
    images, onehot = task.batch(0, task.draw(1))
    assert images.device == onehot.device == torch.device("meta")


def test_fully_connected_networks_are_not_augmented():
    with pytest.raises(UserError, match="augmentation: 'affine' is not allowed for fully conn"):
        task_of(model="FC", widths=[4], augmentation="affine")


def test_an_augmented_cycle_killed_after_every_epoch_is_the_same(tmp_path):
    task = task_of(augmentation="affine")
    seeds = [0, 1]
    masks = [Masks.full(masked_widths(task.layers)) for _ in seeds]
    weights = [initial_weights(task.steps(), seed) for seed in seeds]

    def train(checkpoint=None):
        return train_cycle(task, 0, seeds, masks, weights, checkpoint=checkpoint)

    save_cycles(tmp_path / "expected", [train()])
    finished = FinishedCycles(tmp_path / "cycles", "this")
    for _ in range(4):
        with contextlib.suppress(Killed):
            train(Dying(finished.checkpoint(0, masks), 1))
    save_cycles(tmp_path / "got", [train(finished.checkpoint(0, masks))])
    assert (tmp_path / "got").read_bytes() == (tmp_path / "expected").read_bytes()
    plain = train_cycle(task_of(), 0, seeds, masks, weights)
    save_cycles(tmp_path / "plain", [plain])
    assert (tmp_path / "plain").read_bytes() != (tmp_path / "expected").read_bytes()
