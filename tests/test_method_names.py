"""Methods by their names."""

import pytest

from dropnet.method_names import MethodName


@pytest.mark.parametrize(
    ("name", "parts"),
    [
        ("minimum", ("minimum", False, "")),
        ("l2_norm_fan_in_layer", ("l2_norm_fan_in", True, "")),
        ("taylor_layer (p=0.3)", ("taylor", True, "p=0.3")),
        ("random (finetune)", ("random", False, "finetune")),
        ("_layer", ("_layer", False, "")),
        ("", ("", False, "")),
    ],
)
def test_a_name_is_taken_apart_and_put_together(name, parts):
    said = MethodName.of(name)
    assert (said.metric, said.per_layer, said.variant) == parts
    assert said.name == name
