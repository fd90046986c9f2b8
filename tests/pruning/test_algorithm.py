"""Algorithm 1: what is dropped, how much, in which order; x positions as the paper printed them."""

import csv
from collections import defaultdict
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from dropnet import metrics
from dropnet.metrics import METRICS
from dropnet.networks.cycle import Cycle, Network, Results
from dropnet.networks.masks import Masks
from dropnet.pruning.algorithm import drop_lowest, lowest, prune_iteratively
from dropnet.pruning.schedule import count_dropped, remaining_counts
from dropnet.randomness import generator

PAPER = Path(__file__).parents[2] / "workflow" / "reference" / "paper_curves.csv"
fractions = st.floats(0.01, 1)
layers_of_scores = st.lists(
    st.lists(st.integers(0, 5).map(float), max_size=12), min_size=1, max_size=4
).filter(any)


def tensors(layers):
    return [torch.tensor(layer, dtype=torch.float64) for layer in layers]


# --- how many ---------------------------------------------------------------------------------


def test_fc40_fc40_goes_through_the_published_counts():
    globally = [80, 64, 52, 42, 34, 28, 23, 19, 16, 13, 11, 9, 8, 7, 6, 5, 4]
    per_layer = [40, 32, 26, 21, 17, 14, 12, 10, 8, 7, 6, 5, 4, 3, 2]
    assert remaining_counts([40, 40], 0.2, 0.05, per_layer=False) == globally
    assert remaining_counts([40, 40], 0.2, 0.05, per_layer=True) == [2 * n for n in per_layer]


def test_a_point_at_the_stop_fraction_is_the_last():
    """29 of 50 is 0.58, whatever 0.58 * 50 is in floating point."""
    assert remaining_counts([50], 0.25, 0.58, per_layer=False) == [50, 38, 29]


def paper_curves():
    """(figure, experiment, method with its variant) -> nodes remaining at each of its points."""
    curves = defaultdict(list)
    for row in csv.DictReader(PAPER.open()):
        key = row["figure"], row["experiment"], row["method"]
        curves[key].append(int(row["units_remaining"]))
    return curves


ONE_AT_A_TIME = ("fig13", "fig14")  # these figures drop one node a cycle, not a share
WIDTHS = {
    "ResNet18": [64] * 5 + [128] * 5 + [256] * 5 + [512] * 5,
    "VGG19": [64] * 2 + [128] * 2 + [256] * 4 + [512] * 8,
}
# where the printed curves end; all others go to the first point at or below 0.1
STOPS = dict.fromkeys(["fig03", "fig04", "fig05", "fig07", "fig08"], 0.05)
STOPS |= {"fig06": 0.02, "fig19": 0.01}
# shares other than 0.2 that are not in the method's name: Tiny ImageNet, and the APoZ figures
SHARES = dict.fromkeys(["figS16", "figS17", "figS18", "figS19"], 0.5)
SHARES |= dict.fromkeys(["figS20", "figS21", "figS22", "figS23"], 0.1)


@pytest.mark.parametrize(
    "curve", [key for key in paper_curves() if key[0] not in ONE_AT_A_TIME], ids=str
)
def test_x_positions_are_those_of_the_paper(curve):
    """Every point of every curve of every figure that drops a share."""
    figure, experiment, method = curve
    name, _, variant = method.partition(" ")
    share = float(variant[3:-1]) if variant.startswith("(p=") else SHARES.get(figure, 0.2)
    widths = WIDTHS.get(experiment) or [int(part.lstrip("FConv")) for part in experiment.split("-")]
    counts = remaining_counts(widths, share, STOPS.get(figure, 0.1), name.endswith("_layer"))
    assert counts == paper_curves()[curve]


@given(st.integers(0, 5000), fractions)
def test_the_number_dropped_is_the_protocols(remaining, share):
    dropped = count_dropped(remaining, share)
    assert dropped == (max(1, int(share * remaining)) if remaining else 0)
    assert 0 <= dropped <= remaining


# --- which ------------------------------------------------------------------------------------


@given(layers_of_scores, fractions, st.booleans(), st.integers(0, 1000))
def test_the_lowest_go_and_exactly_as_many_as_asked(layers, share, per_layer, seed):
    """For any scores: exact numbers, nothing dropped that is more important than what stays."""
    masks = Masks.full([len(layer) for layer in layers])
    after = drop_lowest(masks, tensors(layers), share, per_layer, generator(seed))
    scopes = layers if per_layer else [sum(layers, [])]
    kept = [mask.tolist() for mask in after.layers]
    for scope, stays in zip(scopes, kept if per_layer else [sum(kept, [])], strict=True):
        assert stays.count(False) == count_dropped(len(scope), share)
        gone_scores = [s for s, stay in zip(scope, stays, strict=True) if not stay]
        kept_scores = [s for s, stay in zip(scope, stays, strict=True) if stay]
        assert max(gone_scores, default=-1) <= min(kept_scores, default=10)


