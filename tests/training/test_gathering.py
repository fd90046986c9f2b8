"""What metrics are shown of a network, against autograd on masked networks, sample by sample."""

from types import SimpleNamespace

import pytest
import torch
from torch.nn import functional

from dropnet.networks.masks import Masks
from dropnet.networks.models import Conv, masked_widths
from dropnet.networks.steps import weighted_steps
from dropnet.networks.weights import compact, expanded, initial_weights
from dropnet.randomness import generator
from dropnet.training.engines import make_task
from dropnet.training.gathering import Gatherer, drawn_labels
from helpers.images import make_images
from helpers.reference import forward
from helpers.settings import toy_settings

#: Models, widths, and the sides and channels of their images.
NETWORKS = [
    ("FC", (6, 5), 6, 1),
    ("FC", (4, 6, 3), 6, 3),
    ("Conv", (4, 5), 8, 3),
    ("ConvFC256", (3, 4, 3, 2), 16, 1),
    ("ResNet18", (3, 3, 2, 3, 2), 16, 3),
    ("VGG19", (3, 2, 3, 2, 2), 32, 1),
]


def case(model, widths, side, channels, seed=1, samples=40):
    """A task, the weights of a network of full size, and masks of it."""
    images, labels = make_images(samples, side=side, channels=channels)
    few = images[:8], labels[:8]
    task = make_task((images, labels), few, few, toy_settings(model, widths), torch.float64)
    weights = {k: w.double() for k, w in initial_weights(task.steps(), seed).items()}
    random = generator("gathering", seed)
    for name, tensor in weights.items():  # as if trained
        if name.endswith(("bias", "beta", "mean")):
            tensor += 0.3 * torch.rand(tensor.shape, generator=random)
        if name.endswith(("gamma", "variance")):
            tensor += torch.rand(tensor.shape, generator=random)
    kept = [torch.rand(w, generator=random) < 0.7 for w in masked_widths(task.layers)]
    return task, weights, Masks(tuple(kept)), images, labels.long()


def gathered(task, weights, masks, gather, gradients):
    """The means of what is gathered of one network."""
    gatherer = Gatherer(gather, gradients)
    stack = task.stack([compact(weights, task.steps(masks))], [masks])
    stack.statistics(task.train, [gatherer])
    return gatherer.means(len(task.train.labels))


def by_sample(task, weights, masks, images, labels, of):
    """Each sample's gradients, by autograd on the masked network of full size.

    `of` returns the tensors that they are taken by, given gates and weights that require them.
    """
    rows = []
    for n in range(len(labels)):
        gates = [m.double().requires_grad_() for m in masks.layers]
        own = {name: w.clone().requires_grad_() for name, w in weights.items()}
        _, logits = forward(task.layers, own, SimpleNamespace(layers=gates), images[n : n + 1])
        loss = functional.cross_entropy(logits, labels[n : n + 1])
        wanted = of(gates, own)
        found = torch.autograd.grad(loss, wanted, allow_unused=True)
        rows.append(
            [torch.zeros_like(w) if g is None else g for w, g in zip(wanted, found, strict=True)]
        )
    return [torch.stack(of_tensor) for of_tensor in zip(*rows, strict=True)]


