import re
from pathlib import Path

import pytest

from inverter.evaluation.chart import Chart, render
from inverter.evaluation.page import TEMPLATES, inline_chart, render_page

CHART = render([Chart("t", ["x"], {"a": {"x": (1.0, 0.5, 2.0)}})])


@pytest.fixture
def page(tmp_path: Path) -> str:
    (tmp_path / "own.html.j2").write_text(
        '{% extends "base.html.j2" %}{% import "parts.html.j2" as parts with context %}'
        "{% block title %}{{ name }}{% endblock %}{% block lead %}{{ name|code }}{% endblock %}"
        "{% block folds %}{% call parts.fold('More') %}{{ parts.facts(values) }}{% endcall %}{% endblock %}"
    )
    values = {"a": {"b": None, "c": (1, 2)}, "d": {}}
    return render_page("own.html.j2", tmp_path, name="`x` <é>", values=values)


def test_any_template_gets_the_base_and_its_parts(page: str) -> None:
    assert page.startswith("<!doctype html>") and page.isascii()
    assert "<title>`x` &lt;&#233;&gt;</title>" in page and "<h1>`x` &lt;&#233;&gt;</h1>" in page
    assert "<code>x</code> &lt;&#233;&gt;" in page and "prefers-color-scheme: dark" in page


def test_nested_values_are_dotted(page: str) -> None:
    facts = re.findall("<dt>(.*?)</dt><dd>(.*?)</dd>", page)
    assert facts == [("a.b", "none"), ("a.c", "1, 2"), ("d", "{}")]


def test_nothing_is_loaded_or_run(page: str) -> None:
    assert "default-src 'none'" in page and "<script" not in page and "http" not in page.replace("http-equiv", "")


def test_charts_take_the_colours_of_the_page() -> None:
    chart = inline_chart(CHART, "one", 'say "a"')
    assert chart.startswith('<svg role="img" aria-label="say &#34;a&#34;" ')
    assert "stroke: var(--accent)" in chart and not re.search("(fill|stroke): #(17467d|000000|ffffff)", chart)
    style = (TEMPLATES / "style.css").read_text()
    assert set(re.findall(r"var\((--[\w-]+)", chart + style)) <= set(re.findall(r"(--[\w-]+):", style))


def test_charts_of_one_page_share_no_ids() -> None:
    one, other = (inline_chart(CHART, name, "") for name in ("one", "other"))
    ids = [set(re.findall(r' id="([^"]+)"', chart)) for chart in (one, other)]
    assert ids[0] and not ids[0] & ids[1]
    for chart, own in zip((one, other), ids, strict=True):
        used = set(re.findall(r'href="#([^"]+)"|url\(#([^)]+)\)', chart))
        assert used and {a or b for a, b in used} <= own
