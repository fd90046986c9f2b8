"""The paper's figures: what their axes, legend and face say, and what lies behind and below."""

import json
import math

import pandas as pd
import pytest
from matplotlib.colors import to_hex
from matplotlib.text import Text

from dropnet.errors import UserError
from dropnet.figures import page
from dropnet.figures.curves import Face, header, plot
from dropnet.figures.style import STYLES
from dropnet.files.csv_tables import write_table
from dropnet.paper.comparison import differences
from helpers.scripts import run_script

SIX = ["minimum", "maximum", "random", "minimum_layer", "maximum_layer", "random_layer"]
REDUCED = "3 of 15 seeds, the first 10,000 training images"


def make_curve(methods=SIX, quantity="accuracy", values=(0.97, 0.9, 0.3), **columns):
    """Curves that fall from the left to the right, each method's a little lower than the last."""
    rows = [
        {
            "figure": "fig03",
            "experiment": "FC40-FC40",
            "dataset": "MNIST",
            "split": "test",
            "method": method,
            "fraction_remaining": fraction,
            quantity: value - 0.01 * place,
            "ci95": 0.02,
            "runs": 3,
            "diverged": 0,
            **columns,
        }
        for place, method in enumerate(methods)
        for fraction, value in zip((1.0, 0.4, 0.05), values, strict=True)
    ]
    return pd.DataFrame(rows)


def make_face(**changes):
    face = {
        "title": "Figure 3. Model A: FC40 - FC40",
        "scale": "preview",
        "reductions": REDUCED,
        "shows": "test_accuracy",
    }
    return Face(**face | {"note": "Not evidence"} | changes)


def words(figure):
    """All that is written on the face of a figure, the axes and legend aside."""
    return list(page.words(figure))


def line_of(axes, method):
    """The line of a method: that of its colour, which is full for the whole network's form."""
    style = STYLES[method]
    face = "white" if style.open_marker else to_hex(style.colour)
    (line,) = [
        line
        for line in axes.get_lines()
        if line.get_zorder() >= 3  # the paper's lie below
        and to_hex(line.get_color()) == to_hex(style.colour)
        and to_hex(line.get_markerfacecolor()) == to_hex(face)
    ]
    return line


def markers_of(line):
    """The positions of a line's markers on the page, in pixels, and their radius."""
    points = line.get_xydata()
    shown = line.get_markevery()
    points = points if shown is None else points[list(shown)]
    radius = (line.get_markersize() + line.get_markeredgewidth()) / 2
    return line.get_transform().transform(points), radius * line.figure.dpi / 72


# ------------------------------------------------------------------------------- axes


def test_fraction_axis_is_logarithmic_inverted_and_holds_every_point():
    axes = plot(make_curve(), make_face()).axes[0]
    left, right = axes.get_xlim()
    assert axes.get_xscale() == "log"
    assert left >= 1 > 0.05 >= right
    labels = [axes.xaxis.get_major_formatter()(x) for x in axes.get_xticks()]
    assert labels == ["1", "0.5", "0.2", "0.1", "0.05"]
    assert axes.get_xlabel() == "Fraction of nodes remaining"


def test_points_are_at_their_true_fractions_and_values():
    curve = make_curve()
    axes = plot(curve, make_face()).axes[0]
    assert len(axes.get_lines()) == len(SIX)
    for method, rows in curve.groupby("method"):
        line = line_of(axes, method)
        assert line.get_xdata().tolist() == rows["fraction_remaining"].tolist()
        assert line.get_ydata().tolist() == rows["accuracy"].tolist()


def test_lines_have_the_looks_of_their_methods():
    axes = plot(make_curve(), make_face()).axes[0]
    for method in SIX:
        line, style = line_of(axes, method), STYLES[method]
        assert line.get_marker() == style.marker
        assert line.is_dashed() == bool(style.dashes)
    heights = [line_of(axes, method).get_zorder() for method in ("minimum", "minimum_layer")]
    assert heights == sorted(heights, reverse=True)
    assert axes.get_lines()[-1] is line_of(axes, "minimum"), "DropNet's is drawn last, on top"


def test_bars_span_the_interval():
    axes = plot(make_curve(["minimum"]), make_face()).axes[0]
    (bars,) = axes.collections
    assert [tuple(bar[:, 1]) for bar in bars.get_segments()] == [
        (value - 0.02, value + 0.02) for value in (0.97, 0.9, 0.3)
    ]


