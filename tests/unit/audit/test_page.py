import io
import re
from dataclasses import replace

from rich.console import Console

from inverter.audit.chart import HEIGHT, WIDTH, draw
from inverter.audit.page import render_page, write_page
from inverter.audit.table import print_audit, verdict


def test_everything_that_others_wrote_is_escaped(audit, gallery):
    page = render_page(audit, gallery)
    for raw in ("<script", "<i>", "<b>here", "<u>", "A & B"):
        assert raw not in page
    for escaped in (
        "net&lt;script&gt;",
        "&lt;i&gt;a&lt;/i&gt;",
        "&lt;b&gt;here&lt;/b&gt;",
        "&lt;u&gt;k",
        "A &amp; B",
        "caf&#233;",
    ):
        assert escaped in page
    assert page.isascii()


def test_page_is_self_contained_and_says_what_is_needed(audit, gallery, tmp_path):
    write_page(audit, gallery, tmp_path / "report.html")
    page = (tmp_path / "report.html").read_text()
    sources = re.findall(r'(?:src|href)="([^"]*)"', page)
    assert len(sources) == 2 and all(source.startswith("data:image/png;base64,iVBOR") for source in sources)
    assert "http" not in page and "url(" not in page
    assert page.count("<svg") == 1 + 3  # the scores, then each metric
    for text in (
        "Recommended split: b",
        "Limit of b: 0.3",
        "exceeded",
        "no proof",
        "No score" not in page and "no span",
    ):
        assert text in page, text
    assert "[0.400, 0.600]" in page and "25.0 %" in page and "4,096" in page


def test_nothing_recommended_and_nothing_wrong(audit, gallery):
    layers = tuple(replace(layer, diagnosis=()) for layer in audit.layers)
    page = render_page(replace(audit, layers=layers, recommended=None, limits={}, exceeded=()), gallery)
    assert "No audited layer stays under a score of 0.4" in page
    assert "No failure signature shows" in page and "Limit of" not in page


def test_page_without_a_headline_score(audit, gallery):
    first = replace(audit.layers[0], scores={}, unscored={"reid_mrr/colour": "<em>none</em>"})
    page = render_page(replace(audit, layers=(first, audit.layers[1])), gallery)
    assert "&lt;em&gt;none&lt;/em&gt;" in page and "<em>" not in page


def test_terminal_table_shows_the_same(audit):
    text = io.StringIO()
    print_audit(audit, Console(file=text, width=200))
    assert "<i>a</i>" in text.getvalue() and "[0.400, 0.600]" in text.getvalue()
    assert verdict(audit) in text.getvalue() and "b: Look <b>here</b>." in text.getvalue()


def test_points_lie_where_they_belong():
    series = {"mean": {"a": (0.0, None, None), "b": (1.0, 0.5, 1.0)}, "empty": {}}
    chart = draw("t", ["a", "b"], series, limits=(0.0, 1.0), mark=0.25)
    line, empty = chart.lines
    (x_a, y_a), (x_b, y_b) = line.points
    assert x_a < x_b < WIDTH and y_b < y_a < HEIGHT  # a larger value lies higher
    assert line.whiskers == ((x_b, y_b, (y_a + y_b) / 2),)
    assert chart.mark == y_a + (y_b - y_a) / 4
    assert [text for _, text in chart.ticks] == ["0", "0.25", "0.5", "0.75", "1"]
    assert empty.points == ()


def test_long_names_are_cut_in_front():
    layers = ["encoder.layers.encoder_layer_0", "stages.0.blocks"]
    assert [text for _, text in draw("t", layers, {}).columns] == ["…coder_layer_0", "…ages.0.blocks"]


def test_a_chart_of_one_value_or_none_is_still_a_chart():
    assert draw("t", ["a"], {"mean": {"a": (2.0, None, None)}}).ticks[0][1] == "1.5"
    assert draw("t", ["a"], {}).lines == ()
