"""Pictures of criteria: what is drawn, and what is said of it."""

import numpy as np
import pandas as pd
import pytest
from matplotlib.colors import to_hex
from PIL import Image

from dropnet.criteria.contrasts import BETTER, NO_DIFFERENCE, UNDECIDED, WORSE
from dropnet.criteria.layers import shares
from dropnet.criteria.ranks import rank
from dropnet.errors import UserError
from dropnet.figures import agreement, contrasts, families, layers, page, ranks
from dropnet.figures.style import (
    CHOSEN,
    CONTROLS,
    FAMILIES,
    REFERENCES,
    UNSHOWN,
    YOURS,
    context,
    family,
    family_styles,
)
from dropnet.tables.columns import AGREEMENT, CRITERIA
from helpers.made_up_runs import flat, made_up

NOTE = "Scale preview. Not evidence."


def said(figure):
    return " ".join(page.words(figure))


def contrast(experiment, criterion, low, effect, verdict, ranks_say=""):
    layer = criterion.endswith("_layer")
    return {
        **dict.fromkeys(CRITERIA, np.nan),
        **{"experiment": experiment, "criterion": criterion, "effect": effect, "seeds": 5},
        **{"reference": "random_layer" if layer else "random"},
        **{"low": low, "high": {0.2: 0.5, 0.05: 0.2}[low]},
        **{"ci_low": effect - 0.01, "ci_high": effect + 0.01},
        **{"verdict": verdict, "ranks": ranks_say, "reason": ""},
    }


CONTRASTS = pd.DataFrame(
    [
        contrast("A", "minimum", 0.2, 0.005, NO_DIFFERENCE),
        contrast("A", "minimum_layer", 0.2, 0.03, BETTER),
        contrast("A", "maximum", 0.2, -0.05, WORSE),
        contrast("B", "minimum", 0.2, 0.001, NO_DIFFERENCE),
        contrast("A", "minimum", 0.05, -0.001, NO_DIFFERENCE, BETTER),
        contrast("A", "maximum", 0.05, -0.05, WORSE, WORSE),
        contrast("B", "maximum", 0.05, 0, UNDECIDED) | {"reason": "both are near chance"},
        contrast("A", "minimum", 0.2, 0.5, BETTER) | {"reference": "minimum (shuffled)"},
    ]
)


def markers(axes):
    """(x, row, colour, whether open) of every marker."""
    return {
        (round(line.get_xdata()[0], 6), round(line.get_ydata()[0], 2)): (
            to_hex(line.get_color()).upper(),
            line.get_markerfacecolor() == "white",
        )
        for line in axes.get_lines()
        if line.get_marker() in ("o", "s")
    }


def test_a_band_is_sorted_and_colours_are_what_the_corrected_tests_say():
    figure = contrasts.plot(CONTRASTS, NOTE)
    first, second, third, fourth = figure.axes
    assert [label.get_text() for label in first.get_yticklabels()] == ["minimum", "maximum"]
    above, below = -contrasts.ASIDE, contrasts.ASIDE
    grey, blue, red = UNSHOWN.upper(), CHOSEN["better"].upper(), CHOSEN["worse"].upper()
    assert markers(first) == {
        (0.5, round(above, 2)): (grey, False),
        (3, round(below, 2)): (blue, True),
        (-5, round(1 + above, 2)): (red, False),
    }
    assert markers(second) == {(0.1, round(above, 2)): (grey, False)}
    assert [text.get_text() for text in first.texts] == ["*", "*"]
    assert sorted(text.get_text() for text in third.texts) == ["*†", "†"]
    assert markers(fourth) == {}
    assert "Not shown, 1 of 7 contrasts: both are near chance." in said(figure)
    assert NOTE in said(figure)


def test_intervals_are_those_of_the_table_in_points():
    first = contrasts.plot(CONTRASTS, "").axes[0]
    ends = {tuple(np.round(s[:, 0], 6)) for c in first.collections for s in c.get_segments()}
    assert ends == {(-0.5, 1.5), (2, 4), (-6, -4)}


def test_one_far_effect_makes_the_axis_logarithmic_and_it_says_so():
    far = pd.DataFrame(
        [
            contrast("A", "maximum", 0.2, -0.6, WORSE),
            *(contrast("A", f"m{n}", 0.2, n / 1000, NO_DIFFERENCE) for n in range(5)),
        ]
    )
    assert "logarithmic" in contrasts.plot(far, "").axes[0].get_xlabel()
    assert "logarithmic" not in contrasts.plot(CONTRASTS, "").axes[0].get_xlabel()


def test_where_nothing_is_decided_the_page_says_why():
    figure = contrasts.plot(CONTRASTS[CONTRASTS["verdict"] == UNDECIDED], NOTE)
    assert "1 of 1 contrasts: both are near chance" in said(figure)


def test_each_metric_is_of_one_family_and_unknown_ones_are_yours():
    listed = [metric for metrics in FAMILIES.values() for metric in metrics]
    assert len(listed) == len(set(listed))
    assert family("taylor") == "gradients and curvature"
    assert family("taylor", "shuffled") == family("random") == family("oracle") == CONTROLS
    assert family("what_somebody_added") == YOURS
    for metrics in FAMILIES.values():
        looks = family_styles(metrics)
        assert len({(s.colour, s.marker) for s in looks.values()}) == len(metrics)
    many = family_styles([f"m{n}" for n in range(40)])
    assert len({s.colour for s in many.values()}) == 40