def test_accuracy_axis_holds_every_bar_and_starts_at_zero_if_curves_fall_far():
    axes = plot(make_curve(), make_face()).axes[0]
    low, high = axes.get_ylim()
    assert -0.05 <= low <= 0
    assert 0.99 <= high <= 1.05
    ticks = [tick for tick in axes.get_yticks() if low <= tick <= high]
    assert min(ticks) >= 0
    assert max(ticks) <= 1.0001


EXTREME = {
    "at 1 and at chance": (1.0, 0.9, 0.0),
    "at once": (1.0, 0.0, 0.0),
    "flat": (1.0, 1.0, 1.0),
    "at the edge of the close-up": (0.97, 0.871, 0.869),
    "in the paper's range": (0.97, 0.9, 0.3),
}


@pytest.mark.slow
@pytest.mark.parametrize("values", EXTREME.values(), ids=EXTREME)
@pytest.mark.parametrize("by", [0.001, -0.3, 0.8])
def test_no_marker_touches_an_axis(values, by):
    """Whatever the values, in any panel; also where differences are on a logarithmic axis."""
    curve = make_curve(["minimum", "maximum_layer"], values=values)
    curve["accuracy"] = curve["accuracy"].clip(lower=0)
    paper = paper_of(curve)
    paper.loc[paper.index[-1], "accuracy"] -= by
    figure = plot(curve, make_face(), paper)
    figure.draw_without_rendering()
    for axes in figure.axes:
        box = axes.get_window_extent()
        lines = [line for line in axes.get_lines() if line.get_marker() not in ("None", "")]
        assert lines
        for line in lines:
            points, radius = markers_of(line)
            assert (points >= (box.x0 + radius, box.y0 + radius)).all()
            assert (points <= (box.x1 - radius, box.y1 - radius)).all()
    assert all(len(markers_of(line)[0]) == 3 for line in figure.axes[0].get_lines()[:2])


def test_flat_curves_are_not_magnified_into_noise():
    figure = plot(make_curve(["minimum"], values=(0.985, 0.984, 0.983), ci95=0.0), make_face())
    (axes,) = figure.axes  # no close-up either
    low, high = axes.get_ylim()
    assert low <= 0.935
    assert 0.985 <= high <= 1.01


def test_close_up_shows_the_best_accuracies():
    _, close_up = plot(make_curve(), make_face()).axes
    low, high = close_up.get_ylim()
    left, right = close_up.get_xlim()
    assert 0.865 < low < 0.87
    assert high > 0.97
    assert left >= 1 > 0.4 >= right > 0.05
    assert close_up.get_title(loc="left") == "close-up: the highest 0.1 of accuracy"
    # a bar without its point would mislead
    assert [len(bars.get_segments()) for bars in close_up.collections] == [2, 2, 2, 2, 1, 1]
    markers = [len(markers_of(line_of(close_up, method))[0]) for method in SIX]
    assert markers == [2, 2, 2, 2, 1, 1]


def test_close_up_shows_some_way_where_the_best_accuracy_is_lost_at_once():
    _, close_up = plot(make_curve(["minimum"], values=(0.97, 0.3, 0.3)), make_face()).axes
    assert close_up.get_xlim()[1] <= 0.5


def test_epochs_start_at_zero_and_have_their_own_label():
    curve = make_curve(["minimum"], "epochs", values=(31.0, 40.0, 100.0))
    (axes,) = plot(curve, make_face(shows="epochs", unit="filters")).axes
    low, high = axes.get_ylim()
    assert -5 < low <= 0
    assert high > 100.02
    assert axes.get_ylabel() == "Epochs of training"
    assert axes.get_xlabel() == "Fraction of filters remaining"


def test_points_that_cannot_be_drawn_are_left_out_and_said():
    curve = make_curve(["minimum"])
    curve.loc[2, "fraction_remaining"] = 0.0
    figure = plot(curve, make_face())
    assert figure.axes[0].get_lines()[0].get_xdata().tolist() == [1, 0.4]
    assert "Networks without nodes are not drawn." in words(figure)[1]
    (axes,) = plot(curve.iloc[2:], make_face()).axes
    assert [text.get_text() for text in axes.texts] == ["no points to draw"]


def test_where_all_networks_diverged_a_figure_of_their_loss_says_so(tmp_path):
    lost = {"runs": 0, "diverged": 3, "ci95": math.nan}
    curve = make_curve(["minimum", "random"], "loss", values=(math.nan,) * 3, **lost)
    figure = plot(curve, make_face(shows="test_loss"))
    (axes,) = figure.axes
    assert [text.get_text() for text in axes.texts] == ["no points to draw"]
    assert words(figure)[1] == (
        "MNIST. Nothing to draw: no network has a finite loss. 15 of 15 networks diverged (left out"
        " of the mean)."
    )
    page.save(figure, tmp_path / "empty.png", tmp_path / "empty.svg")
    assert "no network has a finite loss" in (tmp_path / "empty.svg").read_text()


