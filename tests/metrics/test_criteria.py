"""The criteria of the paper's references: cases by hand, invariances, dead and empty layers."""

import math

import pytest
import torch

from dropnet.metrics import METRICS, particle
from dropnet.metrics.gate_obs import losses_if_others_adapt
from dropnet.metrics.lasso_channels import leaves_at
from dropnet.metrics.least_squares import removed_at
from dropnet.metrics.mutual_information import shared_information
from dropnet.metrics.particle import differences
from dropnet.metrics.sensitivity import BATCH, sum_of_sizes
from dropnet.networks.masks import Masks
from dropnet.networks.models import masked_widths
from dropnet.networks.weights import compact, initial_weights
from dropnet.randomness import generator
from dropnet.training.engines import make_task
from dropnet.training.gathering import Observation, Trained
from helpers.images import make_images
from helpers.reference import evaluate
from helpers.settings import toy_settings

NETWORKS = [
    ("FC", (6, 5), 6, 1),
    ("Conv", (4, 5), 8, 3),
    ("ConvFC256", (3, 4, 3, 2), 16, 1),
    ("ResNet18", (3, 3, 2, 3, 2), 16, 3),
    ("VGG19", (3, 2, 3, 2, 2), 32, 1),
]
#: Scores that stay when a node's incoming weights are scaled and its outgoing ones by the inverse.
INVARIANT = [
    *("oracle", "apoz", "gate_fisher", "weight_fisher", "sensitivity", "particle", "synflow"),
    *("least_squares", "lasso_channels", "taylor", "gate_obs"),
]
NOT_INVARIANT = ["minimum", "l1_norm", "l2_norm", "l2_norm_fan_in", "fpgm", "variance"]


def case(model, widths, side, channels, seed=1, samples=48, dtype=torch.float64):
    """A task, the weights of a network that could have been trained, and full masks."""
    images, labels = make_images(samples, side=side, channels=channels)
    few = images[:8], labels[:8]
    task = make_task((images, labels), few, few, toy_settings(model, widths), dtype)
    weights = {k: w.to(dtype) for k, w in initial_weights(task.steps(), seed).items()}
    random = generator("criteria", seed)
    for name, tensor in weights.items():
        if name.endswith("bias"):
            tensor += 0.2 * torch.rand(tensor.shape, generator=random).double()
    return task, weights, Masks.full(masked_widths(task.layers))


def scores(name, task, weights, masks, initial=None):
    """The importances of the nodes of a network under masks, as a run asks for them."""
    metric = METRICS[name]
    own, steps = compact(weights, task.steps(masks)), task.steps(masks)
    gatherers = metric.gatherers(1)
    (known,) = task.stack([own], [masks]).statistics(task.train, gatherers)
    before = own if initial is None else compact(initial, steps)
    means = gatherers[0].means(len(task.train.labels)) if gatherers else {}
    trained = Trained(task, own, before, masks, known, means)
    return metric.importance(metric.measured(trained) if metric.measures else known)


GLOBAL = [name for name in METRICS if not name.endswith("_layer")]


def suits(name, model):
    chain, networks = model in ("FC", "Conv", "ConvFC256"), METRICS[name].networks
    return networks is None or (model == "FC" if networks == "fully connected" else chain)


@pytest.mark.parametrize(
    ("name", "network"),
    [(n, net) for n in GLOBAL for net in NETWORKS if suits(n, net[0])],
    ids=lambda part: part if isinstance(part, str) else part[0],
)
def test_every_criterion_scores_every_model_that_it_is_for(name, network):
    """Also with nodes that are dead, and with a layer of which nothing is left."""
    task, weights, masks = case(*network)
    found = scores(name, task, weights, masks)
    assert [len(layer) for layer in found] == list(masks.remaining)
    first = next(n for n in weights if n.endswith("bias"))
    dead = {n: w.clone() for n, w in weights.items()}
    dead[first][0] = -1000
    assert all(layer.isfinite().all() for layer in scores(name, task, dead, masks))
    empty = Masks((torch.zeros_like(masks.layers[0]), *masks.layers[1:]))
    found = scores(name, task, weights, empty)
    assert [len(layer) for layer in found] == list(empty.remaining)
    assert all(layer.isfinite().all() for layer in found)