@given(layers_of_scores, st.booleans(), st.integers(0, 1000))
def test_masks_only_shrink_until_nothing_is_left(layers, per_layer, seed):
    masks = Masks.full([len(layer) for layer in layers])
    for cycle in range(100):
        scores = [torch.rand(n, generator=generator(seed, cycle)) for n in masks.remaining]
        after = drop_lowest(masks, scores, 0.3, per_layer, generator("ties", seed, cycle))
        assert sum(after.remaining) < sum(masks.remaining)
        for now, before in zip(after.layers, masks.layers, strict=True):
            assert not (now & ~before).any()
        masks = after
        if masks.fraction_remaining == 0:
            return
    pytest.fail("a network that loses a node in each cycle must end")


def test_a_pruned_network_loses_nodes_by_their_place_in_the_full_network():
    """Scores of a compacted network are counted among the nodes that remain."""
    masks = Masks((torch.tensor([True, False, True, True]), torch.tensor([False, True, True])))
    scores = tensors([[5, 1, 4], [3, 2]])
    globally = drop_lowest(masks, scores, 0.4, per_layer=False, ties=generator(0))
    assert [m.tolist() for m in globally.layers] == [
        [True, False, False, True],
        [False, True, False],
    ]
    in_each = drop_lowest(masks, scores, 0.4, per_layer=True, ties=generator(0))
    assert [m.tolist() for m in in_each.layers] == [
        [True, False, False, True],
        [False, True, False],
    ]
    first_only = drop_lowest(masks, tensors([[5, 1, 0], [3, 2]]), 0.4, False, generator(0))
    assert [m.tolist() for m in first_only.layers] == [
        [True, False, False, False],
        [False, True, True],
    ]


def test_the_notebooks_spare_the_last_of_one_candidate_too_many():
    """By hand: of 5 nodes 2 go; 3 candidates (1, 2, 3), the one in the last layer is spared."""
    masks = Masks.full([3, 2])
    scores = tensors([[3, 9, 2], [1, 8]])
    exact = drop_lowest(masks, scores, 0.4, False, generator(0))
    notebook = drop_lowest(masks, scores, 0.4, False, generator(0), "notebook")
    assert [m.tolist() for m in exact.layers] == [[True, True, False], [False, True]]
    assert [m.tolist() for m in notebook.layers] == [[False, True, False], [True, True]]


def test_the_lowest_go_but_for_the_last_of_a_layer():
    importance = tensors([[1, 2], [9, 8, 3]])

    def kept(share, per_layer):
        masks = drop_lowest(Masks.full([2, 3]), importance, share, per_layer, generator(0), keep=1)
        return [masks.kept(layer).tolist() for layer in range(2)]

    assert count_dropped(5, 0.6) == 3
    assert kept(0.2, False) == [[1], [0, 1, 2]]
    assert kept(0.6, False) == [[1], [0]]  # the one of 2.0 is the last of its layer
    assert kept(0.9, False) == [[1], [0]]
    assert kept(0.0, True) == [[1], [0, 1]]
    assert kept(0.9, True) == [[1], [0]]


@given(layers_of_scores, fractions, st.integers(0, 3), st.integers(0, 1000))
def test_what_has_to_stay_of_each_layer_is_passed_over(layers, share, keep, seed):
    """By brute force: one node after the other, the lowest of those that may go."""
    left = [len(layer) for layer in layers]
    masks, ties = Masks.full(left), generator(seed)
    after = drop_lowest(masks, tensors(layers), share, False, generator(seed), keep=keep)
    gone = set()
    for node in lowest(torch.cat(tensors(layers)), sum(left), ties).tolist():
        layer = next(i for i in range(len(layers)) if node < sum(map(len, layers[: i + 1])))
        if len(gone) < count_dropped(sum(map(len, layers)), share) and left[layer] > keep:
            gone.add(node)
            left[layer] -= 1
    stays = torch.cat(after.layers).tolist()
    assert stays == [node not in gone for node in range(len(stays))]


def test_an_empty_layer_drops_nothing():
    masks = Masks((torch.zeros(3, dtype=torch.bool), torch.ones(2, dtype=torch.bool)))
    after = drop_lowest(masks, tensors([[], [1, 2]]), 0.5, per_layer=True, ties=generator(0))
    assert after.remaining == (0, 1)


