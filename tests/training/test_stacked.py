"""The engine of a GPU: by Triton's interpreter, and on a GPU where there is one."""

import ast
import gc
import math
import os
import sys
from dataclasses import replace
from functools import cache
from pathlib import Path

import pytest
import torch

from dropnet.errors import in_a_line
from dropnet.networks.masks import Masks
from dropnet.networks.models import (
    MODELS,
    Conv,
    Dense,
    Flatten,
    GlobalAveragePool,
    MaxPool,
    Model,
    Residual,
    engine_of,
    is_stackable,
    layers_of,
    masked_widths,
)
from dropnet.networks.steps import steps_of
from dropnet.networks.weights import compact, initial_weights
from dropnet.training import convolutional
from dropnet.training.gathering import Gatherer
from helpers import processes
from helpers.images import make_images
from helpers.settings import toy_settings

stacked = pytest.importorskip("dropnet.training.stacked.engine", reason="Triton is not installed")
from dropnet.training.stacked import operations  # noqa: E402

GPU = torch.cuda.is_available()
DEVICE = "cuda" if GPU else "cpu"
gpu = pytest.mark.skipif(not GPU, reason="no GPU is present")

#: Widths and images. An odd height or width, that a pooling cuts off, is in all but the first.
SHAPES = {
    "Conv": ((3, 2), (1, 6, 6)),
    "ConvFC256": ((3, 5), (3, 7, 4)),
    "residual": ((4, 2, 3), (1, 8, 10)),
    "normalised": ((2, 3, 3), (3, 4, 7)),
}
#: What remains of the masked layers of each network; empty layers are among them.
KEEPS = {
    "Conv": [(3, 2), (1, 2), (0, 2), (2, 0)],
    "ConvFC256": [(3, 5), (1, 2), (0, 2), (2, 0)],
    # stem, a body of two; a body and a shortcut; a body
    "residual": [(4, 2, 4, 3, 3, 3), (2, 1, 3, 2, 1, 2), (0, 2, 2, 0, 0, 3), (3, 0, 0, 2, 0, 0)],
    "normalised": [(2, 3, 3), (1, 2, 2), (0, 2, 0), (2, 0, 1)],
}


@pytest.fixture(autouse=True)
def _small_families(monkeypatch):
    """Models that have each operation of the large ones, and few others."""
    for name in ("residual", "normalised"):
        monkeypatch.setitem(MODELS, name, Model(f"helpers.families.{name}"))


@pytest.fixture
def tall_tiles(monkeypatch):
    """Let the interpreter, whose time goes by the number of tiles, have few of them."""
    if GPU:
        return
    monkeypatch.setattr(operations, "ROWS", 512)
    for (kernel, *kind), tiles in operations.TILES.items():
        if kernel in ("convolve", "of_input"):
            tall = replace(tiles, rows=512)
            monkeypatch.setitem(operations.TILES, (kernel, *kind), tall)


def network(settings, shape, seed, keep):
    """A compacted network without a weight that is simply 0 or 1, and its masks."""
    layers = stacked.BaseTask(shape, settings).layers
    full = initial_weights(steps_of(layers, shape), seed)
    for name, tensor in full.items():
        ends = {"bias": (-0.1, 0.1), "gamma": (0.8, 1.3), "beta": (0.2, -0.2)}
        ends |= {"mean": (-0.1, 0.2), "variance": (0.1, 0.4)}
        kind = name.split(".")[1]
        if kind in ends:
            full[name] = torch.linspace(*ends[kind], len(tensor))
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


def beginning(splits, count):
    """The first samples of each split."""
    return [(pixels[:count], labels[:count]) for pixels, labels in splits]


