"""Algorithm 1 on a model of one's own: cases by hand, rewinding, counts, refusals."""

import math
import sys

import pytest
import torch
from torch import nn
from torch.nn.utils.prune import l1_unstructured
from torch.utils.data import TensorDataset

from dropnet.errors import UserError
from dropnet.own_model.prune import prune_model
from dropnet.pruning.schedule import remaining_counts

NEEDS = pytest.mark.usefixtures("torch_pruning")
INPUTS = torch.tensor([[1.0, 0.0], [0.0, 2.0]])


def by_hand():
    """Three units: of the samples above they make (1, 0), (0, 4) and (0, 0), so 0.5, 2 and 0."""
    model = nn.Sequential(nn.Linear(2, 3), nn.ReLU(), nn.Linear(3, 1))
    with torch.no_grad():
        model[0].weight[:] = torch.tensor([[1.0, -1.0], [-1.0, 2.0], [-1.0, -1.0]])
        model[0].bias[:] = 0
        model[2].weight[:] = torch.tensor([[10.0, 100.0, 1000.0]])
        model[2].bias[:] = 5
    return model


def leave(model):
    """Train nothing."""


def convolutional(seed=0):
    torch.manual_seed(seed)
    return nn.Sequential(
        *(nn.Conv2d(1, 6, 3), nn.BatchNorm2d(6), nn.ReLU()),
        *(nn.Conv2d(6, 4, 3), nn.ReLU(), nn.Flatten()),
        *(nn.Linear(16, 5), nn.ReLU(), nn.Linear(5, 3)),
    )


def masked_by_torch():
    model = convolutional()
    l1_unstructured(model[0], "weight", 0.5)
    return model


IMAGES = torch.rand(4, 1, 6, 6, generator=torch.Generator().manual_seed(1))


@NEEDS
@pytest.mark.parametrize(
    ("metric", "kept", "outputs"),
    [
        ("minimum", [[0, 1, 2], [0, 1], [1]], [5, 405]),  # without unit 2, then without 0
        ("maximum", [[0, 1, 2], [0, 2], [2]], [5, 5]),
        ("apoz", [[0, 1, 2], [0, 1], ...], ...),  # 0 and 1 are silent at one sample each
        ("minimum_layer", [[0, 1, 2], [0, 1], [1]], [5, 405]),
    ],
)
def test_a_case_worked_by_hand(metric, kept, outputs):
    seen = []
    pruned = prune_model(
        by_hand(),
        [INPUTS],
        leave,
        lambda model: len(model[0].weight) / 10,
        metric=metric,
        prune_fraction=0.4,
        stop_fraction=0.34,
        after_cycle=seen.append,
    )
    assert seen == pruned.cycles
    for cycle, of in zip(pruned.cycles, kept, strict=True):
        assert of is ... or cycle.kept == {"0": of}
        count = cycle.units["0"]
        assert cycle.fraction_remaining == count / 3
        assert cycle.accuracy == count / 10
        assert (cycle.parameters, cycle.multiply_adds) == (4 * count + 1, 3 * count)
    if outputs is not ...:
        assert pruned.model(INPUTS).flatten().tolist() == outputs
    assert pruned.model[0].out_features == pruned.model[2].in_features == 1
    assert pruned.tied == {"0": ("0",)}


@NEEDS
def test_what_is_trained_is_the_slice_of_the_initial_weights_and_nothing_else_changes():
    model = convolutional()
    model[3].bias.requires_grad_(False)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    given = []

    def train(current):
        given.append({name: value.clone() for name, value in current.state_dict().items()})
        assert current.training
        assert [n for n, p in current.named_parameters() if not p.requires_grad] == ["3.bias"]
        with torch.no_grad():
            for value in current.state_dict().values():
                value.copy_(torch.full_like(value, 0.1))

    pruned = prune_model(
        model, [(IMAGES, None)], train, metric="random", prune_fraction=0.3, stop_fraction=0.2
    )
    assert len(given) == len(pruned.cycles) > 3
    for cycle, weights in zip(pruned.cycles, given, strict=True):
        first, second, third = (cycle.kept[name] for name in ("0", "3", "6"))
        positions = [4 * channel + position for channel in second for position in range(4)]
        expected = {
            "0.weight": before["0.weight"][first],
            "0.bias": before["0.bias"][first],
            **{f"1.{name}": before[f"1.{name}"][first] for name in ("weight", "bias")},
            **{f"1.running_{name}": before[f"1.running_{name}"][first] for name in ("mean", "var")},
            "1.num_batches_tracked": before["1.num_batches_tracked"],
            "3.weight": before["3.weight"][second][:, first],
            "3.bias": before["3.bias"][second],
            "6.weight": before["6.weight"][third][:, positions],
            "6.bias": before["6.bias"][third],
            "8.weight": before["8.weight"][:, third],
            "8.bias": before["8.bias"],
        }
        torch.testing.assert_close(weights, expected, rtol=0, atol=0)
    torch.testing.assert_close(dict(model.state_dict()), before, rtol=0, atol=0)
    assert model.training


