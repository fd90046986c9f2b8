"""What a figure is drawn from."""

import pandas as pd

from dropnet.paper.drawn import Drawn


def test_runs_that_an_experiment_lacks_are_those_of_the_first_that_is_trained_alike():
    made = [
        ("X", "minimum", 0, 0.1),
        ("Z", "random", 0, 0.2),
        ("Z", "maximum", 0, 0.3),
        ("Z", "minimum", 2, 0.4),
        ("Y", "minimum", 0, 0.5),
        ("Y", "minimum", 1, 0.6),
        ("Y", "maximum", 0, 0.7),
        ("other", "apoz", 0, 0.8),
    ]
    runs = pd.DataFrame(made, columns=["experiment", "method", "seed", "test_accuracy"])
    taken = Drawn("X", {}, "", 10, alike=["Y", "Z"]).runs_in(runs)
    assert taken.values.tolist() == [
        ["X", "minimum", 0, 0.1, "X"],
        ["X", "minimum", 1, 0.6, "Y"],
        ["X", "maximum", 0, 0.7, "Y"],
        ["X", "random", 0, 0.2, "Z"],
        ["X", "minimum", 2, 0.4, "Z"],
    ]
    assert runs.values.tolist() == [list(row) for row in made]  # left as they were
    alone = Drawn("X", {}, "", 10).runs_in(runs)
    assert alone.values.tolist() == [["X", "minimum", 0, 0.1, "X"]]