@cache
def small(model):
    """Settings, splits and networks of unequal widths: two batches and a partial one."""
    widths, shape = SHAPES[model]
    count, size = (19, 8) if model in ("Conv", "ConvFC256") else (7, 3)
    settings = toy_settings(model, widths, batch_size=size)
    splits = [images(shape, number, seed) for seed, number in enumerate((count, 5, 5))]
    networks = [network(settings, shape, n, keep) for n, keep in enumerate(KEEPS[model])]
    return settings, splits, networks


def assert_close(ours, theirs, tolerance):
    for a, b in zip(ours, theirs, strict=True):
        assert a.keys() == b.keys()
        for name in a:
            one, other = torch.as_tensor(a[name]).double(), torch.as_tensor(b[name]).double()
            assert one.shape == other.shape
            torch.testing.assert_close(one, other, rtol=tolerance, atol=tolerance)


@pytest.mark.slow
@pytest.mark.parametrize("model", SHAPES)
def test_a_stack_does_what_the_networks_do_one_by_one(model, request):
    if model in ("residual", "normalised"):
        request.getfixturevalue("tall_tiles")
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


def test_what_metrics_gather_is_what_they_do_on_a_processor(tall_tiles):
    settings, splits, networks = small("Conv")
    found = []
    for engine, device in ((stacked, DEVICE), (convolutional, "cpu")):
        task = engine.Task(*splits, settings, torch.float32, device)
        stack = task.stack([weights for weights, _ in networks], [masks for _, masks in networks])
        gatherers = [Gatherer(gates, "labels") for _ in networks]
        stack.statistics(task.train, gatherers)
        found.append([gatherer.means(19)["gates"] for gatherer in gatherers])
    for ours, theirs in zip(*found, strict=True):
        for a, b in zip(ours, theirs, strict=True):
            torch.testing.assert_close(a, b, rtol=1e-5, atol=1e-7)
    assert found[0][0][0].any()


def gates(layers):
    return {"gates": [layer.by_gate.abs().sum(0) for layer in layers]}


@pytest.mark.slow
@pytest.mark.parametrize("model", ["Conv", "residual", "normalised"])
def test_digits_do_not_depend_on_the_company(model, tall_tiles):
    """Not even if one of the others is no longer finite."""
    settings, splits, networks = small(model)
    splits = beginning(splits, settings.batch_size + 1)
    alone = trained(stacked, settings, splits, networks[1:2], DEVICE)
    spoilt = {name: tensor * math.inf for name, tensor in networks[0][0].items()}
    together = trained(stacked, settings, splits, [(spoilt, networks[0][1]), networks[1]], DEVICE)
    assert not math.isfinite(together[0][0][0][0])
    assert together[0][0][1][0] == 0  # and it predicts nothing
    assert together[0][0][0][1] == alone[0][0][0][0]
    assert all(torch.equal(together[3][1][name], alone[3][0][name]) for name in alone[3][0])
    for name, layers in alone[2][0].items():
        assert all(map(torch.equal, layers, together[2][1][name]))


@pytest.mark.parametrize("first", [True, False], ids=["images", "filters"])
def test_what_is_not_a_number_in_the_middle_spoils_the_loss(first, tall_tiles):
    """A ReLU must not make zeros of it: a network that has diverged has to leave."""
    settings, splits, networks = small("Conv")
    splits = beginning(splits, settings.batch_size)
    (weights, masks), kernels = networks[0], [n for n in networks[0][0] if n.endswith(".kernel")]
    name = kernels[0 if first else 1]
    spoilt = [(weights | {name: weights[name] * math.nan}, masks), networks[1]]
    expected = trained(convolutional, settings, splits, spoilt)
    for engine in (trained(stacked, settings, splits, spoilt, DEVICE), expected):
        for losses, accuracies in (engine[0][0], engine[1]):
            assert math.isnan(losses[0])
            assert accuracies[0] == 0
            assert math.isfinite(losses[1])