@NEEDS
@pytest.mark.parametrize("metric", ["random", "random_layer", "apoz", "minimum_layer"])
def test_as_many_units_go_as_in_the_experiments_of_the_paper(metric):
    pruned = prune_model(
        convolutional(), [IMAGES], leave, metric=metric, prune_fraction=0.4, stop_fraction=0.5
    )
    counts = [sum(cycle.units.values()) for cycle in pruned.cycles]
    assert counts == remaining_counts([6, 4, 5], 0.4, 0.5, metric.endswith("_layer"))


@NEEDS
def test_the_seed_decides_what_chance_does_and_nothing_else():
    runs = [
        [
            cycle.kept
            for cycle in prune_model(
                convolutional(), [IMAGES], leave, metric="random", prune_fraction=0.5, seed=seed
            ).cycles
        ]
        for seed in (0, 0, 1)
    ]
    assert runs[0] == runs[1] != runs[2]


@NEEDS
@pytest.mark.parametrize("metric", ["minimum", "minimum_layer", "random"])
def test_one_unit_of_each_layer_stays_however_little_is_wanted(metric):
    pruned = prune_model(
        convolutional(), [IMAGES], leave, metric=metric, prune_fraction=0.9, stop_fraction=0.01
    )
    assert pruned.cycles[-1].units == {"0": 1, "3": 1, "6": 1}
    assert pruned.model(IMAGES).shape == (4, 3)


@NEEDS
@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"metric": "minimun"}, ["'minimun' is not allowed", "did you mean 'minimum'"]),
        (
            {"metric": "taylor"},
            [
                "metric: 'taylor' measures more than activations, and is not allowed here; allowed:"
                " apoz, apoz_notebook, maximum, minimum, random, each also with _layer behind it"
            ],
        ),
        ({"metric": "oracle_layer"}, ["metric: 'oracle_layer' measures more than activations"]),
        ({"prune_fraction": "0.2"}, ["prune_fraction: '0.2' is not allowed"]),
        ({"stop_fraction": None}, ["stop_fraction: None is not allowed"]),
        ({"train": None}, ["train: None is not allowed; allowed: a function"]),
        ({"evaluate": 0.5}, ["evaluate: 0.5 is not allowed; allowed: a function"]),
        ({"after_cycle": []}, ["after_cycle: [] is not allowed; allowed: a function"]),
        ({"evaluate": leave}, ["evaluate: returned a NoneType; allowed: one number"]),
        ({"train": nn.Module.double}, ["train: left a model that fails", "precision"]),
        ({"samples": None}, ["samples: are of <class 'NoneType'>; allowed: batches"]),
        ({"samples": IMAGES}, ["samples: are of <class 'torch.Tensor'>; allowed: batches"]),
        ({"samples": TensorDataset(IMAGES)}, ["TensorDataset'>; allowed: batches"]),
        ({"samples": [IMAGES[:0]]}, ["a batch has the shape [0, 1, 6, 6]; allowed: one or more"]),
        ({"samples": [torch.tensor(1.0)]}, ["samples: a batch has the shape []"]),
        ({"samples": [IMAGES, IMAGES[..., :4]]}, ["batch of the shape [4, 1, 6, 4]", "[1, 6, 6]"]),
        ({"samples": [IMAGES * math.nan]}, ["model: its outputs", "not all finite"]),
        ({"prune_fraction": 1}, ["prune_fraction: 1 is not allowed"]),
        ({"prune_fraction": float("nan")}, ["prune_fraction: nan is not allowed"]),
        ({"stop_fraction": 0}, ["stop_fraction: 0 is not allowed; allowed: between 0 and 1"]),
        ({"samples": []}, ["samples: no batch came", "as a DataLoader"]),
        (
            {"samples": iter([IMAGES])},
            ["samples: no batch came", "a generator ends with the first"],
        ),
        ({"samples": [{"x": IMAGES}]}, ["samples: a batch is a dict; allowed: a tensor"]),
        ({"samples": [()]}, ["samples: a batch is a tuple"]),
        ({"model": nn.ReLU()}, ["model: has no parameters"]),
        ({"model": nn.Linear}, ["model: is of <class 'type'>; allowed: a torch.nn.Module"]),
        ({"model": convolutional().to("meta")}, ["'0.weight' has no values (device meta)"]),
        ({"model": torch.jit.script(by_hand())}, ["model: is compiled (RecursiveScriptModule)"]),
        (
            {"model": nn.Sequential(torch.compile(by_hand()))},
            ["model: layer '0' is compiled (OptimizedModule)"],
        ),
        ({"model": masked_by_torch()}, ["model: cannot be copied (RuntimeError: ", ".prune"]),
    ],
)
def test_what_is_not_allowed_is_one_line(changes, words):
    arguments = {"model": convolutional(), "samples": [IMAGES], "train": leave, **changes}
    with pytest.raises(UserError) as caught:
        prune_model(**arguments)
    line = str(caught.value)
    assert "\n" not in line
    assert all(word in line for word in words), line


def test_without_torch_pruning_one_line_says_how_to_get_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "torch_pruning", None)
    with pytest.raises(UserError, match="Torch-Pruning is needed .*`make own-model` adds it"):
        prune_model(convolutional(), [IMAGES], leave)
