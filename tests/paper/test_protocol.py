"""What is said of runs that are not by the paper's protocol."""

import copy
import json
from pathlib import Path

import pytest

from dropnet.config.check import load
from dropnet.config.plan import Plan
from dropnet.paper import protocol
from dropnet.paper.protocol import caption, reductions_of

SHIPPED = load(Path(__file__).parents[2] / "config.yaml")


def test_experiments_are_trained_alike_if_all_but_their_names_is_the_same():
    settings = {
        "A": {"experiment": "A", "dataset": "MNIST", "widths": [3], "patience": 5},
        "B": {"experiment": "B", "dataset": "MNIST", "widths": [3], "patience": 5},
        "older": {"experiment": "older", "dataset": "MNIST", "widths": [3]},
        "other": {"experiment": "other", "dataset": "MNIST", "widths": [4], "patience": 5},
    }
    assert protocol.trained_alike("A", settings) == ["B", "older"]
    assert protocol.trained_alike("other", settings) == []


def test_a_picture_of_several_experiments_names_those_that_are_reduced():
    assert caption("paper", {"A": "", "B": ""}, "Not it") == ""
    assert caption("paper", {"A": "", "B": "few", "C": "less"}, "Not it") == (
        "Scale paper. Not it: B, C."
    )
    assert caption("small", {"A": "few", "B": "less"}, "Not it") == "Scale small. Not it."
    assert caption("small", {"A": "few"}, "Not it") == "Scale small: few. Not it."


@pytest.mark.parametrize("sha256", ["0" * 64, None])
def test_data_of_another_sum_under_a_name_of_the_papers_are_not_the_papers(sha256):
    config = copy.deepcopy(SHIPPED)
    assert Plan(config).at("paper").reductions("FC40-FC40") == ""
    config["datasets"]["MNIST"]["sha256"] = sha256
    at_paper = Plan(config).at("paper")
    words = "data that are not pinned to the paper's sum"
    assert at_paper.reductions("FC40-FC40") == words
    # and so say the settings that a job records; older ones, without a sum, had the paper's
    settings = json.loads(at_paper.settings("FC40-FC40").to_json())
    assert reductions_of(settings) == words
    del settings["data"]
    assert reductions_of(settings) == ""


def test_data_that_the_paper_does_not_have_need_no_sum():
    config = copy.deepcopy(SHIPPED)
    config["datasets"]["Mine"] = config["datasets"]["MNIST"] | {"sha256": None}
    config["experiments"]["Mine"] = config["experiments"]["FC40-FC40"] | {"dataset": "Mine"}
    assert Plan(config).at("paper").reductions("Mine") == ""
    assert Plan(config).at("paper").reductions("ResNet18-Tiny-ImageNet") == ""