def test_missing_loss_is_a_gap():
    curve = make_curve(["minimum"], "loss", values=(0.1, math.nan, 0.3))
    (axes,) = plot(curve, make_face(shows="test_loss")).axes
    assert axes.get_lines()[0].get_ydata().tolist() == [0.1, 0.3]


# ------------------------------------------------------------------------------- legend


def legend_of(figure):
    (legend,) = figure.legends
    return legend


@pytest.mark.slow
@pytest.mark.parametrize(
    "methods",
    [
        SIX,
        ["minimum"],
        ["oracle", "minimum", "maximum", "random_layer"],
        [f"minimum (p={p})" for p in (0.2, 0.3, 0.4, 0.5, 0.9)],
        ["minimum_layer (random_init)", "apoz", "apoz_layer", "a method of one's own", *SIX],
    ],
)
def test_legend_has_every_method_below_the_panels_and_within_the_page(methods):
    figure = plot(make_curve(methods), make_face())
    figure.draw_without_rendering()
    legend = legend_of(figure)
    assert sorted(text.get_text() for text in legend.get_texts()) == sorted(methods)
    box = legend.get_window_extent()
    axes_boxes = [axes.get_tightbbox() for axes in figure.axes]
    assert box.y1 < min(axes_box.y0 for axes_box in axes_boxes)
    assert box.x0 >= 0
    assert box.y0 >= 0
    assert box.x1 <= figure.bbox.x1


def test_legend_reads_row_by_row():
    texts = [text.get_text() for text in legend_of(plot(make_curve(), make_face())).get_texts()]
    # matplotlib fills columns: each holds a method and its per-layer form
    assert texts == [
        *("minimum", "minimum_layer"),
        *("maximum", "maximum_layer"),
        *("random", "random_layer"),
    ]


# ------------------------------------------------------------------------------- the face


def test_face_says_title_data_set_runs_scale_and_reductions():
    title, what, scale = words(plot(make_curve(), make_face()))
    assert title == "Figure 3. Model A: FC40 - FC40"
    assert what == "MNIST. Mean of 3 runs; bars: 1.96 standard errors."
    assert scale == f"Scale preview: {REDUCED}. Not evidence."


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"reductions": "1 to 3 of 15 seeds"}, "the paper's protocol, 1 to 3 of 15 seeds."),
        ({"missing": ["random"]}, "the paper's protocol. Not run: random."),
        (
            {"cut_off": "minimum, trained down to 0.08 of the nodes"},
            "the paper's protocol. Cut off: minimum, trained down to 0.08 of the nodes.",
        ),
    ],
)
def test_what_runs_by_the_protocol_lack_is_said(changes, said):
    face = make_face(**{"scale": "paper", "reductions": "", "missing": [], "cut_off": ""} | changes)
    told = header(make_curve(), face)
    assert told.scale == f"Scale paper: {said}"
    assert told.warns
    few = header(make_curve().assign(runs=2), face).scale
    assert few.endswith("Too few for a verdict.") == ("reductions" in changes)


def test_curves_of_another_experiment_are_said_to_be_its():
    said = header(make_curve(), make_face(scale="paper", reductions="", lent="random of X"))
    assert said.scale == "Scale paper: the paper's protocol. Trained alike: random of X."
    assert not said.warns


def test_full_protocol_is_said_too():
    said = header(make_curve(), make_face(scale="paper", reductions=""))
    assert said.scale == "Scale paper: the paper's protocol."
    assert not said.warns
    assert header(make_curve(), make_face()).warns


def test_networks_near_chance_are_told_with_a_better_figure_to_look_at():
    face = make_face(better="published/paper/figures/fig03.png")
    curve = make_curve(["minimum"], values=(0.15, 0.12, 0.1))
    assert header(curve, face).scale.endswith(
        " Near chance (unpruned 0.15, guessing gives 0.1): nothing can be seen here; see"
        " published/paper/figures/fig03.png."
    )
    assert header(curve, make_face()).scale.endswith("nothing can be seen here.")
    assert "chance" not in header(make_curve(values=(0.5, 0.1, 0.1)), face).scale
    of_a_hundred = make_face(classes=100)
    assert "chance" not in header(curve, of_a_hundred).scale
    loss = make_curve(["minimum"], "loss", values=(0.15, 0.12, 0.1))
    assert "chance" not in header(loss, make_face(shows="test_loss")).scale


