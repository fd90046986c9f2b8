"""The training engine against the plain reference, and its own invariants."""

import math
from functools import cache

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dropnet.errors import UserError, exit_on_user_error
from dropnet.networks.models import MODELS
from dropnet.networks.steps import steps_of
from dropnet.networks.weights import compact, initial_weights
from dropnet.training.early_stopping import EarlyStopping
from dropnet.training.engines import make_task as make_task_of
from dropnet.training.fully_connected import BLOCK
from dropnet.training.train import train_cycle
from helpers import reference
from helpers.images import make_images
from helpers.settings import toy_settings


def assert_close(got, expected, tolerance=1e-9):
    assert got.keys() == expected.keys()
    for name in got:
        torch.testing.assert_close(got[name], expected[name], rtol=tolerance, atol=tolerance)


def loose(**options):
    """Hypothesis settings for examples that train: no deadline, any fixtures."""
    return settings(suppress_health_check=[HealthCheck.function_scoped_fixture], **options)


@pytest.mark.parametrize("widths", [[7], [6, 5], [5, 6, 4]])
@pytest.mark.parametrize("batch_size", [16, 32, 331, 400])
def test_an_epoch_is_plain_sgd(splits, make_task, make_network, widths, batch_size):
    """Two epochs, blocks and partial last batch included, give the plain loop's numbers."""
    layers = MODELS["FC"](widths, 10)
    weights, masks, _ = make_network(layers, seed=3)
    stack = make_task(widths, batch_size=batch_size).stack([weights], [masks])
    check_epochs(stack, splits, layers, weights, masks, batch_size)
    assert 2 * BLOCK * 16 < 331  # more than one block, or the test would not see their seam


def test_large_batches_do_not_fill_the_memory(splits, make_task):
    """Blocks hold one batch each, and no products that nothing asks for."""
    task = make_task(batch_size=300)
    assert [block.labels.shape[:1] for block in task.blocks] == [(1,), (1,)]
    assert sum(block.gram.numel() for block in task.blocks) == 0
    assert [len(block.labels) for block in make_task(batch_size=16).blocks] == [8, 8, 4, 1]


def check_epochs(stack, splits, layers, weights, masks, batch_size):
    """Two epochs of a stack of one network against the plain loop."""
    for epoch in (1, 2):
        losses, accuracies = stack.train_epoch(epoch)
        weights, loss, accuracy = reference.train_epoch(
            layers, weights, masks, *splits[0], batch_size, 0.1
        )
        assert losses[0] == pytest.approx(loss, rel=1e-9)
        assert accuracies[0] == accuracy
    steps = stack.task.steps(masks)
    assert_close(stack.weights()[0], compact(weights, steps))


@pytest.mark.slow
@pytest.mark.parametrize("model", MODELS)
@loose(max_examples=12)
@given(st.data(), st.integers(0, 100), st.sampled_from([0.15, 0.5, 0.9]))
def test_compacted_networks_train_and_evaluate_like_masked_ones(
    make_network, model, data, seed, keep
):
    """Promise 5, for random masks of every model, empty layers and colours included."""
    widths = small_widths(model, data.draw)
    layers = MODELS[model](widths, 10)
    train, validation, test = splits_for(model)
    weights, masks, steps = make_network(layers, seed, keep, image_shape=train[0].shape[1:])
    # a layer that sees zeros only has pre-activations of exactly 0 with the initial biases, and
    # whether its ReLU is open then hangs on the last digit
    generator = torch.Generator().manual_seed(seed)
    for name, tensor in weights.items():
        if name.endswith("bias"):
            tensor += 0.1 * torch.randn(tensor.shape, generator=generator, dtype=tensor.dtype)
    task = make_task_of(train, validation, test, toy_settings(model, widths), torch.float64)
    stack = task.stack([compact(weights, steps)], [masks])
    (loss,), _ = stack.evaluate(task.validation)
    assert loss == pytest.approx(reference.evaluate(layers, weights, masks, *validation)[0])
    stack.train_epoch(1)
    trained, *_ = reference.train_epoch(layers, weights, masks, *train, 16, 0.1)
    assert_close(stack.weights()[0], compact(trained, steps), 1e-7)
    (loss,), (accuracy,) = stack.evaluate(task.test)
    assert (loss, accuracy) == pytest.approx(reference.evaluate(layers, trained, masks, *test))
    activations, _ = reference.forward(layers, trained, masks, train[0])
    scores = stack.statistics(task.train)[0]["mean_activation"]
    for layer, (score, activation) in enumerate(zip(scores, activations, strict=True)):
        means = activation.abs().mean([d for d in range(activation.dim()) if d != 1])
        torch.testing.assert_close(score, means[masks.kept(layer)], rtol=1e-7, atol=1e-9)


