"""The oracle's losses against brute force: one masked network of full size for each candidate."""

from dataclasses import replace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from dropnet.metrics import METRICS
from dropnet.networks.masks import Masks
from dropnet.networks.models import masked_widths
from dropnet.networks.steps import steps_of
from dropnet.networks.weights import compact, initial_weights
from dropnet.pruning.algorithm import drop_lowest
from dropnet.randomness import generator
from dropnet.training import removal
from dropnet.training.engines import make_task
from dropnet.training.gathering import Trained
from helpers.images import make_images
from helpers.reference import evaluate
from helpers.settings import toy_settings

#: Models, widths, and the sides and channels of their images.
NETWORKS = [
    ("FC", (6, 5), 6, 1),
    ("FC", (7,), 6, 3),
    ("FC", (4, 6, 3), 6, 3),
    ("Conv", (4, 5), 8, 3),
    ("Conv", (3,), 7, 1),
    ("Conv", (3, 4, 2), 9, 1),
    ("ConvFC256", (3, 4, 3, 2), 16, 3),
]


def trained_like(steps, seed):
    """Weights with biases, so that silent and active nodes, positive and negative ones occur."""
    weights = initial_weights(steps, seed)
    for index, (name, tensor) in enumerate(weights.items()):
        if name.endswith("bias"):
            random = torch.rand(tensor.shape, generator=generator("bias", seed, index))
            weights[name] = random - 0.5
    return weights


def task_of(model, widths, side, dtype, samples=70, channels=1):
    images, labels = make_images(samples, side=side, channels=channels)
    few = images[:8], labels[:8]
    settings = toy_settings(model, widths)
    return make_task((images, labels), few, few, settings, dtype), images, labels


def brute_force(layers, weights, masks, images, labels):
    """The mean loss without each remaining node, each from a network of full size of its own."""
    losses = []
    for layer in range(len(masks.layers)):
        of_layer = []
        for position in range(masks.remaining[layer]):
            gone = [torch.tensor([], dtype=torch.long)] * len(masks.layers)
            gone[layer] = torch.tensor([position])
            of_layer.append(evaluate(layers, weights, masks.drop(gone), images, labels)[0])
        losses.append(torch.tensor(of_layer, dtype=torch.float64))
    return losses


def random_masks(widths, seed):
    """Masks that keep each node with probability 0.6, layers that are empty among them."""
    random = generator("masks", seed)
    return Masks(tuple(torch.rand(width, generator=random) < 0.6 for width in widths))


def oracle_scores(task, weights, masks):
    """The importances of the nodes of a network, as its pruning asks for them."""
    (known,) = task.stack([weights], [masks]).statistics(task.train)
    oracle = METRICS["oracle"]
    trained = Trained(task, weights, weights, masks, known)
    return oracle.importance(oracle.measured(trained))


@pytest.mark.parametrize(("model", "widths", "side", "channels"), NETWORKS)
@settings(max_examples=15)
@given(seed=st.integers(0, 10**6))
def test_losses_without_each_node_are_those_of_brute_force(model, widths, side, channels, seed):
    task, images, labels = task_of(model, widths, side, torch.float64, channels=channels)
    masks = random_masks(masked_widths(task.layers), seed)
    weights = {k: w.double() for k, w in trained_like(task.steps(), seed).items()}
    compacted = compact(weights, task.steps(masks))
    found = removal.losses_without_each(task, compacted, masks)
    expected = brute_force(task.layers, weights, masks, images, labels)
    for ours, theirs in zip(found, expected, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-12, atol=0)


@pytest.mark.parametrize(("model", "widths", "side", "channels"), NETWORKS)
def test_they_are_what_the_engine_says_of_the_network_without_the_node(
    model, widths, side, channels
):
    """One network, whoever computes it: the order of pixels and colours included."""
    task, *_ = task_of(model, widths, side, torch.float64, channels=channels)
    masks = Masks.full(masked_widths(task.layers))
    weights = {k: w.double() for k, w in trained_like(task.steps(), 4).items()}
    found = removal.losses_without_each(task, weights, masks)
    nothing = [torch.tensor([], dtype=torch.long)] * len(masks.layers)
    for layer, losses in enumerate(found):
        last = masks.drop(
            [*nothing[:layer], torch.tensor([len(losses) - 1]), *nothing[layer + 1 :]]
        )
        stack = task.stack([compact(weights, task.steps(last))], [last])
        (loss,), _ = stack.evaluate(task.train)
        assert losses[-1].item() == pytest.approx(loss, rel=1e-12)