@pytest.mark.parametrize(
    ("runs", "words"),
    [
        ([1, 1, 1], "A single run, no bars."),
        ([2, 3, 3], "Mean of at most 3 runs; bars: 1.96 standard errors."),
    ],
)
def test_number_of_runs(runs, words):
    curve = make_curve(["minimum"]).assign(runs=runs)
    assert header(curve, make_face()).note == f"MNIST. {words}"


def test_methods_with_fewer_runs_are_named():
    curve = make_curve(["minimum", "apoz", "random", "maximum"])
    counts = {"minimum": 8, "apoz": 1, "random": 3, "maximum": 1}
    curve = curve.assign(runs=curve["method"].map(counts))
    assert "Mean of 8 runs (random: 3; apoz, maximum: 1); bars" in header(curve, make_face()).note


def test_diverged_networks_are_counted_on_the_face():
    curve = make_curve(["minimum"]).assign(diverged=[0, 1, 2])
    assert header(curve, make_face()).note.endswith(
        "3 of 9 networks diverged (counted in the mean)."
    )
    both = make_curve(["minimum", "random"]).assign(diverged=[1, 0, 0, 1, 2, 0])
    what = header(both, make_face()).note  # the unpruned ones are the same networks
    assert what.endswith("3 of 15 networks diverged (counted in the mean).")
    loss = make_curve(["minimum"], "loss").assign(diverged=[0, 1, 2], runs=[3, 2, 1])
    assert header(loss, make_face(shows="test_loss")).note.endswith(
        "3 of 9 networks diverged (left out of the mean)."
    )


def test_print_size_is_legible():
    figure = plot(make_curve(), make_face())
    assert figure.get_figwidth() <= 7
    texts = [*figure.findobj(match=Text), *legend_of(figure).get_texts()]
    for axes in figure.axes:
        texts += [axes.xaxis.label, axes.yaxis.label, *axes.get_xticklabels()]
        texts += axes.get_yticklabels()
    assert min(text.get_fontsize() for text in texts) >= 7


def test_faces_are_checked():
    with pytest.raises(UserError, match="unexpected keyword argument 'titel'"):
        Face.from_json('{"titel": "x"}')
    with pytest.raises(UserError, match="'accuracy' is unknown; allowed: train_accuracy"):
        Face.from_json(
            '{"title": "t", "scale": "s", "reductions": "", "note": "", "shows": "accuracy"}'
        )


# ------------------------------------------------------------------------------- the script


@pytest.mark.slow
def test_script_draws_and_refuses_in_one_line(tmp_path):
    write_table(tmp_path / "curve.csv", make_curve())
    face = vars(make_face())
    words = ["--curve", "curve.csv", "--png", "f.png", "--svg", "f.svg", "--face"]

    def run(face):
        return run_script("plot_figure", *words, json.dumps(face), folder=tmp_path)

    answer = run(face | {"shows": "epochs"})
    assert answer.returncode == 1
    assert answer.stderr.startswith("error: curve.csv: column 'epochs' is missing")
    assert answer.stderr.count("\n") == 1
    assert not list(tmp_path.glob("f.*"))
    assert run(face).returncode == 0
    assert (tmp_path / "f.png").stat().st_size > 10_000
    assert (tmp_path / "f.svg").stat().st_size > 10_000


# --- the paper's curves ------------------------------------------------------------------------


def paper_of(curve, by=0.01):
    """The paper's curves, as if they lay so far below ours."""
    paper = curve.assign(accuracy=curve["accuracy"] - by, accuracy_error=0.001, cycle=0)
    return paper.assign(source="digitised")


def differences_of(axes):
    """The heights of the points of each method in the panel below."""
    return [line.get_ydata() for line in axes.get_lines() if line.get_linestyle() == "None"]


@pytest.mark.slow
def test_the_papers_curves_lie_behind_ours_and_differences_below():
    curve = make_curve(["minimum", "maximum_layer"])
    plain = plot(curve, make_face())
    figure = plot(curve, make_face(), paper_of(curve))
    assert len(figure.axes) == len(plain.axes) + 1
    first, below = figure.axes[0], figure.axes[-1]
    for method in ("minimum", "maximum_layer"):
        our = line_of(first, method)
        (their,) = [
            line
            for line in first.get_lines()
            if line is not our and line.get_color() == our.get_color()
        ]
        assert their.get_zorder() < our.get_zorder()
        assert their.get_marker() in ("None", "")
        assert our.get_ydata() - their.get_ydata() == pytest.approx([0.01] * 3)
    assert [points.tolist() for points in differences_of(below)] == [
        pytest.approx([0.01] * 3),
        pytest.approx([0.01] * 3),
    ]
    assert below.get_title(loc="left").startswith("ours minus the paper's")
    assert below.get_xlim() == first.get_xlim()
    legend = [text.get_text() for text in figure.legends[0].get_texts()]
    assert sorted(legend) == ["maximum_layer", "minimum"]
    assert words(figure)[1].endswith("Wide pale lines: the paper's Figure 3.")


