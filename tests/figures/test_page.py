"""What every picture has: words that stay on the page, files of the same bytes."""

import matplotlib
import numpy as np
import pytest
from matplotlib.cbook import is_math_text
from matplotlib.lines import Line2D
from matplotlib.text import Text
from PIL import Image

from dropnet.figures import page
from dropnet.figures.style import context


def make_page(header=None, legend=("one", "two"), height=2.0, value=0.5):
    with context():
        figure, body = page.new_page(header or page.Header("A title", "A note.", "A scale."))
        axes = body.subplots()
        axes.plot([0, 1], [0, value])
        axes.set(xlabel="x", ylabel="y")
        page.add_legend(figure, {name: Line2D([], []) for name in legend})
        page.fit(figure, [axes], height)
    return figure


def boxes(figure):
    """The boxes of the header's lines, from the top, of the panel and of the legend."""
    figure.draw_without_rendering()
    texts = [text for part in parts(figure) for text in part.texts]
    panel = figure.axes[0].get_tightbbox()
    return [*(text.get_window_extent() for text in texts), panel, *legend_boxes(figure)]


def parts(figure):
    yield figure
    for part in figure.subfigs:
        yield from parts(part)


def legend_boxes(figure):
    return [legend.get_window_extent() for legend in figure.legends]


HEADERS = {
    "short": page.Header("A title", "A note.", "A scale."),
    "long": page.Header("A long title " * 20, "a long list of reductions, " * 30, "word " * 100),
    "without a scale": page.Header("A title", "A note."),
}


@pytest.mark.slow
@pytest.mark.parametrize("header", HEADERS.values(), ids=HEADERS)
def test_nothing_overlaps_and_all_stays_on_the_page(header):
    figure = make_page(header, [f"a method of number {n}" for n in range(20)])
    found = boxes(figure)
    assert all(above.y0 >= below.y1 - 1 for above, below in zip(found, found[1:], strict=False))
    for box in found:
        assert box.x0 >= 0
        assert box.y0 >= 0
        assert box.x1 <= figure.bbox.x1
        assert box.y1 <= figure.bbox.y1


@pytest.mark.parametrize("header", HEADERS.values(), ids=HEADERS)
def test_panels_are_as_high_as_asked_for_whatever_is_around_them(header):
    figure = make_page(header, height=3.0)
    figure.draw_without_rendering()
    assert figure.axes[0].get_window_extent().height / figure.dpi == pytest.approx(3, abs=0.02)
    assert figure.get_figwidth() == page.WIDTH


def test_blank_lines_of_the_header_take_no_room():
    said = list(page.words(make_page(page.Header(" ", "A note."))))
    assert said == ["A note."]
    blank, full = (make_page(page.Header(title, "A note.")) for title in (" ", "A title"))
    assert blank.get_figheight() < full.get_figheight()


@pytest.mark.parametrize("count", [1, 2, 5, 20])
def test_legend_reads_row_by_row_in_the_fewest_rows(count):
    names = [f"method {number}" for number in range(count)]
    figure = make_page(legend=names)
    figure.draw_without_rendering()
    (legend,) = figure.legends
    places = {}
    for text in legend.get_texts():
        box = text.get_window_extent()
        places[text.get_text()] = (-round(box.y0), box.x0)
    assert sorted(names, key=places.get) == names
    assert len({row for row, _ in places.values()}) == {1: 1, 2: 1, 5: 1, 20: 4}[count]


def test_words_are_taken_literally(tmp_path):
    odd = r"50% of $x^2$ \frac{ $"
    lines = [odd, r"a$\frac{$ costs \$5$", "$\\alpha"]  # the second has an even number of signs
    figure = make_page(page.Header(*lines), ["cost $p$", "minimum_$"])
    assert list(page.words(figure)) == lines
    texts = [text for text in figure.findobj(Text) if text.get_parse_math()]
    assert not any(is_math_text(text.get_text()) for text in texts)
    page.save(figure, tmp_path / "f.png", tmp_path / "f.svg")  # mathematics would fail here


@pytest.mark.slow
def test_the_same_picture_gives_the_same_bytes(tmp_path):
    files = [tmp_path / name for name in ("a.png", "a.svg", "b.png", "b.svg")]
    page.save(make_page(), *files[:2])
    with matplotlib.rc_context({"font.size": 20, "svg.fonttype": "none", "figure.dpi": 50}):
        page.save(make_page(), *files[2:])  # whatever the user's matplotlibrc
    assert files[0].read_bytes() == files[2].read_bytes()
    assert files[1].read_bytes() == files[3].read_bytes()
    page.save(make_page(value=0.9), *files[2:])
    assert files[0].read_bytes() != files[2].read_bytes()
    assert files[1].read_bytes() != files[3].read_bytes()


@pytest.mark.slow
def test_saved_twice_a_picture_is_the_same(tmp_path):
    """The layout is worked out anew each time."""
    figure = make_page()
    first, second = ([tmp_path / f"{n}.png", tmp_path / f"{n}.svg"] for n in (1, 2))
    page.save(figure, *first)
    page.save(figure, *second)
    for one, other in zip(first, second, strict=True):
        assert one.read_bytes() == other.read_bytes()


@pytest.mark.slow
def test_files_carry_resolution_words_and_no_date(tmp_path):
    png, svg = tmp_path / "f.png", tmp_path / "f.svg"
    page.save(make_page(page.Header("A title", "A note.", "Not evidence.", warns=True)), png, svg)
    with Image.open(png) as image:
        assert image.info["dpi"] == pytest.approx((300, 300), abs=0.1)
        assert set(image.info) == {"dpi"}
        assert image.width == round(300 * page.WIDTH)
        assert len(np.unique(np.asarray(image.convert("RGB")).reshape(-1, 3), axis=0)) > 4
    text = svg.read_text()
    assert "A title\nA note.\nNot evidence." in text
    assert "<dc:date>" not in text
