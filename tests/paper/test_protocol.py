"""What is said of runs that are not by the paper's protocol."""

from dropnet.paper.protocol import caption


def test_a_picture_of_several_experiments_names_those_that_are_reduced():
    assert caption("paper", {"A": "", "B": ""}, "Not it") == ""
    assert caption("paper", {"A": "", "B": "few", "C": "less"}, "Not it") == (
        "Scale paper. Not it: B, C."
    )
    assert caption("small", {"A": "few", "B": "less"}, "Not it") == "Scale small. Not it."