@pytest.mark.parametrize(("name", "spelt"), [("fig03", "Figure 3"), ("figS12", "Figure S12")])
def test_the_face_names_the_figure_of_the_paper(name, spelt):
    """It may be another one than the figure's own: one that it explains."""
    curve = make_curve(["minimum"])
    paper = paper_of(curve).assign(figure=name)
    assert f"the paper's {spelt}." in header(curve, make_face(), paper).note


@pytest.mark.slow
def test_curves_of_the_paper_that_we_lack_neither_show_nor_stretch_the_axes():
    curve = make_curve(["minimum"], values=(0.97, 0.96, 0.95), ci95=0.0)
    paper = paper_of(curve)
    more = pd.concat([paper, paper.assign(method="maximum", accuracy=0.1)])
    first = plot(curve, make_face(), more).axes[0]
    assert len(first.get_lines()) == 2
    assert first.get_ylim() == plot(curve, make_face(), paper).axes[0].get_ylim()


@pytest.mark.slow
def test_a_figure_that_the_paper_lacks_is_drawn_as_without_overlay():
    curve = make_curve(["minimum"])
    paper = paper_of(curve)
    for none in (paper.iloc[:0], paper.assign(method="maximum")):
        figure = plot(curve, make_face(), none)
        assert len(figure.axes) == len(plot(curve, make_face()).axes)
        assert "the paper's Figure" not in words(figure)[1]


def test_fractions_that_only_one_of_them_has_give_no_difference():
    curve = make_curve(["minimum"])
    paper = paper_of(curve)
    both = paper["fraction_remaining"] != 0.4
    shifted = paper.assign(fraction_remaining=paper["fraction_remaining"].where(both, 0.3))
    assert differences(curve, shifted)["fraction_remaining"].tolist() == [1, 0.05]
    # where the unpruned network alone is common to both, there is no panel for it
    alone = paper.assign(fraction_remaining=[1, 0.3, 0.03])
    panels = [len(plot(curve, make_face(), other).axes) for other in (paper, shifted, alone)]
    assert panels[0] == panels[1] == panels[2] + 1


def test_differences_worked_by_hand():
    curve = make_curve(["minimum"]).assign(ci95=0.003)
    paper = paper_of(curve).assign(ci95=0.004, accuracy_error=0.001)
    table = differences(curve, paper)
    assert table["difference"].tolist() == pytest.approx([0.01] * len(curve))
    assert table["ci95"].tolist() == pytest.approx([0.006] * len(curve))


@pytest.mark.slow
def test_differences_of_a_single_run_have_no_interval_but_are_drawn():
    curve = make_curve(["minimum"]).assign(ci95=math.nan, runs=1)
    table = differences(curve, paper_of(curve))
    assert table["ci95"].isna().all()
    below = plot(curve, make_face(), paper_of(curve)).axes[-1]
    (points,) = differences_of(below)
    assert points == pytest.approx([0.01] * len(curve))


@pytest.mark.slow
def test_the_axis_of_differences_is_logarithmic_where_few_are_far():
    curve = make_curve(["minimum"])
    few = paper_of(curve)
    few.loc[few.index[-1], "accuracy"] -= 0.3
    for paper, scale in (
        (paper_of(curve), "linear"),
        (few, "symlog"),
        (paper_of(curve, 0.3), "linear"),
    ):
        below = plot(curve, make_face(), paper).axes[-1]
        assert below.get_yscale() == scale
        assert ("logarithmic beyond ±0.02" in below.get_title(loc="left")) == (scale == "symlog")
        (heights,) = differences_of(below)
        lowest, highest = below.get_ylim()
        assert all(lowest < height < highest for height in heights)


def test_all_panels_of_all_points_have_the_same_ticks():
    curve = make_curve(["minimum"])
    paper = paper_of(curve)
    figure = plot(curve, make_face(), paper[paper["fraction_remaining"] > 0.1])
    first, below = figure.axes[0], figure.axes[-1]
    assert list(below.get_xticks()) == list(first.get_xticks())
    assert below.get_xlim() == first.get_xlim()
