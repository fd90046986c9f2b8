"""Names of methods, their variants, and what a figure calls them."""

import pytest

from dropnet.config.methods import Method, methods_of, parse, run_of
from dropnet.errors import UserError
from dropnet.metrics import METRICS


def test_a_name_says_metric_and_variant():
    assert parse("minimum") == Method("minimum", "minimum")
    assert parse("apoz_layer (p=0.35)") == Method("apoz_layer (p=0.35)", "apoz_layer", 0.35)
    assert parse("minimum (random_init)") == Method(
        "minimum (random_init)", "minimum", variant="random_init"
    )


def test_folders_are_plain_words_and_never_shared():
    names = [
        f"{metric}{variant}"
        for metric in METRICS
        for variant in ("", " (random_init)", " (p=0.3)", " (p=0.03)", " (p=1e-05)")
    ]
    folders = [parse(name).folder for name in names]
    assert parse("minimum (p=0.3)").folder == "minimum_p0.3"
    assert parse("minimum (random_init)").folder == "minimum_random_init"
    assert len(set(folders)) == len(names)
    assert all(set(f) <= set("abcdefghijklmnopqrstuvwxyz_.-0123456789") for f in folders)


@pytest.mark.parametrize(
    "name",
    ["", "minimun", "minimum ", " minimum", "minimum (p=)", "minimum (p=1.5)", "minimum (p=-1)",
     "minimum (p=.3)", "minimum (p=0.30)", "minimum (p=0.3) (random_init)", "minimum (random)",
     "minimum (p=inf)", "minimum (p=0.3)\n", "minimum\n", "minimum/../x", "minimum (p=0_1)"],
)  # fmt: skip
def test_anything_else_is_refused_in_one_line(name):
    with pytest.raises(UserError, match="is not a method") as error:
        parse(name)
    assert "allowed" in str(error.value)


def test_a_figure_may_name_the_p_that_the_experiment_has():
    experiment = {"prune_fraction": 0.2, "methods": ["minimum", "minimum (p=0.3)"]}
    assert run_of("minimum (p=0.2)", 0.2) == methods_of(experiment)[0]
    assert run_of("minimum (p=0.3)", 0.2) == methods_of(experiment)[1]
    assert run_of("minimum", 0.2).name == "minimum"
    assert run_of("minimum (random_init)", 0.2).parent == "minimum"
