"""A metric of one's own: what it returns is refused in one line before a node is dropped by it."""

import math
import sys
from collections import defaultdict
from dataclasses import replace
from importlib import import_module
from types import ModuleType

import pytest
import torch

from dropnet.errors import UserError
from dropnet.metrics import FOLDER, METRICS, Metric
from dropnet.networks.cycle import Cycle, Network, Results
from dropnet.networks.masks import Masks
from dropnet.pruning.algorithm import prune_iteratively
from dropnet.training.gathering import Trained

HEALTHY = {
    "mean_activation": [torch.tensor([1.0, 2, 3]), torch.tensor([0.5, 0.25])],
    "zero_share": [torch.tensor([0.0, 0.5, 0]), torch.tensor([0.5, 0.5])],
}
TRAINED = Trained(None, {}, {}, Masks.full([3, 2]), HEALTHY)
DIVERGED = {**HEALTHY, "mean_activation": [torch.full((3,), math.nan), torch.full((2,), math.nan)]}


@pytest.fixture
def metric_of(monkeypatch):
    """Return a function that makes a metric of functions."""

    def make(**functions):
        module = ModuleType("dropnet.metrics.mine")
        vars(module).update(functions)
        monkeypatch.setitem(sys.modules, "dropnet.metrics.mine", module)
        return Metric("mine", "dropnet.metrics.mine", per_layer=False)

    return make


def ones(*sizes, **kind):
    return [torch.ones(size, **kind) for size in sizes]


WRONG = [
    (ones(3, 1), r"importance, layer 2: .* shape \[1\] came; needed: a tensor of 2 finite floats"),
    (ones(4, 2), r"layer 1: a tensor of the shape \[4\] came; needed: a tensor of 3"),
    (ones((3, 1), 2), r"layer 1: a tensor of the shape \[3, 1\] came"),
    (ones(3), "importance: a list of 1 came; needed: a list of 2 tensors"),
    (torch.ones(5), "importance: a Tensor came; needed: a list of 2 tensors"),
    (None, "importance: a NoneType came"),
    ({"a": 1, "b": 2}, "importance: a dict of 2 came"),
    ([[1.0, 2, 3], [1.0, 2]], "layer 1: a list came"),
    (ones(3, 2, dtype=torch.bool), "layer 1: a tensor of torch.bool on cpu came"),
    (ones(3, 2, dtype=torch.int64), "layer 1: a tensor of torch.int64"),
    (ones(3, 2, dtype=torch.complex64), "layer 1: a tensor of torch.complex64"),
    (ones(3, 2, device="meta"), "layer 1: a tensor of torch.float32 on meta"),
    ([torch.ones(3), torch.tensor([1, math.nan])], "layer 2: nan, for node 1 of those remaining"),
]


@pytest.mark.parametrize(("returned", "message"), WRONG, ids=[m for _, m in WRONG])
def test_scores_that_are_not_one_number_a_node_are_refused_before_anything_is_dropped(
    metric_of, returned, message
):
    metric = metric_of(importance=lambda statistics: returned)
    results = Results(0.5, 1, 0.5, 1, 0.5, 1, 3)
    unpruned = Cycle(0, [Network(0, Masks.full([3, 2]), {}, HEALTHY, results)])
    cycles = prune_iteratively(unpruned, lambda *_: pytest.fail("it dropped"), metric, 0.4, 0.3)
    assert next(cycles) is unpruned
    with pytest.raises(UserError, match=rf"^metric 'mine': .*{message}") as error:
        next(cycles)
    assert "\n" not in str(error.value)


def test_numbers_of_any_precision_and_infinite_ones_are_scores(metric_of):
    scores = [torch.tensor([1, math.inf, -math.inf]), torch.tensor([1, 2], dtype=torch.float16)]
    assert metric_of(importance=lambda statistics: scores).importance(HEALTHY) == scores


def test_the_scores_of_a_diverged_network_need_not_be_numbers(metric_of):
    metric = metric_of(importance=lambda statistics: statistics["mean_activation"])
    assert all(layer.isnan().all() for layer in metric.importance(DIVERGED))


@pytest.mark.parametrize("where", ["mean_activation", "weights"])
def test_a_network_of_huge_numbers_has_diverged_as_well(metric_of, where):
    """Products of numbers beyond 1e19 are infinite in single precision, and then nan."""
    trained, nans = TRAINED, [torch.full((3,), math.nan), torch.ones(2)]
    if where == "weights":
        trained = replace(TRAINED, weights={"dense1.kernel": torch.tensor([[1e20]])})
    else:
        huge = {**HEALTHY, where: [HEALTHY[where][0], torch.tensor([0.5, 1e20])]}
        trained = replace(TRAINED, statistics=huge)
    metric = metric_of(importance=lambda s: s["mine"], measure=lambda _: {"mine": nans})
    assert metric.importance(metric.measured(trained))[0].isnan().all()
    with pytest.raises(UserError, match="measure: mine, layer 1: nan"):
        metric.measured(TRAINED)


