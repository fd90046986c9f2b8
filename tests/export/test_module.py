"""Networks as torch modules and ONNX files, against the engine: every family, layers emptied."""

import dataclasses

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.utils.flop_counter import FlopCounterMode

from dropnet.errors import UserError
from dropnet.export import onnx_file
from dropnet.export.module import NetworkModule
from dropnet.export.widths import round_up
from dropnet.networks.masks import Masks
from dropnet.networks.models import MODELS, masked_widths
from dropnet.networks.sizes import size_of
from dropnet.networks.steps import Sum, steps_of, weighted_steps
from dropnet.networks.weights import compact, initial_weights
from dropnet.randomness import generator
from dropnet.training.operations import operations_of

#: Of each family, widths and an odd side of images, so that pools drop a row and a column.
FAMILIES = {
    "FC": ((6, 5), 7),
    "Conv": ((4, 5), 9),
    "ConvFC256": ((3, 4, 3, 2), 17),
    "ResNet18": ((3, 3, 4, 5, 6), 17),
    "VGG19": ((2, 3, 3, 4, 4), 33),
    "VGG19FC1024": ((2, 3, 3, 4, 4), 33),
}
every_family = pytest.mark.parametrize("model", FAMILIES)


def test_no_family_is_forgotten():
    assert FAMILIES.keys() == MODELS.keys()


def make_network(model, seed, keep=1.0, emptied=(), dtype=torch.float64):
    """Steps, weights and the shape of images of a network under random masks."""
    widths, side = FAMILIES[model]
    layers, shape = MODELS[model](widths, 10), (2, side, side)
    random = generator("export", seed)
    masks = [torch.rand(width, generator=random) < keep for width in masked_widths(layers)]
    for layer in emptied:
        masks[layer % len(masks)][:] = False
    full = initial_weights(steps_of(layers, shape), seed)
    for name, tensor in full.items():  # nothing is 0 or 1, as it is before training
        if not name.endswith("kernel"):
            tensor += 0.2 * torch.rand(tensor.shape, generator=random) - 0.1
    steps = steps_of(layers, shape, Masks(tuple(masks)))
    weights = compact({name: tensor.to(dtype) for name, tensor in full.items()}, steps)
    return steps, weights, shape


def images_of(shape, count=3, dtype=torch.float64):
    return torch.rand(count, *shape, generator=generator("images", count), dtype=dtype)


def by_engine(steps, weights, images):
    return operations_of(steps, weights, images.dtype).forward(images.clone())


@every_family
@settings(max_examples=8)
@given(
    seed=st.integers(0, 10**6),
    keep=st.sampled_from([1.0, 0.6, 0.3]),
    emptied=st.sets(st.integers(0, 19), max_size=2),
    multiple=st.sampled_from([1, 4, 8]),
)
def test_a_module_computes_what_the_engine_does(model, seed, keep, emptied, multiple):
    """At its exact size and with widths rounded up, whatever is left of its layers."""
    steps, weights, shape = make_network(model, seed, keep, emptied)
    images = images_of(shape)
    expected = by_engine(steps, weights, images)
    rounded, padded = round_up(steps, weights, shape, multiple)
    logits = NetworkModule(rounded, padded, shape)(images)
    torch.testing.assert_close(logits, expected, rtol=1e-9, atol=1e-12)
    if multiple > 1:
        *hidden, classifier = weighted_steps(rounded)
        assert {len(step.outputs) % multiple for step in hidden} == {0}
        assert len(classifier.outputs) == 10
    parameters = [w for name, w in padded.items() if not name.endswith((".mean", ".variance"))]
    assert size_of(rounded, *shape[1:]).parameters == sum(w.numel() for w in parameters)


def test_a_layer_without_nodes_leaves_the_bias_of_what_follows():
    steps, weights, shape = make_network("FC", 0, emptied=[1])
    logits = NetworkModule(steps, weights, shape)(images_of(shape, 4))
    assert torch.equal(logits, weights["dense3.bias"].expand(4, 10))