@pytest.mark.parametrize(("model", "widths", "side", "channels"), NETWORKS)
def test_gradients_by_gates_are_those_of_autograd(model, widths, side, channels):
    task, weights, masks, images, labels = case(model, widths, side, channels)
    found = gathered(
        task,
        weights,
        masks,
        lambda layers: {
            "sum": [layer.by_gate.sum(0) for layer in layers],
            "absolute": [layer.by_gate.abs().sum(0) for layer in layers],
            "products": torch.cat([layer.by_gate for layer in layers], 1).T
            @ torch.cat([layer.by_gate for layer in layers], 1),
        },
        "labels",
    )
    expected = by_sample(task, weights, masks, images, labels, lambda gates, _: gates)
    kept = [rows[:, mask] for rows, mask in zip(expected, masks.layers, strict=True)]
    for layer, rows in enumerate(kept):
        torch.testing.assert_close(found["sum"][layer], rows.mean(0), rtol=1e-9, atol=1e-12)
        absolute = rows.abs().mean(0)
        torch.testing.assert_close(found["absolute"][layer], absolute, rtol=1e-9, atol=1e-12)
    rows = torch.cat(kept, 1)
    torch.testing.assert_close(found["products"], rows.T @ rows / 40, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize(("model", "widths", "side", "channels"), NETWORKS)
def test_gradients_by_weights_are_those_of_autograd(model, widths, side, channels):
    """Squares summed over samples, and weights times gradients of each sample."""
    task, weights, masks, images, labels = case(model, widths, side, channels)
    found = gathered(
        task,
        weights,
        masks,
        lambda layers: {
            # in whatever order the engine has the weights
            "fisher": [
                (layer.kernel.square() * layer.squared_weight_gradients).sum(1) for layer in layers
            ],
            "scale": [layer.by_scale.abs().sum(0) for layer in layers],
        },
        "labels",
    )
    steps = {s.mask: s for s in weighted_steps(task.steps(masks)) if s.mask is not None}
    names = [[f"{steps[m].name}.{part}" for part in ("kernel", "bias")] for m in sorted(steps)]
    flat = [name for pair in names for name in pair]
    # what is pruned is gone, also from the inputs of what is left
    own = expanded(compact(weights, task.steps(masks)), task.steps(masks))
    gradients = by_sample(task, own, masks, images, labels, lambda _, w: [w[n] for n in flat])
    for layer, (kernel, bias) in enumerate(names):
        of_kernel, of_bias = gradients[2 * layer], gradients[2 * layer + 1]
        products = own[kernel] * of_kernel
        node = 1 if isinstance(steps[layer].layer, Conv) else 2
        products = products.movedim(node, 1).flatten(2)
        fisher = products.square().sum((0, 2)) / 40
        scale = (products.sum(2) + own[bias] * of_bias).abs().mean(0)
        mask = masks.layers[layer]
        torch.testing.assert_close(found["fisher"][layer], fisher[mask], rtol=1e-9, atol=1e-12)
        torch.testing.assert_close(found["scale"][layer], scale[mask], rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize(("model", "widths", "side", "channels"), NETWORKS)
def test_activations_are_those_that_a_mask_acts_on(model, widths, side, channels):
    task, weights, masks, images, _ = case(model, widths, side, channels)
    found = gathered(
        task,
        weights,
        masks,
        lambda layers: {"activation": [layer.activation.sum((0, 1)) for layer in layers]},
        None,
    )
    activations, _ = forward(task.layers, weights, masks, images)
    for ours, theirs, mask in zip(found["activation"], activations, masks.layers, strict=True):
        others = [d for d in range(theirs.dim()) if d != 1]
        torch.testing.assert_close(ours, theirs.sum(others)[mask] / 40, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize(("model", "widths", "side", "channels"), NETWORKS[:3])
def test_what_is_gathered_does_not_depend_on_company_of_other_widths(model, widths, side, channels):
    task, weights, masks, *_ = case(model, widths, side, channels)
    nobody = Masks(tuple(torch.zeros_like(mask) for mask in masks.layers))
    everybody = Masks.full([len(mask) for mask in masks.layers])

    def gather(layers):
        return {"absolute": [layer.by_gate.abs().sum(0) for layer in layers]}

    company = [masks, nobody, everybody]
    gatherers = [Gatherer(gather, "labels") for _ in company]
    task.stack([compact(weights, task.steps(m)) for m in company], company).statistics(
        task.train, gatherers
    )
    alone = gathered(task, weights, masks, gather, "labels")
    for ours, theirs in zip(gatherers[0].means(40)["absolute"], alone["absolute"], strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-12, atol=0)
    assert [len(layer) for layer in gatherers[1].means(40)["absolute"]] == [0] * len(widths)


def test_gradients_cost_nothing_where_nobody_asks():
    task, weights, masks, *_ = case("Conv", (4, 5), 8, 3)
    seen = []

    def gather(layers):
        seen.extend((layer.gradient, layer.active_gradient) for layer in layers)
        return {}

    gathered(task, weights, masks, gather, None)
    assert set(seen) == {(None, None)}
    with pytest.raises(ValueError, match="no GRADIENTS"):
        gathered(task, weights, masks, lambda layers: {"x": layers[0].by_gate}, None)


def test_statistics_are_the_same_whatever_is_gathered_beside_them():
    for model, widths, side, channels in NETWORKS:
        task, weights, masks, *_ = case(model, widths, side, channels)
        stack = task.stack([compact(weights, task.steps(masks))], [masks])
        (plain,) = stack.statistics(task.train)
        gatherer = Gatherer(lambda layers: {"x": layers[0].by_gate.sum()}, "labels")
        (beside,) = stack.statistics(task.train, [gatherer])
        for name, layers in plain.items():
            assert all(map(torch.equal, layers, beside[name]))


def test_labels_are_drawn_as_the_network_predicts_and_the_same_for_each_network():
    logits = torch.tensor([[0.0, 1.0, 2.0]]).log_softmax(1).expand(20000, 3)
    drawn = drawn_labels(logits, 64)
    shares = torch.bincount(drawn, minlength=3) / 20000
    torch.testing.assert_close(shares, logits[0].exp(), rtol=0, atol=0.015)  # 4 standard errors
    assert torch.equal(drawn, drawn_labels(logits.clone(), 64))
    assert not torch.equal(drawn, drawn_labels(logits, 96))
    assert drawn_labels(torch.tensor([[-1e9, 0.0]]), 0).tolist() == [1]
