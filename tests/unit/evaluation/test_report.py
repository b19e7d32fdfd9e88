import dataclasses
import html
import io
import re
from html.parser import HTMLParser
from pathlib import Path

import pytest
from rich.console import Console

from inverter.evaluation import Judge, Method, Results, evaluate, print_table, write_report
from inverter.evaluation.floors import MeanImage
from inverter.evaluation.labels import heading, interval, number, verdict
from inverter.evaluation.report import render_report
from inverter.evaluation.results import Comparison


@pytest.fixture
def results(batches: list, train_batches: list, judge: Judge) -> Results:
    methods = {
        "<b>bold</b>": Method(lambda features: batches[0]["image"][:1].expand(len(features), -1, -1, -1)),
        "mean image": Method(MeanImage(), kind="floor"),
    }
    return evaluate(
        methods,
        batches,
        judges=[judge],
        train_batches=train_batches,
        num_bootstrap=50,
        threat_model="A & B",
        notes=["the judge has seen <i>these</i> images; café"],
    )


def test_everything_that_others_wrote_is_escaped(results: Results) -> None:
    page = render_report(results, title="<u>t</u>")
    assert "<script" not in page and "<b>bold" not in page and "<i>" not in page and "<u>" not in page
    assert "&lt;script&gt;" in page and "&lt;b&gt;bold&lt;/b&gt;" in page and "A &amp; B" in page
    assert page.isascii() and "caf&#233;" in page


class Elements(HTMLParser):
    """Every element and attribute of a page, as a browser would see them."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.found: set[str] = set()
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found |= {tag, *(name for name, _ in attrs)}


@pytest.mark.parametrize(
    "words",
    [
        '"><img src=x onerror=alert(1)>',
        "' onload='alert(1)",
        "</td></table><iframe src=//x>",
        "{{ 7 * 7 }}",
        "&lt;b&gt;",
    ],
)
def test_hostile_captions_and_keys_stay_text(batches: list, judge: Judge, words: str) -> None:
    hostile = [{**batch, "text": [words] * 3, "key": [f"{key}{words}" for key in batch["key"]]} for batch in batches]
    methods = {words: Method(lambda features: batches[0]["image"][:1].expand(len(features), -1, -1, -1))}
    pages = [
        render_report(evaluate(methods, given, judges=[judge], num_bootstrap=20, notes=[note]), title=note)
        for given, note in ((hostile, words), (batches, "plain"))
    ]
    assert Elements(pages[0]).found == Elements(pages[1]).found
    assert words in html.unescape(pages[0])


def test_page_is_self_contained_and_says_what_is_needed(results: Results, tmp_path: Path) -> None:
    write_report(results, tmp_path / "out" / "report.html")
    page = (tmp_path / "out" / "report.html").read_text()
    sources = re.findall(r'(?:src|href)="([^"]*)"', page)
    assert sources and all(source.startswith("data:image/png;base64,iVBOR") for source in sources)
    for text in ("floor", "ceiling", "chance", "0.25</strong> times", "Not computed: FID", "12 images from 8 sources"):
        assert text in page, text
    assert "colour network (nothing)" in page and "Paired comparisons" in page
    assert "too few sources" in page and "<strong>worse" not in page


def test_report_of_reloaded_metrics_has_no_pictures(results: Results) -> None:
    page = render_report(Results.from_json(results.to_json()))
    assert "<img" not in page and "Methods, floors and ceilings" in page


def test_terminal_table_shows_the_same_numbers(results: Results) -> None:
    text = io.StringIO()
    print_table(results, Console(file=text, width=200))
    shown = text.getvalue()
    score = results.row("mean image").scores["psnr"]
    assert number("psnr", score.mean) in shown and interval("psnr", score.low, score.high) in shown
    assert "<b>bold</b>" in shown and "3,072" not in shown and "576" in shown


HEADLINES = ("psnr", "agreement/colour", "kid/colour", "ssim")


@pytest.mark.parametrize(("width", "shown"), [(80, 3), (200, 4)])
def test_terminal_table_shows_as_many_headlines_as_fit_and_cuts_nothing_off(
    results: Results, width: int, shown: int
) -> None:
    text = io.StringIO()
    print_table(results, Console(file=text, width=width))
    table = text.getvalue()
    for row in results.rows:
        for metric in HEADLINES[:shown]:
            assert interval(metric, row.scores[metric].low, row.scores[metric].high) in table
    assert "…" not in table and max(map(len, table.splitlines())) <= width
    assert [title in table for title in ("PSNR", "KID", "SSIM")] == [True, True, shown > 3]


def test_terminal_says_in_one_line_what_an_attack_is_worth_against_a_floor(results: Results) -> None:
    text = io.StringIO()
    print_table(results, Console(file=text, width=80))
    lines = text.getvalue().splitlines()
    line = lines[lines.index(next(line for line in lines if line.startswith("<b>bold</b>:"))) + 1]
    assert re.match("mean image +too few sources ", line)
    assert any(line.startswith("Warning: 8 independent sources") for line in lines)


COMPARISON = Comparison("a", "b", "psnr", 1.0, 0.5, 1.5, True, True, 29, 29)


@pytest.mark.parametrize(
    ("changed", "word"),
    [
        ({}, "better"),
        ({"difference": -1.0, "low": -1.5, "high": -0.5}, "worse"),
        ({"metric": "kid/colour"}, "worse"),
        ({"metric": "kid/colour", "difference": -1.0, "low": -1.5, "high": -0.5}, "better"),
        ({"metric": "nearest_train_psnr"}, "higher"),
        ({"low": -0.5, "excludes_zero": False, "claim": False}, "no difference"),
        ({"metric": "agreement/colour", "claim": False}, "judges disagree"),
        ({"groups": 19}, "too few sources"),
        ({"low": None, "high": None, "excludes_zero": False, "claim": False}, "no interval"),
    ],
)
def test_a_comparison_is_one_word(changed: dict, word: str) -> None:
    assert verdict(dataclasses.replace(COMPARISON, **changed)) == word


def test_labels() -> None:
    assert heading("kid/lite1") == "KID (lite1) ↓" and heading("nearer_to_train").endswith("picture")
    assert number("psnr", 1.234, signed=True) == "+1.23"
    assert interval("ssim", None, None) == "" and interval("ssim", 0.1, 0.2) == "[0.100, 0.200]"


def test_numbers_have_three_significant_digits_and_never_a_negative_zero() -> None:
    assert [number("ssim", x) for x in (0.00134, 0.0999, 12.5, 0.0, -1e-9)] == [
        "0.00134",
        "0.0999",
        "12.500",
        "0.000",
        "0.000",
    ]
    assert number("kid", 4.2e-6) == "0.000004"
    assert interval("ssim", -0.0002, 0.0031, signed=True) == "[-0.0002, +0.0031]"
