"""The convolutional engine: precision, device, layout, statistics; models as the paper has them."""

import pytest
import torch

from dropnet.networks.masks import Masks
from dropnet.networks.models import MODELS, engine_of, masked_widths
from dropnet.networks.steps import steps_of, weighted_steps
from dropnet.networks.weights import compact, initial_weights
from dropnet.training import convolutional
from dropnet.training.device import sums_bfloat16
from dropnet.training.engines import make_task
from dropnet.training.operations import Convolution
from helpers import reference
from helpers.images import make_images
from helpers.settings import toy_settings

SMALL = {
    "Conv": ([4, 5], 6),
    "ConvFC256": ([4, 5], 6),
    "ResNet18": ([3, 3, 4, 5, 6], 16),
    "VGG19": ([3, 4, 5, 5, 6], 32),
    "VGG19FC1024": ([6, 8, 9, 9, 9], 32),
}


def small_task(model, dtype=torch.float32, device="cpu", **settings):
    """A task of a narrow network on few images."""
    widths, side = SMALL[model]
    splits = [make_images(count, seed, side) for seed, count in enumerate((37, 9, 12))]
    return make_task(*splits, toy_settings(model, widths, **settings), dtype, device), splits


def full_stack(task, seed=0):
    full = Masks.full(masked_widths(task.layers))
    return task.stack([initial_weights(task.steps(), seed)], [full])


# --- the architectures, by hand ----------------------------------------------------------------


@pytest.mark.parametrize(
    ("model", "widths", "image", "parameters"),
    [
        # conv 1*9*64+64, 64*9*64+64, dense 49*64*10+10
        ("Conv", [64, 64], (1, 28, 28), 640 + 36_928 + 31_370),
        # 3*9*64+64, 64*9*64+64, 64*9*128+128, 128*9*128+128, dense 4*128*256+256, 256*10+10
        (
            "ConvFC256",
            [64, 64, 128, 128],
            (3, 32, 32),
            1_792 + 36_928 + 73_856 + 147_584 + 131_328 + 2_570,
        ),
        # stem; 4 times 64 -> 64; to 128, 256, 512: twice w/2 -> w (body, shortcut), 3 times w -> w
        (
            "ResNet18",
            [64, 64, 128, 256, 512],
            (3, 32, 32),
            1_792
            + 4 * 36_928
            + 2 * 73_856
            + 3 * 147_584
            + 2 * 295_168
            + 3 * 590_080
            + 2 * 1_180_160
            + 3 * 2_359_808
            + 5_130,
        ),
        # stages of 2, 2, 4, 4, 4 with four parameters of normalisation a filter of the last one,
        # dense 4*512*1024+1024, 1024*200+200
        (
            "VGG19FC1024",
            [64, 128, 256, 512, 512],
            (3, 64, 64),
            (1_792 + 36_928)
            + (73_856 + 147_584)
            + (295_168 + 3 * 590_080)
            + (1_180_160 + 3 * 2_359_808)
            + 4 * 2_359_808
            + 4 * (64 + 128 + 256 + 512 + 512)
            + (2_098_176 + 205_000),
        ),
    ],
)
def test_parameters_counted_by_hand(model, widths, image, parameters):
    classes = 200 if image[1] == 64 else 10
    steps = steps_of(MODELS[model](widths, classes), image)
    assert sum(w.numel() for w in initial_weights(steps, 0).values()) == parameters


def test_masked_layers_of_the_large_networks():
    resnet = masked_widths(MODELS["ResNet18"]([64, 64, 128, 256, 512], 10))
    assert (len(resnet), sum(resnet)) == (20, 4800)
    vgg = masked_widths(MODELS["VGG19"]([64, 128, 256, 512, 512], 10))
    assert (len(vgg), sum(vgg)) == (16, 5504)
    normalised = [
        step.layer.batch_norm
        for step in weighted_steps(steps_of(MODELS["VGG19"]([2, 2, 2, 2, 2], 10), (3, 32, 32)))
        if step.mask is not None
    ]
    assert [i for i, yes in enumerate(normalised, 1) if yes] == [2, 4, 8, 12, 16]


# --- statistics --------------------------------------------------------------------------------