@pytest.mark.parametrize("classes", [2, 17, 40, 130])
def test_any_number_of_classes_has_its_tiles(classes, tall_tiles):
    shape = (1, 4, 4)
    settings = toy_settings("Conv", (2, 3), batch_size=4, classes=classes)
    splits = []
    for seed, count in enumerate((6, 3, 3)):
        pixels, labels = images(shape, count, seed)
        splits.append((pixels, (labels * 7 + seed) % classes))
    networks = [network(settings, shape, n, keep) for n, keep in enumerate([(2, 3), (1, 2)])]
    ours = trained(stacked, settings, splits, networks, DEVICE)
    theirs = trained(convolutional, settings, splits, networks)
    assert ours[0][0][0] == pytest.approx(theirs[0][0][0], rel=1e-5)
    assert ours[1][0] == pytest.approx(theirs[1][0], rel=1e-5)
    assert_close(ours[3], theirs[3], 1e-5)


@pytest.mark.slow
def test_a_network_that_stops_leaves_the_others_to_the_same_digits(tall_tiles):
    settings, splits, networks = small("normalised")
    splits = beginning(splits, settings.batch_size + 1)
    task = stacked.Task(*splits, settings, torch.float32, DEVICE)
    pair, masks = ([network[part] for network in networks[:2]] for part in (0, 1))
    both = task.stack(pair, masks)
    both.train_epoch(1)
    left = task.stack(both.weights()[1:], masks[1:])
    losses, accuracies = both.train_epoch(2)
    assert left.train_epoch(2) == (losses[1:], accuracies[1:])
    (found,), (_, expected) = left.weights(), both.weights()
    assert all(torch.equal(found[name], expected[name]) for name in expected)


def test_augmented_epochs_have_the_batches_of_a_processor():
    """Images, labels, order; what is evaluated remains plain."""
    shape = (3, 7, 4)
    settings = toy_settings("Conv", (3, 2), batch_size=8, augmentation="affine")
    splits = [images(shape, count, seed) for seed, count in enumerate((19, 5, 5))]
    ours, theirs = (
        engine.Task(*splits, settings, torch.float32, device)
        for engine, device in ((stacked, DEVICE), (convolutional, "cpu"))
    )
    places = []
    for epoch in (1, 2):
        ours.prepare_batches(epoch)
        places.append(ours.batches.images.data_ptr())
        for start in (0, 8, 16):
            expected, onehot = theirs.batch(start, theirs.draw(epoch))
            found = ours.images(ours.batches, start, 8).cpu()
            torch.testing.assert_close(found, expected, rtol=0, atol=1e-6)
            labels = ours.batches.labels[start : start + 8].cpu()
            assert torch.equal(labels, onehot.argmax(1))
        inside = ours.batches.images.sum().item()
        assert ours.images(ours.batches, 0, 19).sum().item() == pytest.approx(inside, rel=1e-6)
    assert places[0] == places[1], "recorded steps read them there"
    plain = ours.images(ours.train, 0, 19).cpu()
    assert torch.equal(plain, theirs.images(theirs.train, 0, 19))


@pytest.mark.slow
def test_augmented_training_is_that_of_a_processor(tall_tiles):
    settings, splits, networks = small("Conv")
    settings = replace(settings, augmentation="affine")
    train, validation, _, weights = trained(
        stacked, settings, splits, networks[:2], DEVICE, epochs=2
    )
    expected = trained(convolutional, settings, splits, networks[:2], epochs=2)
    for ours, theirs in (*zip(train, expected[0], strict=True), (validation, expected[1])):
        assert ours[0] == pytest.approx(theirs[0], rel=1e-5)
        assert ours[1] == theirs[1]
    assert_close(weights, expected[3], 1e-5)


LARGE = {
    "ResNet18": ((3, 3, 2, 3, 2), (3, 16, 16)),
    "VGG19": ((2, 3, 3, 2, 3), (3, 32, 32)),
    "VGG19FC1024": ((2, 3, 3, 2, 3), (3, 32, 32)),
}


