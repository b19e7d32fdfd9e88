from xml.etree import ElementTree

import pytest
from matplotlib.figure import Figure

from inverter.evaluation.chart import Chart, draw, render

SVG = "{http://www.w3.org/2000/svg}"


@pytest.fixture
def axes():
    return Figure().add_subplot()


def words(svg: str) -> list[str | None]:
    return [text.text for text in ElementTree.fromstring(svg).iter(f"{SVG}text")]


def test_points_and_intervals_are_the_values(axes):
    series = {"mean": {"a": (0.0, None, None), "b": (1.0, 0.5, 1.25)}, "empty": {}}
    draw(axes, Chart("t", ["a", "b"], series, limits=(0.0, 2.0), mark=0.25))
    ((line, _, (whiskers,)),) = axes.containers
    assert list(line.get_ydata()) == [0.0, 1.0]
    (x_a, x_b) = line.get_xdata()
    assert 0.9 < x_b - x_a < 1.1
    assert [segment[:, 1].tolist() for segment in whiskers.get_segments()] == [[0.0, 0.0], [0.5, 1.25]]
    assert axes.get_ylim() == (0.0, 2.0)
    assert list(axes.lines[-1].get_ydata()) == [0.25, 0.25]
    assert [text.get_text() for text in axes.get_legend().get_texts()] == ["mean"]


def test_series_of_one_column_stand_apart(axes):
    draw(axes, Chart("t", ["only"], {name: {"only": (1.0, None, None)} for name in "ab"}))
    one, other = (container[0].get_xdata()[0] for container in axes.containers)
    assert other - one > 0.2


def test_long_names_are_cut_in_front_and_many_are_thinned(axes):
    draw(axes, Chart("t", ["encoder.layers.encoder_layer_0", "stages.0.blocks"], {}))
    assert [label.get_text() for label in axes.get_xticklabels()] == ["…coder_layer_0", "…ages.0.blocks"]
    axes.clear()
    draw(axes, Chart("t", [str(i) for i in range(20)], {}))
    assert [label.get_text() for label in axes.get_xticklabels()] == [str(i) for i in range(0, 20, 3)]


def test_text_stays_text_and_is_escaped():
    svg = render([Chart("a < b & c", ["x"], {"<i>": {"x": (1.0, 0.5, 2.0)}})])
    assert {"a < b & c", "<i>", "x"} <= set(words(svg)) and "<i>" not in svg


def test_the_same_charts_give_the_same_text():
    charts = [Chart(str(i), ["x"], {"a": {"x": (1.0, None, None)}}) for i in range(3)]
    assert render(charts, per_row=2) == render(charts, per_row=2)
    assert {"0", "1", "2"} <= set(words(render(charts, per_row=2)))
    assert render([]).startswith("<svg")
