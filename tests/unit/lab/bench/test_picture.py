from xml.etree import ElementTree

import pytest
from matplotlib.colors import to_hex
from matplotlib.figure import Figure

from inverter.lab.bench.measurement import Measurement
from inverter.lab.bench.picture import MET, MISSED, bars, draw

SVG = "{http://www.w3.org/2000/svg}"


@pytest.fixture
def rows() -> list[Measurement]:
    return [
        Measurement.of("loop", "x", [2.0], "how", aim=1.0, more_is_better=False),
        Measurement.of("loader", "x", [4.0], "how", aim=2.0),
        Measurement.of("a < b", "MiB", [100.0, 200.0, 300.0], "how"),
    ]


def test_bars_are_the_medians_and_a_missed_aim_has_another_colour(rows):
    axes = Figure().add_subplot()
    bars(axes, rows)
    assert [bar.get_width() for bar in axes.patches] == [2.0, 4.0, 200.0]
    assert [to_hex(bar.get_facecolor()) for bar in axes.patches] == [MISSED, MET, MET]
    assert list(axes.lines[-1].get_xdata()) == [100.0, 300.0]


def test_names_are_escaped_and_complete(rows):
    words = [text.text for text in ElementTree.fromstring(draw(rows, "processor & co")).iter(f"{SVG}text")]
    assert "a < b" in words and "processor & co" in words
    assert any("at most 1" in word for word in words if word)
