"""How much can go, as a picture: every method, and nothing that nobody trained."""

import math

import pandas as pd
import pytest

from dropnet.errors import UserError
from dropnet.figures import page
from dropnet.figures.removable import plot

METHODS = ["minimum", "minimum_layer", "minimum (random_init)", "minimum (p=0.3)"]


def make_table(experiments=("A", "B"), methods=METHODS, **columns):
    rows = [
        {
            "experiment": experiment,
            "method": method,
            "margin": 0.01,
            "seeds": 15,
            "removable": 0.4 + 0.1 * place,
            "crossed": True,
            "ci_low": 0.3 + 0.1 * place,
            "ci_high": 0.45 + 0.1 * place,
            "at_chance": False,
            **columns,
        }
        for experiment in experiments
        for place, method in enumerate(methods)
    ]
    return pd.DataFrame(rows)


def without_shares(table, **columns):
    return table.assign(removable=math.nan, ci_low=math.nan, ci_high=math.nan, **columns)


def dots(axes):
    """The dots by the row of their method."""
    found = {}
    for line in axes.get_lines():
        if line.get_marker() not in ("None", ""):
            found |= {
                round(y): x for x, y in line.get_xydata() if not math.isnan(x) and 0 <= y < 1000
            }
    return dict(sorted(found.items()))


def ranges(axes):
    """The ends of the bars by row."""
    return {
        round(line.get_ydata()[0]): tuple(line.get_xdata())
        for line in axes.get_lines()
        if line.get_marker() in ("None", "")
        and len(set(line.get_ydata())) == 1
        and line.get_transform() == axes.transData
        and not any(map(math.isnan, line.get_xdata()))
    }


def names(axes):
    """The names of methods by row."""
    return {
        round(row): label.get_text()
        for row, label in zip(axes.get_yticks(), axes.get_yticklabels(), strict=True)
    }


def words(figure):
    return list(page.words(figure))


def test_every_variant_has_its_dot_and_range_beside_its_name():
    (axes,) = plot(make_table(), 0.01, "").axes
    assert list(names(axes).values()) == METHODS * 2
    of_row = dots(axes)
    assert list(of_row) == list(names(axes))
    assert list(of_row.values()) == pytest.approx([0.4, 0.5, 0.6, 0.7] * 2)
    for row, (low, high) in ranges(axes).items():
        assert (low, high) == pytest.approx((of_row[row] - 0.1, of_row[row] + 0.05))
    assert len(ranges(axes)) == 8


def test_experiments_are_named_with_their_runs():
    (axes,) = plot(make_table(), 0.01, "").axes
    assert [text.get_text() for text in axes.texts] == ["A: 15 runs", "B: 15 runs"]


def test_what_has_no_share_is_left_out_and_named_with_the_reason():
    alone = without_shares(make_table(["B"]), seeds=1, crossed=False)
    at_chance = without_shares(make_table(["C"]), at_chance=True, crossed=False)
    figure = plot(pd.concat([make_table(["A"]), alone, at_chance]), 0.01, "")
    assert len(dots(figure.axes[0])) == 4
    assert [text.get_text() for text in figure.axes[0].texts] == ["A: 15 runs"]
    note = words(figure)[1]
    assert "Not shown, near chance: C. Not shown, single runs: B." in note
    assert "Arrows" not in note


def test_a_page_on_which_nothing_has_a_share_says_why(tmp_path):
    figure = plot(without_shares(make_table(), at_chance=True), 0.01, "Not evidence.")
    assert "Not shown, near chance: A, B." in words(figure)[1]
    page.save(figure, tmp_path / "a.png", tmp_path / "a.svg")
    assert "near chance: A, B." in (tmp_path / "a.svg").read_text()


def test_a_margin_that_is_never_crossed_is_told_by_an_arrow():
    table = make_table(["A"], crossed=False)
    (axes,) = plot(table, 0.01, "").axes
    arrows = [text for text in axes.texts if not text.get_text()]
    assert [arrow.xy for arrow in arrows] == [
        pytest.approx((0.4 + 0.1 * place, place + 1)) for place in range(4)
    ]
    assert "Arrows: it stays above that as far as all runs go" in words(plot(table, 0.01, ""))[1]
    assert "Arrows" not in words(plot(make_table(), 0.01, ""))[1]


@pytest.mark.slow
@pytest.mark.parametrize("experiments", [1, 2, 11, 30])
def test_long_tables_are_two_columns_and_lose_nothing(experiments):
    table = make_table([f"Conv128-Conv128-Conv256-Conv{n}" for n in range(experiments)])
    figure = plot(table, 0.01, "Scale preview. Not evidence.")
    assert len(figure.axes) == (1 if experiments * 5 <= 45 else 2)
    assert sum(len(dots(axes)) for axes in figure.axes) == len(table)
    headings = [text.get_text() for axes in figure.axes for text in axes.texts]
    assert headings == [f"{name}: 15 runs" for name in dict.fromkeys(table["experiment"])]
    figure.draw_without_rendering()
    bounds = [axes.get_figure(root=False).bbox for axes in figure.axes]
    for axes, bound in zip(figure.axes, bounds, strict=True):
        for text in [*axes.texts, *axes.get_yticklabels()]:
            box = text.get_window_extent()
            assert bound.x0 <= box.x0
            assert box.x1 <= bound.x1, "names stay in their column"


def test_only_rows_of_the_margin_are_drawn():
    table = pd.concat([make_table(), make_table(margin=0.02, removable=0.9)])
    assert max(dots(plot(table, 0.01, "").axes[0]).values()) < 0.8
    assert (
        words(plot(table, 0.02, ""))[0]
        == "How much can go within 2 points of the unpruned accuracy"
    )
    with pytest.raises(UserError, match="no rows with a margin of 0.005"):
        plot(table, 0.005, "")


def test_an_empty_table_is_refused_in_one_line():
    with pytest.raises(UserError, match="no rows with a margin"):
        plot(make_table().iloc[:0], 0.01, "")
