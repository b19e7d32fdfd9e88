import html
import io
import json
import re

from rich.console import Console

from inverter.tradeoff.page import render_page, write_page
from inverter.tradeoff.table import print_tradeoff


def test_everything_that_others_wrote_is_escaped(tradeoff, sheet):
    page = render_page(tradeoff, sheet)
    for raw in ("<script", "<i>", "<u>", "A & B"):
        assert raw not in page
    for escaped in ("net&lt;script&gt;", "&lt;i&gt;int8&lt;/i&gt;", "&lt;u&gt;k", "A &amp; B", "caf&#233;"):
        assert escaped in page
    assert page.isascii()


def test_page_is_self_contained_and_says_what_is_needed(tradeoff, sheet, tmp_path):
    write_page(tradeoff, sheet, tmp_path / "report.html")
    page = (tmp_path / "report.html").read_text()
    sources = [source for source in re.findall(r'(?:src|href)="([^"]*)"', page) if not source.startswith("#")]
    assert len(sources) == 2 and all(source.startswith("data:image/png;base64,iVBOR") for source in sources)
    assert page.count("<svg") == 1 + 2 * 2  # the headline, then two metrics of two operating points
    for text in (
        "Recommended: nopeek",
        "Limit of nopeek: 0.3, kept",
        "Utility needed of gaussian:4: 0.9, not kept",
        "Pareto set",
        "no proof",
        "What this page does not say",
        "The attacker knows all of it",
        "Adaptive minus static attack",
    ):
        assert text in page, text


def test_numbers_of_the_page_are_those_of_the_json(tradeoff, sheet):
    settings = {each["name"]: each for each in json.loads(json.dumps(tradeoff.to_json()))["settings"]}
    form = (
        r'data-metric="([^"]*)" data-setting="([^"]*)"(?: data-of="([^"]*)")? data-value="([^"]*)"'
        r'(?: data-low="([^"]*)" data-high="([^"]*)")?'
    )
    seen = set()
    for metric, name, of, *ends in re.findall(form, render_page(tradeoff, sheet)):
        setting = settings[html.unescape(name)]
        if " - " in of:
            a, b = of.split(" - ")
            (found,) = (
                [c["difference"], c["low"], c["high"]]
                for c in (*setting["gains"], *setting["protection"])
                if (c["a"], c["b"], c["metric"]) == (a, b, metric)
            )
        elif of:
            score = setting["metrics"][of][metric]
            found = [score["mean"], score["low"], score["high"]]
        elif metric in setting["scores"]:
            found = [setting["scores"][metric][end] for end in ("value", "low", "high")]
        elif metric == "utility":
            found = [setting["agreement"][end] for end in ("mean", "low", "high")]
        else:
            found = [(setting | setting["cost"])[metric], "", ""]
        assert [float(end) if end else end for end in ends] == found, (metric, name, of)
        seen.add((setting["name"], metric, of))
    for name, setting in settings.items():
        wanted = {(metric, "") for metric in (*setting["scores"], *setting["cost"], "utility", "bytes")}
        wanted |= {(c["metric"], f"{c['a']} - {c['b']}") for c in (*setting["gains"], *setting["protection"])}
        wanted |= {(metric, of) for of, scores in setting["metrics"].items() for metric in scores}
        assert {(metric, of) for known, metric, of in seen if known == name} == wanted


def test_terminal_table_shows_the_same(tradeoff):
    text = io.StringIO()
    print_tradeoff(tradeoff, Console(file=text, width=200))
    assert "<i>int8</i>" in text.getvalue() and "[0.550, 0.650]" in text.getvalue()
    assert "Pareto, protects" in text.getvalue() and "Recommended: nopeek" in text.getvalue()


def test_a_tradeoff_without_scores_or_static_attacks_is_a_page(make_setting, make_tradeoff, sheet):
    page = render_page(make_tradeoff([make_setting("identity", None, 1.0), make_setting("int8", None, 1.0)]), sheet)
    assert "could not be scored" in page and "no span" in page