@pytest.mark.parametrize("name", GLOBAL)
def test_the_scores_of_a_network_that_diverged_are_made_all_the_same(name):
    task, weights, masks = case("FC", (6, 5), 6, 1)
    weights["dense2.kernel"][0, 0] = math.nan
    assert [len(layer) for layer in scores(name, task, weights, masks)] == [6, 5]


@pytest.mark.parametrize("name", GLOBAL)
@pytest.mark.parametrize("factor", [1e8, 1e12])
def test_so_are_those_of_a_network_that_is_about_to(name, factor):
    """Its numbers are finite, and squares of some are not, in single precision."""
    task, weights, masks = case("FC", (6, 5), 6, 1, dtype=torch.float32)
    huge = {n: w * factor if n.endswith("kernel") else w for n, w in weights.items()}
    found = scores(name, task, huge, masks, initial=weights)
    assert [len(layer) for layer in found] == [6, 5]


@pytest.mark.parametrize(
    ("name", "network"),
    [(n, net) for n in (*INVARIANT, *NOT_INVARIANT) for net in NETWORKS[:2] if suits(n, net[0])],
    ids=lambda part: part if isinstance(part, str) else part[0],
)
def test_scaling_a_node_changes_the_scores_that_are_not_invariant(name, network):
    """The network stays the same; so may what a criterion says of it."""
    model = network[0]
    task, weights, masks = case(*network)
    names = [n for n in weights if n.endswith("kernel")]
    scaled = {n: w.clone() for n, w in weights.items()}
    factor = 3.0
    if model == "FC":
        scaled[names[0]][:, 1] *= factor
        scaled[names[1]][1] /= factor
    else:
        scaled[names[0]][1] *= factor
        scaled[names[1]][:, 1] /= factor
    scaled[names[0].replace("kernel", "bias")][1] *= factor
    before = scores(name, task, weights, masks, initial=without_biases(weights))
    after = scores(name, task, scaled, masks, initial=without_biases(scaled))
    same = [torch.allclose(a, b, rtol=1e-6, atol=1e-12) for a, b in zip(before, after, strict=True)]
    assert all(same) == (name in INVARIANT)


def without_biases(weights):
    """As networks are before they are trained."""
    return {n: torch.zeros_like(w) if n.endswith("bias") else w for n, w in weights.items()}


def observation(activation, gradient, kernel=None, inputs=None):
    """Of one position; lists of samples, each of nodes."""
    a, d = (torch.tensor(x, dtype=torch.float64)[:, None] for x in (activation, gradient))
    return Observation(a, d, a, d, inputs, kernel)


def test_norms_by_hand():
    task, weights, masks = case("FC", (6, 5), 6, 1)
    weights["dense2.kernel"] = torch.zeros(6, 5, dtype=torch.float64)
    weights["dense2.kernel"][:, 0] = torch.tensor([3.0, -4, 0, 0, 0, 0])
    weights["dense2.kernel"][:, 1] = torch.tensor([3.0, -4, 12, 0, 0, 0])
    assert scores("l1_norm", task, weights, masks)[1].tolist() == [7, 19, 0, 0, 0]
    assert scores("l2_norm", task, weights, masks)[1].tolist() == [5, 13, 0, 0, 0]
    fan_in = scores("l2_norm_fan_in", task, weights, masks)[1]
    assert fan_in.tolist() == pytest.approx([5 / 6, 13 / 6, 0, 0, 0])
    distances = scores("fpgm", task, weights, masks)[1]
    assert distances.tolist() == pytest.approx([12 + 3 * 5, 12 + 3 * 13, 18, 18, 18])


def test_norms_of_filters_are_over_all_their_weights():
    task, weights, masks = case("Conv", (4, 5), 8, 3)
    expected = weights["conv2.kernel"].abs().sum((1, 2, 3))
    torch.testing.assert_close(scores("l1_norm", task, weights, masks)[1], expected)


