from xml.etree import ElementTree

import pytest

from inverter.lab.bench.measurement import Measurement
from inverter.lab.bench.picture import draw

SVG = "{http://www.w3.org/2000/svg}"


@pytest.fixture
def drawing() -> ElementTree.Element:
    rows = [
        Measurement.of("loop", "x", [2.0], "how", aim=1.0, more_is_better=False),
        Measurement.of("loader", "x", [4.0], "how", aim=2.0),
        Measurement.of("a < b", "MiB", [100.0, 200.0, 300.0], "how"),
    ]
    return ElementTree.fromstring(draw(rows, "processor & co"))


def bars(drawing: ElementTree.Element) -> list[ElementTree.Element]:
    return [group.find(f"{SVG}rect") for group in drawing.iter(f"{SVG}g")]


def test_bars_of_one_unit_share_a_scale(drawing):
    loop, loader, memory = (float(bar.get("width")) for bar in bars(drawing))
    assert loader == pytest.approx(2 * loop)
    assert memory == pytest.approx(loader * 200 / 300, rel=1e-3)  # the range ends where the scale ends


def test_a_missed_aim_has_another_colour(drawing):
    loop, loader, memory = (bar.get("fill") for bar in bars(drawing))
    assert loop != loader == memory


def test_names_are_escaped_and_complete(drawing):
    words = [text.text for text in drawing.iter(f"{SVG}text")]
    assert "a < b" in words and "processor & co" in words
    assert any("at most 1.0" in word for word in words if word)
