"""What a method is compared with."""

import pytest

from dropnet.criteria.names import pairs, references
from dropnet.method_names import MethodName


@pytest.mark.parametrize(
    ("method", "expected"),
    [
        ("minimum", ["random", "minimum (shuffled)"]),
        ("l2_norm_fan_in_layer", ["random_layer", "l2_norm_fan_in_layer (shuffled)"]),
        ("minimum (finetune)", ["random (finetune)"]),
        ("taylor_layer (p=0.3)", ["random_layer (p=0.3)"]),
        ("random", []),
        ("random_layer", []),
        ("random (finetune)", []),
        ("fpgm_layer (shuffled)", []),
    ],
)
def test_a_method_is_compared_with_what_differs_in_nothing_but_the_choice(method, expected):
    assert references(method) == expected
    assert MethodName.of(method).name == method


def test_a_method_is_paired_with_what_the_experiment_has():
    methods = ["minimum", "minimum_layer", "random", "minimum (shuffled)", "minimum (finetune)"]
    assert pairs(methods) == [("minimum", "random"), ("minimum", "minimum (shuffled)")]
    assert pairs(["random", "random_layer"]) == []