def test_taylor_by_hand():
    """Two samples, two nodes, two positions: the mean over positions comes before the size."""
    activation = torch.tensor([[[1.0, 2], [3, 0]], [[1.0, 1], [1, 1]]])  # [sample, position, node]
    gradient = torch.tensor([[[2.0, 1], [-2, 5]], [[1.0, -3], [1, 1]]])
    layer = Observation(activation, gradient, activation, gradient, None, None)
    # sample 1: (2 - 6) / 2 = -2 and 2 / 2 = 1; sample 2: 1 and -1
    sums = METRICS["taylor"]._code.gather([layer])["taylor"][0]
    assert sums.tolist() == [2 + 1, 1 + 1]
    found = METRICS["taylor"]._code.importance({"taylor": [sums, torch.zeros(2)]})
    assert found[0].tolist() == pytest.approx([3 / math.sqrt(13), 2 / math.sqrt(13)])
    assert found[1].tolist() == [0, 0]
    # squares of the sums over positions: (16 + 4) / 2, (4 + 4) / 2
    fisher = METRICS["gate_fisher"]._code.gather([layer])["gate_fisher"][0]
    assert fisher.tolist() == [10, 4]


def test_weight_fisher_by_hand():
    kernel = torch.tensor([[1.0, 2.0], [0.5, -1]], dtype=torch.float64)  # [node, weight]
    inputs = torch.tensor([[1.0, 0], [2, 1]], dtype=torch.float64)
    layer = observation([[1, 0], [1, 2]], [[3, 7], [1, 2]], kernel, inputs)
    four_times = [a.repeat_interleave(4, 0) for a in (layer.activation, layer.gradient, inputs)]
    layer = Observation(*four_times[:2], *four_times[:2], four_times[2], kernel)
    # node 1: gradients (3, 0), (2, 1): squares summed (13, 1), times (1, 4); node 2 is silent for
    # the first sample: (4, 2) -> (16, 4), times (.25, 1)
    found = METRICS["weight_fisher"]._code.gather([layer])["weight_fisher"][0]
    assert found.tolist() == [4 * (13 + 4) / 2, 4 * (4 + 4) / 2]


def test_sensitivity_by_hand():
    """Gradients of one batch may cancel, and those of two may not."""
    first = torch.zeros(BATCH, 2)
    first[:2] = torch.tensor([[1.0, 2], [-1, 1]])
    assert sum_of_sizes(torch.cat([first, torch.tensor([[-3.0, 0]])])).tolist() == [3, 3]
    second = torch.cat([torch.zeros(BATCH - 1, 2), torch.tensor([[0.0, -2]])])
    assert sum_of_sizes(torch.cat([first, second])).tolist() == [0, 5]


def test_variance_by_hand():
    layer = observation([[3, 1], [1, 1], [2, 1]], [[0, 0]] * 3)
    sums = METRICS["variance"]._code.gather([layer])
    means = {name: [of[0] / 3] for name, of in sums.items()}
    assert METRICS["variance"]._code.importance(means)[0].tolist() == pytest.approx([2 / 3, 0])


def test_shared_information_is_that_of_gaussian_variables():
    """Two of correlation r share -1/2 ln(1 - r^2); an independent one nothing, nor a dead one."""
    r = 0.8
    covariance = torch.eye(4, dtype=torch.float64)
    covariance[0, 1] = covariance[1, 0] = r
    covariance[2, 2], covariance[3, 3] = 5, 0
    found = shared_information(covariance)
    expected = -math.log(1 - r**2) / 2
    assert found.tolist() == pytest.approx([expected, expected, 0, 0], abs=0.005)
    assert shared_information(torch.zeros(3, 3)).tolist() == [0, 0, 0]


def test_obs_is_the_loss_after_the_others_have_adapted():
    """Half the Schur complement: 1/2 (H_kk - h H_rr^-1 h), by hand for two nodes."""
    curvature = torch.tensor([[2.0, 1], [1, 4]], dtype=torch.float64)
    found = losses_if_others_adapt(curvature)
    assert found.tolist() == pytest.approx([(2 - 1 / 4) / 2, (4 - 1 / 2) / 2], rel=0.01)
    single = losses_if_others_adapt(torch.tensor([[2.0, 0], [0, 0]], dtype=torch.float64))
    assert single[0].item() == pytest.approx(1, rel=0.01)
    assert single[1].item() < 0.001
    assert losses_if_others_adapt(torch.zeros(2, 2)).tolist() == [0, 0]