RUNS = made_up(
    {
        "minimum": [flat(0.97, 0.9), flat(0.97, 0.92)],
        "random": [flat(0.97, 0.8)] * 2,
        "random_layer": [flat(0.97, 0.85)] * 2,
        "fpgm": [flat(0.97, 0.7)] * 2,
        "fpgm_layer": [flat(0.97, 0.6)] * 2,
        "mine": [flat(0.97, 0.95)] * 2,
        "minimum (shuffled)": [flat(0.97, 0.75)] * 2,
    }
)


def curves(axes):
    """The error at the end of each line, by its colour and whether it is dashed."""
    return {
        (to_hex(line.get_color()).upper(), line.is_dashed()): round(line.get_ydata()[-1], 6)
        for line in axes.get_lines()
    }


def test_a_panel_for_each_family_with_the_references_grey():
    figure = families.accuracies(RUNS, "nodes", NOTE)
    panels = {axes.get_title(loc="left"): axes for axes in figure.axes}
    assert list(panels) == ["weights", "activations", "yours", "controls"]
    own = to_hex(family_styles(["fpgm"])["fpgm"].colour).upper()
    grey = {name: colour.upper() for name, colour in REFERENCES.items()}
    assert curves(panels["weights"]) == {
        (grey["minimum"], False): 0.09,
        (grey["random"], False): 0.2,
        (grey["random"], True): 0.15,
        (own, False): 0.3,
        (own, True): 0.4,
    }
    # a reference has a colour where it is at home
    assert grey["minimum"] not in {colour for colour, _ in curves(panels["activations"])}
    legend = [text.get_text() for text in panels["controls"].get_legend().get_texts()]
    assert legend == ["random", "minimum (shuffled)"]
    assert "Mean of 2 runs; bars" in said(figure)


def test_ranks_are_written_into_their_cells_and_the_best_is_on_top():
    figure = ranks.plot(rank(RUNS, 10), "nodes", NOTE)
    axes = figure.axes[0]
    methods = [label.get_text() for label in axes.get_yticklabels()]
    assert methods[0] == "mine"
    assert methods[-1] == "fpgm_layer"
    assert axes.texts[0].get_text() == "1.0±0.0"
    assert len(axes.texts) == 10 * len(methods)
    with pytest.raises(UserError, match="no rows"):
        ranks.plot(rank(RUNS, 10).iloc[:0], "nodes", "")


def test_ranks_of_networks_at_chance_are_not_shown():
    bad = made_up({"a": [[0.97, 0.9, 0.5, 0.1, 0.1]] * 2, "b": [[0.97, 0.9, 0.4, 0.1, 0.1]] * 2})
    figure = ranks.plot(rank(bad, 10), "nodes", "")
    assert "Not shown, all near chance: 0.2, " in said(figure)
    assert "0.1" not in [label.get_text() for label in figure.axes[0].get_xticklabels()]


def test_layers_show_what_global_criteria_keep():
    kept = {
        "minimum": ((40, 40), (10, 30), (4, 12)),
        "minimum_layer": ((40, 40), (20, 20), (8, 8)),
    }
    runs = made_up({name: [flat(0.97, 0.9, 3)] for name in kept}, kept=kept)
    figure = layers.plot(shares(runs), NOTE)
    half, fifth, _ = figure.axes
    assert [label.get_text() for label in half.get_yticklabels()] == ["minimum"]
    assert [text.get_text() for text in half.texts] == ["25", "75"]
    assert [text.get_text() for text in fifth.texts] == ["10", "30"]
    assert half.collections[0].get_array().ravel().tolist() == pytest.approx([-1, np.log2(1.5)])


def test_agreement_is_what_is_beyond_chance():
    rows = [("A", "minimum", seed, 0.5, 0.75 + 0.05 * seed, 0.5) for seed in (0, 1)]
    table = pd.DataFrame(rows, columns=list(AGREEMENT))
    axes = agreement.plot(table, "nodes", NOTE).axes[0]
    drawn = [line for line in axes.get_lines() if line.get_marker() == "o"]
    assert drawn[0].get_ydata() == pytest.approx([0.55])  # of .5 and .6
    with pytest.raises(UserError, match="no rows"):
        agreement.plot(table.iloc[:0], "nodes", "")


@pytest.mark.slow
@pytest.mark.parametrize("methods", [2, 40])
def test_nothing_is_cut_off_however_many_methods_there_are(methods):
    names = ["minimum", "random", *(f"criterion_{n}" for n in range(methods - 2))]
    runs = made_up({m: [flat(0.97, 0.9 - n / 100)] * 2 for n, m in enumerate(names)})
    for figure in (
        families.accuracies(runs, "nodes", NOTE),
        ranks.plot(rank(runs, 10), "nodes", NOTE),
        layers.plot(shares(runs), NOTE),
    ):
        box = figure.get_tightbbox()
        width, height = figure.get_size_inches()
        assert box.x0 >= -0.02
        assert box.x1 <= width + 0.02
        assert box.y0 >= -0.02
        assert box.y1 <= height + 0.02


@pytest.mark.slow
def test_a_scale_of_colours_keeps_its_colours(tmp_path):
    """Although the picture has a palette: a cell's colour is looked up in the scale beside it."""
    runs = made_up({f"m{n}": [flat(0.97, 0.9 - n / 20)] * 2 for n in range(9)})
    figure = ranks.plot(rank(runs, 10), "nodes", NOTE)
    page.save_png(figure, tmp_path / "few.png")
    with context():
        figure.savefig(tmp_path / "all.png", dpi=page.DPI)
    few, every = (
        np.asarray(Image.open(tmp_path / name).convert("RGB")).astype(int)
        for name in ("few.png", "all.png")
    )
    assert np.abs(few - every).max() <= 12