@pytest.mark.parametrize(("model", "widths", "side", "channels"), NETWORKS)
def test_in_single_precision_they_agree_to_one_part_in_a_million(model, widths, side, channels):
    """And the choice is the same, but among candidates closer than that."""
    task, images, labels = task_of(model, widths, side, torch.float32, channels=channels)
    for seed in range(5):
        masks = random_masks(masked_widths(task.layers), seed)
        weights = trained_like(task.steps(), seed)
        found = torch.cat(
            removal.losses_without_each(task, compact(weights, task.steps(masks)), masks)
        )
        double = {name: w.double() for name, w in weights.items()}
        expected = torch.cat(brute_force(task.layers, double, masks, images, labels))
        torch.testing.assert_close(found, expected, rtol=1e-6, atol=0)
        if len(expected):
            assert expected[found.argmin()] <= expected.min() * (1 + 1e-6)


def test_chunks_do_not_matter_and_bound_the_samples_at_once(monkeypatch):
    task, *_ = task_of("Conv", (4, 5), 8, torch.float64)
    masks = Masks.full([4, 5])
    weights = trained_like(task.steps(), 1)
    whole = removal.losses_without_each(task, weights, masks)
    counts = []
    images = task.images

    def counted(samples, start, count):
        counts.append(count)
        return images(samples, start, count)

    monkeypatch.setattr(task, "images", counted)
    monkeypatch.setattr(removal, "CHUNK_OF_IMAGES", 9)
    for ours, theirs in zip(removal.losses_without_each(task, weights, masks), whole, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-13, atol=0)
    assert counts == [9] * 8


def test_a_lower_precision_of_training_is_not_that_of_the_losses():
    task, images, labels = task_of("Conv", (4, 5), 8, torch.float32)
    few = images[:8], labels[:8]
    half = make_task((images, labels), few, few, replace(task.settings, precision="bfloat16"))
    masks, weights = Masks.full([4, 5]), trained_like(task.steps(), 2)
    for ours, theirs in zip(
        removal.losses_without_each(half, weights, masks),
        removal.losses_without_each(task, weights, masks),
        strict=True,
    ):
        # only the images are rounded: pixels / 255 has 8 bits there
        torch.testing.assert_close(ours, theirs, rtol=2e-3, atol=0)


def test_a_node_that_is_always_silent_costs_nothing():
    task, images, labels = task_of("FC", (6, 5), 6, torch.float64)
    weights = {name: w.double() for name, w in trained_like(task.steps(), 3).items()}
    weights["dense1.bias"][2] = -1000
    masks = Masks.full([6, 5])
    loss, _ = evaluate(task.layers, weights, masks, images, labels)
    scores = oracle_scores(task, weights, masks)
    assert scores[0][2].item() == pytest.approx(loss, rel=1e-12)


def test_the_oracle_drops_the_node_without_which_the_loss_is_lowest():
    task, images, labels = task_of("Conv", (4, 5), 8, torch.float64)
    weights = {name: w.double() for name, w in trained_like(task.steps(), 8).items()}
    masks = Masks.full([4, 5])
    scores = oracle_scores(task, weights, masks)
    kept = drop_lowest(masks, scores, 0, METRICS["oracle"].per_layer, generator("ties", 0, 0))
    assert sum(kept.remaining) == 8
    left, _ = evaluate(task.layers, weights, kept, images, labels)
    lowest = torch.cat(brute_force(task.layers, weights, masks, images, labels)).min()
    assert left == pytest.approx(lowest.item(), rel=1e-12)


@pytest.mark.parametrize("model", ["ResNet18", "VGG19"])
def test_networks_whose_layers_do_not_follow_each_other_are_refused(model):
    task, *_ = task_of(model, (2, 2, 2, 2, 2), 32, torch.float32, samples=16)
    masks = Masks.full(masked_widths(task.layers))
    weights = initial_weights(steps_of(task.layers, task.image_shape), 0)
    with pytest.raises(ValueError, match="not a chain of layers"):
        removal.losses_without_each(task, weights, masks)