@pytest.mark.parametrize("model", LARGE)
def test_the_large_networks_are_laid_out_whole(model):
    """Every layer is there, with its weights, and every operation follows what it reads."""
    widths, shape = LARGE[model]
    settings = toy_settings(model, widths)
    splits = [images(shape, 2, seed) for seed in range(3)]
    task = stacked.Task(*splits, settings, torch.float32, "cpu")
    layers = masked_widths(task.layers)
    keeps = [layers, [width - 1 for width in layers], [0 for _ in layers]]
    networks = [network(settings, shape, n, keep) for n, keep in enumerate(keeps)]
    stack = task.stack([weights for weights, _ in networks], [masks for _, masks in networks])
    for found, (given, _) in zip(stack.weights(), networks, strict=True):
        assert list(found) == list(given)
        assert all(torch.equal(found[name], tensor) for name, tensor in given.items())
    masks = [operation.mask for operation in stack.operations if operation.mask is not None]
    assert masks == list(range(len(layers)))
    for place, operation in enumerate(stack.operations):
        assert all(source < place for source in operation.sources)
    read = [source for operation in stack.operations for source in operation.sources]
    assert sorted(set(read)) == list(range(-1, len(stack.operations) - 1)), "nothing is left out"
    twice = sum(read.count(source) == 2 for source in set(read))
    assert twice == (8 if model == "ResNet18" else 0), "what a block reads goes two ways"


