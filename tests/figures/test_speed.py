"""Accuracy against latency and multiply-adds, as a picture."""

import pandas as pd
import pytest

from dropnet.errors import UserError
from dropnet.figures import page
from dropnet.figures.speed import plot
from dropnet.tables.columns import SPEED


def make_table(speedups):
    """Networks of experiments with these speedups, each measured with 1 and 32 images."""
    rows = []
    for place, (experiment, speedup) in enumerate(speedups.items()):
        for batch in (1, 32):
            for method, rounding in (("baseline", 1), ("minimum", 1), ("minimum", 8)):
                times = 1 if method == "baseline" else speedup
                latency = 0.1 * batch / times
                rows.append(
                    {
                        **dict.fromkeys(SPEED, 0),
                        "at_chance": False,
                        **{"experiment": experiment, "method": method, "rounding": rounding},
                        **{"batch": batch, "accuracy": 0.9 - 0.1 * place - 0.005 * (times != 1)},
                        **{"multiply_adds": 10_000 if method == "baseline" else 1_000},
                        **{"latency_ms": latency, "latency_low": 0.9 * latency},
                        **{"latency_high": 1.2 * latency, "speedup": times, "cpu": "A processor"},
                        **{"speedup_low": 0.95 * times, "speedup_high": 1.05 * times},
                    }
                )
    return pd.DataFrame(rows)


def points(axes):
    """The x of every marker."""
    return sorted(
        float(x)
        for line in axes.get_lines()
        if line.get_marker() not in ("None", "", None)
        for x in line.get_xdata()
    )


def test_a_panel_for_each_batch_and_one_for_multiply_adds(tmp_path):
    figure = plot(make_table({"A": 4, "B": 2}), "Scale preview.")
    one, many, adds = figure.axes
    assert points(one) == pytest.approx([0.025, 0.05, 0.1, 0.1])
    assert points(many) == pytest.approx([0.8, 1.6, 3.2, 3.2])
    assert points(adds) == [1000, 1000, 10_000, 10_000]
    assert one.get_xlabel() == "Latency of 1 image (ms)"
    page.save(figure, tmp_path / "a.png", tmp_path / "a.svg")
    assert "Scale preview." in (tmp_path / "a.svg").read_text()


def test_the_page_says_which_networks_became_slower():
    words = " ".join(page.words(plot(make_table({"A": 4, "B": 0.5}), "")))
    assert "1 of 2 faster and 1 SLOWER: B (0.50 times as fast)" in words
    assert "one thread of A processor" in words
    assert "SLOWER" not in " ".join(page.words(plot(make_table({"A": 4}), "")))


def test_an_empty_table_is_refused_in_one_line():
    with pytest.raises(UserError, match="no rows"):
        plot(make_table({}), "")
