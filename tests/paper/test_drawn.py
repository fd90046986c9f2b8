"""What a figure is drawn from."""

import pandas as pd

from dropnet.paper.drawn import Drawn


def test_runs_of_methods_that_an_experiment_lacks_are_those_of_the_first_trained_alike():
    made = [
        ("X", "minimum", 0.1),
        ("Z", "random", 0.2),
        ("Z", "maximum", 0.3),
        ("Y", "minimum", 0.4),
        ("Y", "maximum", 0.5),
        ("other", "apoz", 0.6),
    ]
    runs = pd.DataFrame(made, columns=["experiment", "method", "test_accuracy"])
    drawn = Drawn("X", {}, "", 10, alike=["Y", "Z"])
    taken = drawn.runs_in(runs)
    assert taken.values.tolist() == [
        ["X", "minimum", 0.1],
        ["X", "maximum", 0.5],
        ["X", "random", 0.2],
    ]
    assert runs.values.tolist() == [list(row) for row in made]  # left as they were
    assert Drawn("X", {}, "", 10).runs_in(runs).values.tolist() == [["X", "minimum", 0.1]]