def test_obs_on_a_network_is_by_the_gauss_newton_matrix_of_its_gates():
    """With labels drawn from predictions; here exact, over all classes, by autograd."""
    task, weights, masks = case("FC", (4, 3), 6, 1, samples=64)
    network = compact(weights, task.steps(masks))
    rows = task.images(task.train, 0, 64).permute(0, 2, 3, 1).flatten(1)

    def logits(gates):
        x = torch.relu(rows @ network["dense1.kernel"] + network["dense1.bias"]) * gates[:4]
        x = torch.relu(x @ network["dense2.kernel"] + network["dense2.bias"]) * gates[4:]
        return x @ network["dense3.kernel"] + network["dense3.bias"]

    ones = torch.ones(7, dtype=torch.float64)
    jacobians = torch.autograd.functional.jacobian(logits, ones)  # [sample, class, gate]
    p = torch.softmax(logits(ones), 1)
    inner = torch.diag_embed(p) - p[:, :, None] * p[:, None]
    exact = torch.einsum("nca,ncd,ndb->ab", jacobians, inner, jacobians) / 64
    found = torch.cat(scores("gate_obs", task, weights, masks))
    expected = losses_if_others_adapt(exact)
    # one label is drawn for each of 64 samples
    assert torch.corrcoef(torch.stack([found.log(), expected.log()]))[0, 1] > 0.9


def test_least_squares_picks_one_after_the_other_on_the_repaired_layer():
    """Two nodes are copies: the one that stays takes over the weights of the other."""
    activations = torch.tensor([[1.0, 1, 0], [2, 2, 1], [0, 0, 2]], dtype=torch.float64)
    products = activations.T @ activations  # diagonal 5, 5, 5
    outgoing = torch.tensor([[1.0], [1.1], [1.5]], dtype=torch.float64)
    found = removed_at(products, outgoing)
    # node 0 goes first, at 5; node 1 then has the weight 2.1, so that node 2 goes before it, at
    # 11.25; what node 1 takes over from it is 1.5 * <y1, y2> / <y1, y1> = 1.5 * 2 / 5
    assert found.tolist() == pytest.approx([5, 5 * (2.1 + 0.6) ** 2, 5 * 1.5**2], rel=1e-6)
    dead = products.clone()
    dead[:, 0], dead[0] = 0, 0
    assert removed_at(dead, outgoing)[0] == 0
    assert removed_at(torch.zeros(2, 2, dtype=torch.float64), outgoing[:2]).tolist() == [0, 0]


def test_least_squares_repairs_what_arrives_downstream_as_well_as_can_be():
    """The second pick is by brute force over all repairs (torch's own least squares)."""
    random = generator("castellano")
    y = torch.rand(50, 4, generator=random, dtype=torch.float64)
    v = torch.rand(4, 3, generator=random, dtype=torch.float64) - 0.5
    found = removed_at(y.T @ y, v)
    first = int((v.square().sum(1) * (y * y).sum(0)).argmin())
    left = [k for k in range(4) if k != first]
    repair = torch.linalg.lstsq(y[:, left], y[:, [first]] @ v[[first]]).solution
    repaired = v[left] + repair
    second = left[int((repaired.square().sum(1) * (y[:, left] ** 2).sum(0)).argmin())]
    assert found.argsort().tolist()[:2] == [first, second]


def test_lasso_by_hand_where_channels_do_not_overlap():
    """Factor c is 0 from lambda = its own energy on: the order is that of energies."""
    gram = torch.diag(torch.tensor([4.0, 1, 0, 2], dtype=torch.float64))
    assert leaves_at(gram, 10).tolist() == pytest.approx([1, 0.25, 0, 0.5])
    assert leaves_at(torch.zeros(2, 2, dtype=torch.float64), 10).tolist() == [0, 0]