def small_widths(model, draw):
    """Narrow layers for a model."""
    width = st.integers(1, 5)
    widths = {
        "FC": lambda: draw(st.lists(width, min_size=1, max_size=3)),
        "Conv": lambda: draw(st.lists(width, min_size=2, max_size=2)),
        "ConvFC256": lambda: draw(st.lists(width, min_size=2, max_size=2)),
        "ResNet18": lambda: draw(st.lists(width, min_size=4, max_size=4)),
        "VGG19": lambda: draw(st.lists(width, min_size=5, max_size=5)),
        "VGG19FC1024": lambda: draw(st.lists(width, min_size=5, max_size=5)),
    }[model]()
    return [widths[0], *widths] if model == "ResNet18" else widths


@cache
def splits_for(model):
    """Few images of three channels, large enough for the model's pools."""
    side = {"ResNet18": 16, "VGG19": 32, "VGG19FC1024": 32}.get(model, 6)
    counts = (331, 9, 12) if model == "FC" else (37, 9, 12)  # more than one block of batches
    return [make_images(count, seed, side, channels=3) for seed, count in enumerate(counts, 1)]


def test_stacked_networks_are_those_trained_alone(make_task, make_network):
    """Networks of unequal widths, one with an empty layer, do not touch each other."""
    task = make_task()
    networks = [make_network(task.layers, seed, keep) for seed, keep in [(1, 1), (2, 0.4), (3, 0)]]
    compacted = [compact(weights, steps) for weights, _, steps in networks]
    masks = [mask for _, mask, _ in networks]
    together = task.stack(compacted, masks)
    together.train_epoch(1)
    for own, mask, stacked in zip(compacted, masks, together.weights(), strict=True):
        alone = task.stack([own], [mask])
        alone.train_epoch(1)
        assert_close(stacked, alone.weights()[0])
        assert {n: w.shape for n, w in stacked.items()} == {n: w.shape for n, w in own.items()}


def test_pixels_unused_in_training_keep_their_initial_weights(make_task, make_network):
    task = make_task()
    weights, masks, _ = make_network(task.layers, seed=1)
    stack = task.stack([weights], [masks])
    stack.train_epoch(1)
    trained = stack.weights()[0]["dense1.kernel"]
    assert torch.equal(trained[-5:], weights["dense1.kernel"][-5:])
    assert not torch.equal(trained[:-5], weights["dense1.kernel"][:-5])