def test_a_sum_of_paths_that_lost_different_channels_worked_by_hand():
    """Of three channels the stem keeps 0 and 1, the first block's body 1 and 2."""
    steps, weights, shape = make_network("ResNet18", 0)
    layers = MODELS["ResNet18"](FAMILIES["ResNet18"][0], 10)
    masks = [torch.ones(width, dtype=torch.bool) for width in masked_widths(layers)]
    masks[0][2], masks[2][0] = False, False
    pruned = steps_of(layers, shape, Masks(tuple(masks)))
    block = next(step for step in pruned if isinstance(step, Sum))
    assert (block.shortcut_at.tolist(), block.body_at.tolist()) == ([0, 1], [1, 2])
    images = images_of(shape)
    own = compact(weights, pruned)
    logits = NetworkModule(pruned, own, shape)(images)
    torch.testing.assert_close(logits, by_engine(pruned, own, images))
    # the same as the whole network in which these filters give 0
    masked = {name: tensor.clone() for name, tensor in weights.items()}
    for name, gone in (("conv1", 2), ("conv3", 0)):
        masked[f"{name}.kernel"][gone], masked[f"{name}.bias"][gone] = 0, 0
    torch.testing.assert_close(logits, NetworkModule(steps, masked, shape)(images))


@every_family
def test_multiply_adds_are_half_of_the_operations_that_torch_counts(model):
    for multiple, keep in ((1, 1.0), (1, 0.8), (8, 0.8)):
        seed = next(s for s in range(100) if is_whole(make_network(model, s, keep)[0]))
        steps, weights, shape = make_network(model, seed, keep)
        steps, weights = round_up(steps, weights, shape, multiple)
        with FlopCounterMode(display=False) as counter:
            NetworkModule(steps, weights, shape)(images_of(shape, 1))
        # what it counts while constants are worked out is none of the network's
        with FlopCounterMode(display=False) as making:
            NetworkModule(steps, weights, shape)
        counted = counter.get_total_flops() - making.get_total_flops()
        assert counted == 2 * size_of(steps, *shape[1:]).multiply_adds


def is_whole(steps):
    return all(len(step.outputs) for step in weighted_steps(steps))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("model", "emptied", "multiple"),
    [
        *((model, (), 8) for model in FAMILIES),
        ("FC", (0,), 1),
        ("Conv", (1,), 1),
        ("ResNet18", (6, 7), 1),  # both paths of a block
        ("ResNet18", (3, 8), 1),  # a layer in the middle of each of two
        ("ResNet18", (16, 17, 19), 1),  # the last stage
        ("VGG19", (1,), 1),
    ],
)
def test_an_onnx_file_predicts_what_the_module_does(model, emptied, multiple, tmp_path):
    """Run by onnxruntime, for any number of images."""
    steps, weights, shape = make_network(model, 5, 0.7, emptied, torch.float32)
    path = tmp_path / "network.onnx"
    rounded, padded = round_up(steps, weights, shape, multiple)
    module = NetworkModule(rounded, padded, shape)
    onnx_file.write(path, module, shape, "A network")
    session = onnx_file.start(path)
    assert session.get_inputs()[0].shape[1:] == list(shape)
    for count in (1, 2, 7):
        images = images_of(shape, count, torch.float32)
        logits = onnx_file.logits_of(session, images.numpy())
        assert logits.shape == (count, 10)
        np.testing.assert_allclose(logits, module(images).numpy(), rtol=1e-5, atol=1e-5)
    content = path.read_bytes()
    assert b"A network" in content
    assert b".py" not in content, "where it was made is nobody's business"


def test_a_file_that_is_no_network_is_refused_in_one_line(tmp_path):
    path = tmp_path / "network.onnx"
    with pytest.raises(UserError, match="no such file"):
        onnx_file.start(path)
    path.write_bytes(b"something else")
    with pytest.raises(UserError, match="network.onnx: not a readable artifact"):
        onnx_file.start(path)


def test_rounding_by_one_changes_nothing():
    steps, weights, shape = make_network("ResNet18", 3, 0.6)
    rounded, padded = round_up(steps, weights, shape, 1)
    assert padded.keys() == weights.keys()
    assert all(torch.equal(padded[name], weights[name]) for name in weights)
    blocks = zip(steps, rounded, strict=True)
    for before, after in ((a, b) for a, b in blocks if isinstance(a, Sum)):
        for field in ("width", "body_at", "shortcut_at"):
            own, other = getattr(before, field), getattr(after, field)
            assert np.array_equal(own, other), field
    assert dataclasses.is_dataclass(rounded[0])