@pytest.mark.parametrize("model", SMALL)
def test_statistics_are_those_of_all_activations_at_once(model):
    """Chunk by chunk as from all images: means, shares of zeros, shares of silent images."""
    task, (train, *_) = small_task(model, dtype=torch.float64)
    assert convolutional.CHUNK < 37, "or one chunk would be all"
    found = full_stack(task).statistics(task.train)[0]
    weights = {k: w.double() for k, w in initial_weights(task.steps(), 0).items()}
    full = Masks.full(masked_widths(task.layers))
    rectified = []
    activations, _ = reference.forward(task.layers, weights, full, train[0], rectified=rectified)
    for layer, (activation, active) in enumerate(zip(activations, rectified, strict=True)):
        positions = activation.flatten(2)
        expected = {
            "mean_activation": positions.abs().mean((0, 2)),
            "zero_share": (active.flatten(2) == 0).double().mean((0, 2)),
            "silent_share": (positions == 0).all(2).double().mean(0),
        }
        for name, values in expected.items():
            torch.testing.assert_close(found[name][layer], values, rtol=1e-9, atol=1e-12)
    assert any((share > 0).any() for share in found["zero_share"])


def test_statistics_of_nodes_count_zeros_too(make_task):
    task = make_task()
    statistics = full_stack(task).statistics(task.train)[0]
    first = (
        task.train.inputs[:, 1:]
        @ initial_weights(task.steps(), 0)["dense1.kernel"].double()[task.pixel_order]
    )
    expected = (first <= 0).double().mean(0)
    torch.testing.assert_close(statistics["zero_share"][0], expected)
    torch.testing.assert_close(statistics["silent_share"][0], expected)


# --- precision, device, layout -----------------------------------------------------------------


@pytest.mark.parametrize("model", SMALL)
def test_bfloat16_computes_convolutions_only(model):
    """Weights, logits and sums stay float32; the loss is that of float32 to bfloat16's digits."""
    single, _ = small_task(model)
    half, _ = small_task(model, precision="bfloat16")
    stacks = [full_stack(single), full_stack(half)]
    losses = [stack.evaluate(single.validation)[0][0] for stack in stacks]
    assert losses[1] == pytest.approx(losses[0], rel=0.03)
    assert losses[0] != losses[1]
    for stack in stacks:
        stack.train_epoch(1)
    assert all(w.dtype == torch.float32 for w in stacks[1].weights()[0].values())
    assert stacks[1].evaluate(half.validation)[0][0] == pytest.approx(
        stacks[0].evaluate(single.validation)[0][0], rel=0.2
    )


@pytest.mark.parametrize("channels", [1, 3])
def test_activations_lie_channels_last(channels):
    """What the speed rests on; with one channel the strides do not follow from the order."""
    images = torch.randint(0, 256, (20, channels, 8, 8), dtype=torch.uint8)
    split = (images, torch.zeros(20, dtype=torch.uint8))
    task = make_task(split, split, split, toy_settings("Conv", [4, 5]))
    first, *_ = full_stack(task).networks[0].operations
    out = first.forward(task.images(task.train, 0, 16))
    assert out.stride(1) == 1
    assert out.shape == (16, 4, 4, 4)


@pytest.mark.parametrize("model", [*SMALL, "FC"])
def test_every_tensor_of_a_step_is_on_the_device(model):
    """On torch's `meta` device, which has no values, an operation between devices is an error."""
    if model == "FC":
        splits = [make_images(40, seed) for seed in range(3)]
        with pytest.raises(RuntimeError, match="meta"):  # blocks are cut by what the images hold
            make_task(*splits, toy_settings(), device="meta").blocks  # noqa: B018
        return
    task, _ = small_task(model, device="meta")
    network = full_stack(task).networks[0]
    logits = network.train_forward(task.images(task.train, 0, 16))
    network.backward(torch.softmax(logits, 1) - task.onehot[:16], 0.1)
    seen = []
    network.forward(task.images(task.train, 0, 16), lambda mask, x, *_: seen.append(x.device.type))
    assert set(seen) == {"meta"}


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("size", [(1, 1), (2, 2), (2, 5), (4, 4), (4, 5)])
def test_gradients_of_a_convolution_are_torchs_whatever_the_size_of_the_images(
    size, channels, layout
):
    """Those of up to 16 positions are worked out in another way than the others."""
    (step, *_) = steps_of(MODELS["Conv"]([6], 10), (channels, 28, 28))
    drawn = torch.Generator().manual_seed(1)
    shapes = ((6, channels, 3, 3), (6,), (5, channels, *size), (5, 6, *size))
    kernel, bias, images, gradient = (
        torch.randn(shape, generator=drawn, dtype=torch.float64) for shape in shapes
    )
    weights = {"conv1.kernel": kernel, "conv1.bias": bias}
    convolution = Convolution(step, weights, torch.float64, pooled=False, of_images=False)
    images, gradient = (x.contiguous(memory_format=layout) for x in (images, gradient))
    of_images = convolution._unconvolve(gradient, images, 0.5, needs_input=True)
    for found, expected in (
        (of_images, torch.nn.grad.conv2d_input(images.shape, kernel, gradient, padding=1)),
        (
            (kernel - convolution.kernel) / 0.5,
            torch.nn.grad.conv2d_weight(images, kernel.shape, gradient, padding=1),
        ),
        ((bias - convolution.bias) / 0.5, gradient.sum((0, 2, 3))),
    ):
        torch.testing.assert_close(found, expected, rtol=1e-10, atol=1e-12)