def test_gradients_of_a_batch_are_cut_by_a_networks_own_shapes():
    """The parts of one network are the same beside a wider one, and all have room."""
    settings = toy_settings("Conv", (40, 300), batch_size=32)
    shape = (1, 8, 8)
    splits = [images(shape, 2, seed) for seed in range(3)]
    task = stacked.Task(*splits, settings, torch.float32, "cpu")
    keeps = [(40, 300), (3, 5), (0, 0)]
    networks = [network(settings, shape, n, keep) for n, keep in enumerate(keeps)]

    def layers(chosen):
        stack = task.stack([networks[n][0] for n in chosen], [networks[n][1] for n in chosen])
        return [o for o in stack.operations if isinstance(o, stacked.Convolution)]

    for number, together in enumerate(layers([0, 1, 2])):
        for n in range(3):
            assert layers([n])[number].each == [together.each[n]]
        ends = [*together.firsts.tolist()[1:], together.needs(32)]
        for n, (first, end) in enumerate(zip(together.firsts.tolist(), ends, strict=True)):
            parts = -(-32 // together.each[n])
            numbers = (9 * together.rows[n] + 1) * together.widths[n]
            assert end - first >= parts * numbers


@pytest.mark.slow
@pytest.mark.parametrize("precision", ["float32", "tf32", "bfloat16"])
def test_tritons_compiler_takes_every_kernel(precision):
    """The interpreter runs more than that does; no GPU is needed for its first stage."""
    environment = {name: value for name, value in os.environ.items() if name != "TRITON_INTERPRET"}
    environment["PYTHONPATH"] = os.pathsep.join(sys.path)
    words = [sys.executable, "-m", "helpers.lowering", "--precision", precision]
    run = processes.run([*words, "Conv", "residual", "normalised"], env=environment)
    assert run.returncode == 0, run.stderr
    launched = {line.split()[0] for line in run.stdout.splitlines()}
    # by reading, as the interpreter adds to what the module has
    read = ast.parse(Path(operations.kernels.__file__).read_text())
    functions = {node.name for node in read.body if isinstance(node, ast.FunctionDef)}
    assert launched == {name for name in functions if not name.startswith("_")}


def test_which_engine_trains_what():
    for model, (widths, _) in (LARGE | {"Conv": ((3, 2), None), "ConvFC256": ((3,), None)}).items():
        for augmentation in ("none", "affine"):
            settings = toy_settings(model, widths, augmentation=augmentation)
            assert engine_of(settings, gpu=True) == "dropnet.training.stacked.engine"
            assert engine_of(settings, gpu=False) == "dropnet.training.convolutional"
    assert engine_of(toy_settings(), gpu=True) == "dropnet.training.fully_connected"


def test_layers_that_the_engine_has_no_operations_for():
    conv, dense = Conv(2), Dense(3, relu=False)
    assert is_stackable([conv, MaxPool(), MaxPool(), GlobalAveragePool(), dense])
    for layers in (
        [Residual((conv,), ()), Flatten(), dense],  # the images are on a path of a sum
        [MaxPool(), conv, Flatten(), dense],
        [conv, Flatten(), Dense(4, masked=True), dense],
        [Flatten(), dense],
        [conv, GlobalAveragePool(), Flatten(), dense],
    ):
        assert not is_stackable(layers)


# --- on a GPU --------------------------------------------------------------------------------

#: Models, their widths, images, and what remains of each masked layer of the narrower networks.
MEASURED = {
    "Conv": ((40, 64), (1, 28, 28), [(17, 33), (3, 5)]),
    "ResNet18": ((24, 24, 40, 40, 72), (3, 32, 32), [(13, 7, 24, 9) * 5, (5, 0, 3, 1) * 5]),
    "VGG19": ((24, 40, 40, 72, 72), (3, 32, 32), [(13, 17, 24, 9) * 4, (5, 3, 2, 1) * 4]),
}


@cache
def large(model="Conv", precision="float32", steps=200, augmentation="none"):
    """Networks of unequal widths on as many batches as steps, and a partial one."""
    widths, shape, keeps = MEASURED[model]
    # at the protocol's rate of 0.1 the losses of float32 and float64, both on a processor, are 1e-4
    # apart after so many steps: a position of a pooling that is a close call tips over; here 1e-7
    settings = toy_settings(
        model,
        widths,
        batch_size=32,
        precision=precision,
        learning_rate=0.02,
        augmentation=augmentation,
    )
    splits = [images(shape, count, seed) for seed, count in enumerate((32 * steps + 8, 9, 9))]
    full = masked_widths(layers_of(settings))
    networks = [network(settings, shape, n, keep) for n, keep in enumerate([full, *keeps])]
    return settings, splits, networks


#: Steps after which float32 and float64, both on a processor, still agree: losses of training
#: within 2e-5, of images that are evaluated then within 5e-4. What rounding leaves in the widest
#: VGG19 grows by hundreds with each step: losses of its second batch are 1e-2 apart.
AGREEING = {"Conv": 200, "ResNet18": 200, "VGG19": 1}


@gpu
@pytest.mark.slow
@pytest.mark.parametrize("augmentation", ["none", "affine"])
@pytest.mark.parametrize("model", MEASURED)
def test_losses_are_those_of_the_processor_as_long_as_they_can_be(model, augmentation):
    settings, splits, networks = large(model, augmentation=augmentation)
    given = settings, beginning(splits, 32 * AGREEING[model]), networks
    ours, theirs = trained(stacked, *given, "cuda"), trained(convolutional, *given)
    assert ours[0][0][0] == pytest.approx(theirs[0][0][0], rel=1e-4)
    assert ours[1][0] == pytest.approx(theirs[1][0], rel=5e-3)


@gpu
@pytest.mark.parametrize("model", MEASURED)
@pytest.mark.parametrize("precision", ["float32", "tf32", "bfloat16"])
def test_a_run_can_be_repeated(model, precision):
    given = large(model, precision)
    first, again = (trained(stacked, *given, "cuda", epochs=2) for _ in range(2))
    assert first[:2] == again[:2]
    for a, b in zip(first[3], again[3], strict=True):
        assert all(torch.equal(a[name], b[name]) for name in a)


@gpu
@pytest.mark.parametrize("augmentation", ["none", "affine"])
@pytest.mark.parametrize("model", MEASURED)
def test_a_run_that_is_resumed_has_the_same_digits(model, augmentation):
    """From the weights of its first epoch; they are all that it has to know."""
    settings, splits, networks = large(model, steps=40, augmentation=augmentation)
    task = stacked.Task(*splits, settings, torch.float32, "cuda")
    masks = [own for _, own in networks]
    whole = task.stack([weights for weights, _ in networks], masks)
    whole.train_epoch(1)
    resumed = task.stack(whole.weights(), masks)
    assert resumed.train_epoch(2) == whole.train_epoch(2)
    for a, b in zip(resumed.weights(), whole.weights(), strict=True):
        assert all(torch.equal(a[name], b[name]) for name in a)


@gpu
@pytest.mark.parametrize("model", MEASURED)
def test_recorded_steps_are_the_steps(model, monkeypatch):
    recorded = trained(stacked, *large(model, steps=40), "cuda")
    monkeypatch.setattr(
        stacked.Stack,
        "_steps",
        lambda self, count: [self._step(self.task.batch_size) for _ in range(count)],
    )
    taken = trained(stacked, *large(model, steps=40), "cuda")
    assert recorded[:2] == taken[:2]


@gpu
@pytest.mark.parametrize("precision", ["float32", "tf32", "bfloat16"])
@pytest.mark.parametrize("model", MEASURED)
def test_a_narrower_stack_has_the_same_digits(model, precision):
    """Of training, evaluation and scores; torch cuts a sum by how many there are, up to 16."""
    settings, splits, networks = large(model, precision, steps=40)
    together = trained(stacked, settings, splits, [*networks, *networks[:1] * 15], "cuda")
    for n in range(3):
        alone = trained(stacked, settings, splits, networks[n : n + 1], "cuda")
        for ours, theirs in ((alone[0][0], together[0][0]), (alone[1], together[1])):
            assert [values[0] for values in ours] == [values[n] for values in theirs]
        for name, layers in alone[2][0].items():
            assert all(map(torch.equal, layers, together[2][n][name]))
        assert all(torch.equal(alone[3][0][name], together[3][n][name]) for name in alone[3][0])


@gpu
@pytest.mark.skipif(torch.cuda.device_count() < 2, reason="no second GPU is present")
def test_each_gpu_gives_the_same_digits():
    given = large(steps=40)
    first, last = (
        trained(stacked, *given, f"cuda:{n}") for n in (0, torch.cuda.device_count() - 1)
    )
    assert first[:2] == last[:2]


@gpu
@pytest.mark.parametrize("model", MEASURED)
def test_a_stack_gives_its_memory_back(model):
    """Networks that leave have the others laid out anew: nothing of before may stay."""
    settings, splits, networks = large(model, steps=40)
    task = stacked.Task(*splits, settings, torch.float32, "cuda")
    held = []
    for _ in range(3):
        stack = task.stack([weights for weights, _ in networks], [masks for _, masks in networks])
        stack.train_epoch(1)
        stack.evaluate(task.validation)
        del stack
        gc.collect()
        held.append(torch.cuda.memory_allocated())
    assert held[1] == held[0]
    assert held[2] == held[0]


@gpu
def test_a_gpu_without_room_ends_in_a_line_that_says_what_to_set():
    settings, splits, networks = large("VGG19", steps=40)
    task = stacked.Task(*splits, settings, torch.float32, "cuda")
    torch.cuda.empty_cache()
    _, there = torch.cuda.mem_get_info()
    torch.cuda.set_per_process_memory_fraction(torch.cuda.memory_reserved() / there + 1e-3)

    def train():
        task.stack([networks[0][0]] * 15, [networks[0][1]] * 15).train_epoch(1)

    try:
        with pytest.raises(torch.OutOfMemoryError) as caught:
            train()
    finally:
        torch.cuda.set_per_process_memory_fraction(1.0)
    line = in_a_line(caught.value)
    assert line is not None
    assert "seeds_per_job" in line
    assert len(line.splitlines()) == 1
