"""How methods look: told apart without colour, alike where they belong together."""

import matplotlib
import pytest
import seaborn
from matplotlib.colors import to_rgb

from dropnet.figures.style import FAMILIES, STYLES, by_marker, context, handle, styles
from dropnet.metrics import METRICS


@pytest.mark.parametrize(
    "methods", [list(STYLES)[:9], [f"minimum (p={p})" for p in (0.2, 0.3, 0.4, 0.5, 0.9)]]
)
def test_methods_differ_without_colour(methods):
    looks = {(s.marker, s.dashes, s.open_marker) for s in styles(methods).values()}
    assert len(looks) == len(methods)


def test_twenty_methods_differ():
    methods = [f"minimum (p={p / 100})" for p in range(20)]
    assert len(set(styles(methods).values())) == 20


def test_colours_are_those_for_any_colour_vision():
    palette = {*seaborn.color_palette("colorblind").as_hex(), "#000000"}
    assert {style.colour for style in STYLES.values()} <= palette


def test_global_and_layer_forms_share_a_hue():
    for method in ("minimum", "maximum", "random", "apoz"):
        assert STYLES[method].colour == STYLES[f"{method}_layer"].colour


def test_unknown_methods_get_styles_of_their_own_beside_the_known_ones():
    made = styles(["minimum", "one", "two"])
    assert made["minimum"] == STYLES["minimum"]
    assert len({style.colour for style in made.values()}) == 3


def test_a_pruning_fraction_looks_alike_whatever_is_beside_it():
    few, more = (
        styles([f"minimum (p={p})" for p in fractions])
        for fractions in ((0.3, 0.9), (0.2, 0.3, 0.4, 0.5, 0.9))
    )
    assert all(more[method] == style for method, style in few.items())


def test_a_series_goes_from_dark_to_light():
    made = styles([f"minimum (p={p})" for p in (0.2, 0.3, 0.4, 0.5, 0.9)])
    greys = [
        0.299 * red + 0.587 * green + 0.114 * blue
        for red, green, blue in (to_rgb(style.colour) for style in made.values())
    ]
    assert greys == sorted(greys)


def test_every_method_is_drawn_once_and_full_markers_over_open_ones():
    looks = styles(["minimum", "minimum_layer", "random", "another"])
    parts = list(by_marker(looks))
    assert [list(chosen) for chosen, _ in parts] == [
        ["minimum_layer"],
        ["minimum", "random", "another"],
    ]
    assert parts[0][1]["zorder"] < parts[1][1]["zorder"]


@pytest.mark.parametrize("method", ["minimum", "random_layer"])
def test_a_legend_shows_what_is_drawn(method):
    line, style = handle(STYLES[method]), STYLES[method]
    assert (line.get_color(), line.get_marker()) == (style.colour, style.marker)
    assert line.is_dashed() == bool(style.dashes)
    assert (line.get_markerfacecolor() == "white") == style.open_marker


def test_within_the_context_no_setting_of_the_machine_counts():
    with context():
        ours = dict(matplotlib.rcParams)
    with matplotlib.rc_context({"font.size": 20, "svg.fonttype": "none", "lines.linewidth": 9}):
        before = dict(matplotlib.rcParams)
        with context():
            assert dict(matplotlib.rcParams) == ours
        assert dict(matplotlib.rcParams) == before


def test_each_metric_that_a_family_lists_is_one():
    listed = [metric for family in FAMILIES.values() for metric in family]
    assert len(listed) == len(set(listed))
    assert set(listed) <= METRICS.keys()