@pytest.mark.skipif(
    not sums_bfloat16(), reason="no instructions for bfloat16: find_device refuses it here"
)
def test_gradients_in_bfloat16_are_sums_in_float32_that_are_rounded_once():
    """From zero weights a step of rate -1 leaves the gradients themselves."""
    (step, *_) = steps_of(MODELS["Conv"]([6], 10), (8, 28, 28))
    zeros = {"conv1.kernel": torch.zeros(6, 8, 3, 3), "conv1.bias": torch.zeros(6)}
    images = torch.rand(32, 8, 28, 28, generator=torch.Generator().manual_seed(1)).bfloat16()
    gradient = torch.randn(32, 6, 28, 28, generator=torch.Generator().manual_seed(2)).bfloat16()
    convolution = Convolution(step, zeros, torch.bfloat16, pooled=False, of_images=True)
    convolution._unconvolve(gradient, images, -1, needs_input=False)
    exact = torch.nn.grad.conv2d_weight(images.double(), (6, 8, 3, 3), gradient.double(), padding=1)
    for ours, exactly in (
        (convolution.kernel, exact),
        (convolution.bias, gradient.double().sum((0, 2, 3))),
    ):
        assert ours.dtype == torch.float32
        assert torch.equal(ours, ours.bfloat16().float())
        error = (ours - exactly).abs() / exactly.abs().clamp(min=1)
        assert error.max() <= 2**-8, "sums of 25,088 products in bfloat16 would be far off"


# --- empty layers, whatever is left of the others ------------------------------------------------


@pytest.mark.parametrize("model", SMALL)
def test_a_network_without_any_filter_still_learns_the_classes_shares(model):
    task, _ = small_task(model)
    nothing = Masks(tuple(torch.zeros(w, dtype=torch.bool) for w in masked_widths(task.layers)))
    steps = task.steps(nothing)
    stack = task.stack([compact(initial_weights(task.steps(), 0), steps)], [nothing])
    first, _ = stack.train_epoch(1)
    later, _ = stack.train_epoch(2)
    assert later[0] < first[0]
    assert all(len(layer) == 0 for layer in stack.statistics(task.train)[0]["mean_activation"])


def test_each_model_has_its_engine():
    widths = {name: SMALL.get(name, ([3], 0))[0] for name in MODELS}
    engines = {name: engine_of(toy_settings(name, widths[name]), gpu=False) for name in MODELS}
    assert engines.pop("FC") == "dropnet.training.fully_connected"
    assert set(engines.values()) == {"dropnet.training.convolutional"}


@pytest.mark.parametrize("model", SMALL)
def test_evaluation_changes_no_weight_whatever_layer_is_empty(model):
    """Down to one position and one sample, where views share memory with what they view."""
    task, _ = small_task(model)
    widths = masked_widths(task.layers)
    for empty in range(len(widths)):
        layers = [torch.ones(width, dtype=torch.bool) for width in widths]
        layers[empty][:] = False
        masks = Masks(tuple(layers))
        weights = compact(initial_weights(task.steps(), 0), task.steps(masks))
        for name in weights:
            if name.endswith("bias"):
                weights[name] = torch.linspace(-1, 1, len(weights[name]))
        stack = task.stack([weights], [masks])
        one = convolutional.Samples(task.test.images[:1], task.test.labels[:1])
        stack.evaluate(one)
        stack.statistics(one)
        for name, tensor in stack.weights()[0].items():
            assert torch.equal(tensor, weights[name]), (empty, name)