def test_batches_come_in_the_order_of_the_split(splits, make_task):
    """Each epoch visits the images in the given order, the partial batch last."""
    task = make_task(batch_size=16)
    seen = torch.cat([block.labels.flatten() for block in task.blocks])
    assert torch.equal(seen, splits[0][1].long())
    sizes = [size for b in task.blocks for size in [b.labels.shape[2]] * b.labels.shape[0]]
    assert sizes == [16] * (331 // 16) + [331 % 16]
    pixels = torch.cat([block.inputs[:, 1:2] for block in task.blocks]).flatten()
    first = splits[0][0].flatten(1)[:, task.pixel_order[0]]
    torch.testing.assert_close(pixels, first.double() / 255)


@pytest.mark.parametrize(
    ("patience", "losses", "stops_after"),
    [
        (5, [3, 2, 1, 1, 1, 1, 1, 1, 0], 8),  # an equal loss is not a new lowest one
        (5, [3, 2, 2.5, 2.4, 2.3, 2.2, 1.9, 2, 2, 2, 2, 2], 12),  # a new lowest one starts over
        (5, [1, 2, 3, 4, 5, 6, 0], 6),  # the first epoch may be the best
        (1, [1, 0.5, 0.6], 3),
        (2, [5, 4, 3, 2, 1], None),
        (5, [math.nan] * 5, 5),
    ],
)
def test_early_stopping_is_that_of_keras(patience, losses, stops_after):
    stopping = EarlyStopping(patience)
    stopped = [epoch for epoch, loss in enumerate(losses, 1) if stopping.stops_after(loss)]
    assert (stopped[0] if stopped else None) == stops_after


@loose(max_examples=20)
@given(st.integers(1, 60), st.integers(1, 60), st.integers(0, 10**6))
def test_initial_weights_are_glorot_uniform(inputs, width, seed):
    weights = initial_weights(steps_of(MODELS["FC"]([width], 10), (1, 1, inputs)), seed)
    for kernel, fan_in, fan_out in [
        (weights["dense1.kernel"], inputs, width),
        (weights["dense2.kernel"], width, 10),
    ]:
        assert kernel.shape == (fan_in, fan_out)
        assert kernel.abs().max() <= math.sqrt(6 / (fan_in + fan_out)) * (1 + 1e-6)
    assert not weights["dense1.bias"].any()
    assert not weights["dense2.bias"].any()


def test_initial_weights_fill_their_bounds_and_depend_on_the_seed_alone():
    steps = steps_of(MODELS["FC"]([40, 40], 10), (1, 28, 28))
    kernel = initial_weights(steps, 7)["dense1.kernel"]
    limit = math.sqrt(6 / (784 + 40))
    assert kernel.min() < -0.99 * limit
    assert kernel.max() > 0.99 * limit
    assert kernel.mean().abs() < 0.01 * limit
    assert kernel.std() == pytest.approx(limit / math.sqrt(3), rel=0.01)
    torch.rand(3)  # the global random state does not matter
    assert torch.equal(kernel, initial_weights(steps, 7)["dense1.kernel"])
    assert not torch.equal(kernel, initial_weights(steps, 8)["dense1.kernel"])


def cycle_of(task, networks):
    """Train networks given as (weights, masks, steps) for one cycle."""
    seeds = list(range(len(networks)))
    masks = [m for _, m, _ in networks]
    compacted = [compact(w, s) for w, _, s in networks]
    return train_cycle(task, 3, seeds, masks, compacted)


def test_a_cycle_records_what_the_protocol_says(splits, make_task, make_network):
    """Early stopping, last weights, running means: all as the plain loop does them."""
    layers = MODELS["FC"]([6, 5], 10)
    networks = [make_network(layers, seed, keep) for seed, keep in [(1, 1), (2, 0.6), (3, 0.3)]]
    cycle = cycle_of(make_task(learning_rate=1.5, max_epochs=12, patience=1), networks)
    epochs = []
    for network, (weights, masks, steps) in zip(cycle.networks, networks, strict=True):
        stopping = EarlyStopping(1)
        for epoch in range(1, 13):  # noqa: B007  the last one is compared below
            weights, loss, accuracy = reference.train_epoch(
                layers, weights, masks, *splits[0], 16, 1.5
            )
            val_loss, val_accuracy = reference.evaluate(layers, weights, masks, *splits[1])
            if stopping.stops_after(val_loss):
                break
        test_loss, test_accuracy = reference.evaluate(layers, weights, masks, *splits[2])
        results = network.results
        assert results.epochs == epoch
        assert results.train_loss == pytest.approx(loss, rel=1e-6)
        assert results.val_loss == pytest.approx(val_loss, rel=1e-6)
        assert results.test_loss == pytest.approx(test_loss, rel=1e-6)
        assert (results.train_accuracy, results.val_accuracy, results.test_accuracy) == (
            accuracy,
            val_accuracy,
            test_accuracy,
        )
        assert_close(network.weights, compact(weights, steps), 1e-6)
        epochs.append(epoch)
    assert len(set(epochs)) == 3, "networks must leave the stack at different times"
    assert max(epochs) == 12, "by early stopping, and at the last epoch allowed"


def test_a_diverged_network_is_recorded_and_leaves_the_others_alone(make_task, make_network):
    """Weights that overflow in training: a loss that is not finite, and the rest as without it."""
    layers = MODELS["FC"]([6, 5], 10)
    broken, masks, steps = make_network(layers, 1)
    broken = {name: weight * 1e200 for name, weight in broken.items()}
    healthy = make_network(layers, 2, 0.7)
    task = make_task(max_epochs=3, patience=5)
    cycle = cycle_of(task, [(broken, masks, steps), healthy])
    assert cycle.networks[0].results.diverged
    assert cycle.networks[0].results.epochs == 1
    assert 0 <= cycle.networks[0].results.test_accuracy <= 1
    alone = cycle_of(task, [healthy])
    assert not cycle.networks[1].results.diverged
    assert_close(cycle.networks[1].weights, alone.networks[0].weights)
    assert cycle.networks[1].results.test_accuracy == alone.networks[0].results.test_accuracy


def test_a_network_pruned_to_nothing_learns_the_classes_shares(splits, make_task, make_network):
    layers = MODELS["FC"]([4, 4], 10)
    network = make_network(layers, 1, keep=0)
    assert network[1].remaining == (0, 0)
    cycle = cycle_of(make_task([4, 4], max_epochs=30, patience=30), [network])
    shares = torch.bincount(splits[2][1].long(), minlength=10) / len(splits[2][1])
    assert cycle.networks[0].results.test_accuracy == pytest.approx(
        float(shares[cycle.networks[0].weights["dense3.bias"].argmax()])
    )
    assert [len(s) for s in cycle.networks[0].statistics["mean_activation"]] == [0, 0]


def test_more_pools_than_the_images_allow_are_refused_in_one_line():
    with pytest.raises(UserError, match="more pooling layers than the images allow"):
        steps_of(MODELS["Conv"]([3] * 5, 10), (1, 28, 28))
    steps_of(MODELS["Conv"]([3] * 4, 10), (1, 28, 28))


def test_an_interruption_ends_in_one_line(capsys):
    with pytest.raises(SystemExit) as end, exit_on_user_error():
        raise KeyboardInterrupt
    assert end.value.code == 130
    assert capsys.readouterr().err == "interrupted; the same command goes on from here\n"
