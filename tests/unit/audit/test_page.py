import html
import io
import json
import re
from dataclasses import replace

from rich.console import Console

from inverter.audit.page import render_page, write_page
from inverter.audit.summary import summarise
from inverter.audit.table import print_audit, verdict


def test_everything_that_others_wrote_is_escaped(audit, sheet):
    page = render_page(audit, sheet)
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


def test_page_is_self_contained_and_says_what_is_needed(audit, sheet, tmp_path):
    write_page(audit, sheet, tmp_path / "report.html")
    page = (tmp_path / "report.html").read_text()
    sources = [source for source in re.findall(r'(?:src|href)="([^"]*)"', page) if not source.startswith("#")]
    assert len(sources) == 2 and all(source.startswith("data:image/png;base64,iVBOR") for source in sources)
    assert "http" not in re.sub(r'xmlns(:xlink)?="[^"]*"|http-equiv', "", page) and "url(" not in page.replace(
        "url(#", ""
    )
    assert page.count("<svg") == 2 + 3  # scores of the headline's kind and of others, then each metric
    for text in (
        "Recommended split: b",
        "Limit of b: 0.3",
        "exceeded",
        "no proof",
        "No score" not in page and "no span",
    ):
        assert text in page, text
    own = page[page.index("The metrics themselves") :]
    assert "20.00<small>[19.00, 21.00]" in own and '<tr><th scope="row">mean</th>' in own
    assert "[0.400, 0.600]" in page and "25.0&nbsp;%" in page and "4,096" in page


def test_nothing_recommended_and_nothing_wrong(audit, sheet):
    layers = tuple(replace(layer, diagnosis=()) for layer in audit.layers)
    page = render_page(replace(audit, layers=layers, recommended=None, limits={}, exceeded=()), sheet)
    assert "No audited layer stays under a score of 0.4" in page
    assert "No failure signature shows" in page and "Limit of" not in page


def test_page_without_a_headline_score(audit, sheet):
    first = replace(audit.layers[0], scores={}, unscored={"reid_mrr/colour": "<em>none</em>"})
    page = render_page(replace(audit, layers=(first, audit.layers[1])), sheet)
    assert "&lt;em&gt;none&lt;/em&gt;" in page and "<em>" not in page


def test_numbers_of_the_page_are_those_of_the_json(audit, sheet):
    layers = {layer["layer"]: layer for layer in json.loads(json.dumps(audit.to_json()))["layers"]}
    form = r'data-metric="(.*?)" data-layer="(.*?)" data-value="(.*?)"(?: data-low="(.*?)" data-high="(.*?)")?'
    seen = set()
    for metric, name, *ends in re.findall(form, render_page(audit, sheet)):
        layer = layers[html.unescape(name)]
        if metric in layer["scores"]:
            expected = [layer["scores"][metric][end] for end in ("value", "low", "high")]
        else:
            expected = [(layer | layer["cost"])[metric], "", ""]
        assert [float(end) if end else end for end in ends] == expected
        seen.add((layer["layer"], metric))
    sent = {"numbers", "bytes", "ratio", "device_share", "pairs", "pairs_seen", "train_seconds"}
    assert seen == {(name, metric) for name in layers for metric in {*layers[name]["scores"], *sent}}


def test_terminal_table_shows_the_same(audit):
    text = io.StringIO()
    print_audit(audit, Console(file=text, width=200))
    assert "<i>a</i>" in text.getvalue() and "[0.400, 0.600]" in text.getvalue()
    assert summarise(audit).text.replace("`", "") in text.getvalue()
    assert verdict(audit) in text.getvalue() and "b: Look <b>here</b>." in text.getvalue()