def test_lasso_agrees_with_coordinate_descent():
    """The smallest lambda at which a factor is 0, by another algorithm."""
    from sklearn.linear_model import Lasso

    random = generator("lasso")
    x = torch.rand(80, 4, generator=random, dtype=torch.float64) * torch.tensor([1.0, 0.3, 2, 0.7])
    gram = x.T @ x
    found = leaves_at(gram, 80) * (gram.sum(1).abs().max() / 80)
    for channel, at in enumerate(found.tolist()):
        for factor, is_in in ((1.02, False), (0.98, True)):
            fitted = Lasso(alpha=at * factor, fit_intercept=False, tol=1e-12, max_iter=10**6)
            fitted.fit(x.numpy(), x.sum(1).numpy())
            assert (abs(fitted.coef_[channel]) > 1e-9) == is_in


def test_particles_by_hand():
    particles = torch.tensor([[True, True, False], [True, False, True], [False, True, True]])
    found = differences(particles, torch.tensor([0.9, 0.5, 0.1], dtype=torch.float64))
    assert found.tolist() == pytest.approx([0.7 - 0.1, 0.5 - 0.5, 0.3 - 0.9], abs=1e-12)
    always = torch.ones(3, 2, dtype=torch.bool)
    assert differences(always, torch.tensor([0.9, 0.5, 0.1], dtype=torch.float64)).tolist() == [
        0,
        0,
    ]


#: Those whose untrained networks are right sometimes, so that accuracies differ.
@pytest.mark.parametrize(
    "network", [NETWORKS[i] for i in (0, 1, 3)], ids=["FC", "Conv", "ResNet18"]
)
def test_particles_on_a_network_are_evaluated_masked(network, monkeypatch):
    """Against masked networks of full size, one for each particle."""
    monkeypatch.setattr(particle, "MASKS", 12)
    task, weights, masks = case(*network)
    images, labels = make_images(48, side=network[2], channels=network[3])
    counts = list(masks.remaining)
    random = torch.rand(12, sum(counts), generator=generator("particles", *counts))
    kept = random < particle.KEPT
    accuracies = [
        evaluate(task.layers, weights, Masks(tuple(row.split(counts))), images, labels)[1]
        for row in kept
    ]
    assert len(set(accuracies)) > 1
    expected = differences(kept, torch.tensor(accuracies, dtype=torch.float64))
    torch.testing.assert_close(torch.cat(scores("particle", task, weights, masks)), expected)


def test_synaptic_flow_is_the_product_of_weights_along_all_paths():
    """By hand: one node in the second layer, and the same flow through each layer."""
    task, weights, masks = case("FC", (2, 1), 6, 1)
    initial = without_biases(weights)
    first, second, third = (initial[f"dense{i}.kernel"].abs() for i in (1, 2, 3))
    flows = first.sum(0) * second[:, 0] * third.sum()
    found = scores("synflow", task, weights, masks, initial)
    torch.testing.assert_close(found[0], flows)
    torch.testing.assert_close(found[1], flows.sum(0, keepdim=True))


@pytest.mark.parametrize("network", NETWORKS[:3], ids=["FC", "Conv", "ConvFC256"])
def test_the_same_synaptic_flow_passes_each_layer_of_a_chain(network):
    task, weights, masks = case(*network)
    found = scores("synflow", task, weights, masks, without_biases(weights))
    flows = [layer.sum().item() for layer in found]
    assert flows == pytest.approx([flows[0]] * len(flows))


def test_norms_are_those_of_torch_pruning():
    """A cross-check of l1_norm and l2_norm on a convolution's own filters."""
    tp = pytest.importorskip("torch_pruning", reason="make own-model installs Torch-Pruning")
    from torch import nn

    task, weights, masks = case("Conv", (4, 5), 8, 3)
    layer = nn.Conv2d(4, 5, 3).double()
    layer.weight.data = weights["conv2.kernel"].clone()
    model = nn.Sequential(layer)
    graph = tp.DependencyGraph().build_dependency(model, torch.rand(1, 4, 8, 8).double())
    group = graph.get_pruning_group(layer, tp.prune_conv_out_channels, list(range(5)))
    for p, name in ((1, "l1_norm"), (2, "l2_norm")):
        theirs = tp.importance.MagnitudeImportance(p=p, normalizer=None, bias=False)(group)
        ours = scores(name, task, weights, masks)[1]
        # theirs is the norm to the power p
        torch.testing.assert_close(theirs.detach().double() ** (1 / p), ours, rtol=1e-6, atol=0)