@pytest.mark.parametrize("name", METRICS)
def test_our_own_metrics_pass(name):
    for statistics in (HEALTHY, DIVERGED):
        # whatever a metric measures is one number a node
        measured = defaultdict(lambda: HEALTHY["zero_share"], statistics)
        assert len(import_module(METRICS[name].module).importance(measured)) == 2


def test_an_error_in_a_metric_is_told_with_its_line(metric_of):
    code = "\n\ndef importance(statistics):\n    return statistics['mean_activations']\n"
    functions = {}
    exec(compile(code, str(FOLDER / "mine.py"), "exec"), functions)
    with pytest.raises(UserError, match=r"^metric 'mine': .*mine\.py, line 4: KeyError: 'mean_act"):
        metric_of(**functions).importance(HEALTHY)
    with pytest.raises(UserError, match=r"^metric 'mine': .*mine\.py: TypeError: .*argument"):
        metric_of(importance=lambda: None).importance(HEALTHY)
    with pytest.raises(UserError) as error:
        metric_of(importance=lambda s: {}["x" * 10**6]).importance(HEALTHY)
    assert len(str(error.value)) < 1000


def test_a_metric_cannot_change_what_is_recorded(metric_of):
    metric = metric_of(importance=lambda statistics: [s.neg_() for s in statistics["zero_share"]])
    assert metric.importance(HEALTHY)[1].tolist() == [-0.5, -0.5]
    assert HEALTHY["zero_share"][1].tolist() == [0.5, 0.5]


@pytest.mark.parametrize(
    ("measured", "message"),
    [
        ({"mine": ones(3, 3)}, r"measure: mine, layer 2: a tensor of the shape \[3\] came"),
        ({"mean_activation": ones(3, 2)}, "measure: a statistic named 'mean_activation' came"),
        ({"a/b": ones(3, 2)}, "measure: a statistic named 'a/b' came"),
        (None, "measure: a NoneType came; needed: a dict of tensors by name"),
        (ones(3, 2), "measure: a list came; needed: a dict"),
    ],
)
def test_what_a_metric_measures_is_checked_as_well(metric_of, measured, message):
    metric = metric_of(importance=lambda s: s["mine"], measure=lambda *_: measured)
    assert metric.measures
    with pytest.raises(UserError, match=rf"^metric 'mine': .*{message}"):
        metric.measured(TRAINED)


def test_what_a_metric_measures_comes_to_the_statistics(metric_of):
    metric = metric_of(importance=lambda s: s["mine"], measure=lambda *_: {"mine": ones(3, 2)})
    assert set(metric.measured(TRAINED)) == {*HEALTHY, "mine"}


def test_what_measure_writes_into_is_its_own(metric_of):
    """The weights are recorded, and training goes on from the initial ones."""

    def measure(trained):
        for of in (trained.weights, trained.initial, trained.statistics):
            for tensors in of.values():
                for tensor in tensors:
                    tensor.zero_()
        return {"mine": ones(3, 2)}

    weights, initial = {"dense1.kernel": torch.ones(2, 3)}, {"dense1.kernel": torch.ones(2, 3)}
    trained = replace(TRAINED, weights=weights, initial=initial)
    found = metric_of(importance=lambda s: s["mine"], measure=measure).measured(trained)
    assert found["mean_activation"][0].tolist() == [1, 2, 3]
    assert weights["dense1.kernel"].all()
    assert initial["dense1.kernel"].all()


@pytest.mark.parametrize(
    ("first", "second"),
    [(ones(3, 2), ones((4, 3), (4, 2))), (ones(3, 2), ones(1, 1)), (ones(3, 2), torch.ones(3))],
)
def test_what_is_gathered_keeps_its_shape(metric_of, first, second):
    """Not summed over samples, it would be of another shape where fewer of them are left."""
    came = iter([first, first, second])
    metric = metric_of(importance=lambda s: s["mine"], gather=lambda _: {"mine": next(came)})
    gatherer, other = metric.gatherers(2)
    gatherer.observe([None, None])
    gatherer.observe([None, None])
    with pytest.raises(UserError, match=r"^metric 'mine': gather: mine: .* for earlier samples"):
        gatherer.observe([None, None])
    came = iter([second])
    other.observe([None] * 2)


def test_what_is_gathered_has_names(metric_of):
    (gatherer,) = metric_of(importance=lambda s: s["mine"], gather=lambda _: None).gatherers(1)
    with pytest.raises(UserError, match=r"^metric 'mine': gather: a NoneType came; needed: a dict"):
        gatherer.observe([None, None])


def test_what_is_gathered_without_a_measure_is_told_as_such(metric_of):
    metric = metric_of(importance=lambda s: s["mine"], gather=lambda _: {})
    with pytest.raises(UserError, match=r"gather: mine, layer 2: a tensor of the shape \[3\]"):
        metric.measured(replace(TRAINED, gathered={"mine": ones(3, 3)}))