def test_ties_are_broken_at_random_and_evenly():
    """Of 6 equal scores, each goes about equally often; a higher one never does."""
    scores = torch.tensor([1.0, 1, 1, 9, 1, 1, 1])
    gone = torch.zeros(7)
    for draw in range(3000):
        gone[lowest(scores, 2, generator("ties", draw))] += 1
    assert gone[3] == 0
    expected = 3000 * 2 / 6
    assert ((gone[scores == 1] - expected).abs() < 5 * (expected * 2 / 3) ** 0.5).all()


def test_ties_depend_on_seed_and_cycle_alone():
    scores = torch.zeros(50)
    draw = lowest(scores, 10, generator("ties", 3, 7))
    assert torch.equal(draw, lowest(scores, 10, generator("ties", 3, 7)))
    assert not torch.equal(draw, lowest(scores, 10, generator("ties", 3, 8)))
    assert not torch.equal(draw, lowest(scores, 10, generator("ties", 4, 7)))


# --- metrics ----------------------------------------------------------------------------------


def test_metrics_order_nodes_as_the_paper_defines_them():
    statistics = {
        "mean_activation": tensors([[3, 1, 2], [0.5]]),
        "zero_share": tensors([[0.2, 0.9, 0], [0.5]]),
        "silent_share": tensors([[0, 0.25, 0], [0.5]]),
        "loss_without": tensors([[2.5, 2, 3], [1]]),
    }
    by_name = {
        name: [scores.tolist() for scores in metric.importance(statistics)]
        for name, metric in METRICS.items()
        if not metric.measures or metric.name.startswith("oracle")
    }
    assert by_name["minimum"] == [[3, 1, 2], [0.5]]
    assert by_name["maximum"] == [[-3, -1, -2], [-0.5]]
    assert by_name["random"] == [[0, 0, 0], [0]]
    assert by_name["apoz"] == [[-0.2, -0.9, 0], [-0.5]]
    assert by_name["apoz_notebook"] == [[0, -0.25, 0], [-0.5]]
    assert by_name["oracle"] == [[2.5, 2, 3], [1]]


def test_every_metric_exists_globally_and_per_layer():
    names = {file.stem for file in Path(metrics.__file__).parent.glob("[a-z]*.py")}
    assert set(METRICS) == names | {f"{name}_layer" for name in names}
    for name in names:
        assert METRICS[name].module == METRICS[f"{name}_layer"].module
        assert (METRICS[name].per_layer, METRICS[f"{name}_layer"].per_layer) == (False, True)


def test_scores_that_are_not_numbers_do_not_stop_the_pruning():
    """A diverged network goes on, losing nodes at random."""
    masks = Masks.full([4, 4])
    scores = [torch.full((4,), torch.nan), torch.full((4,), torch.nan)]
    assert sum(drop_lowest(masks, scores, 0.5, False, generator(0)).remaining) == 4


# --- Algorithm 1 --------------------------------------------------------------------------------


def scripted(number, masks):
    """A trained cycle whose node i of layer l scores 10 l + i, whatever was trained."""
    networks = []
    for seed, mask in enumerate(masks):
        scores = [mask.kept(layer) + 10.0 * layer for layer in range(2)]
        results = Results(0.5, 1, 0.5, 1, 0.5, 1, 3)
        networks.append(Network(seed, mask, {}, {"mean_activation": scores}, results))
    return Cycle(number, networks)


def test_algorithm_1_trains_prunes_and_stops_as_written():
    trained = []

    def train(number, masks):
        trained.append((number, [m.remaining for m in masks]))
        return scripted(number, masks)

    start = scripted(0, [Masks.full([4, 4])] * 2)
    cycles = list(prune_iteratively(start, train, METRICS["minimum"], 0.4, 0.3))
    # 8 nodes: int(3.2) = 3 go, of 5 int(2.0) = 2; 3/8 is above 0.3, 2/8 is not
    assert trained == [(1, [(1, 4)] * 2), (2, [(0, 3)] * 2), (3, [(0, 2)] * 2)]
    assert [c.number for c in cycles] == [0, 1, 2, 3]
    assert cycles[0] is start
    assert [m.tolist() for m in cycles[-1].networks[0].masks.layers] == [
        [False] * 4,
        [False, False, True, True],
    ]


@pytest.mark.parametrize("mask", [torch.ones(3), torch.ones(2, 2, dtype=torch.bool)])
def test_masks_refuse_what_is_not_a_vector_of_bools(mask):
    with pytest.raises(ValueError, match="a mask is a bool vector"):
        Masks((mask,))
