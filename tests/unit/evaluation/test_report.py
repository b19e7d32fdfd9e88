import html
import io
import re
from html.parser import HTMLParser
from pathlib import Path

import pytest
from rich.console import Console

from inverter.evaluation import Judge, Method, Results, evaluate, print_table, write_report
from inverter.evaluation.floors import MeanImage
from inverter.evaluation.labels import heading, interval, number
from inverter.evaluation.report import render_report


@pytest.fixture
def results(batches: list, train_batches: list, judge: Judge) -> Results:
    methods = {
        "<b>bold</b>": Method(MeanImage(batches[0]["image"][0])),
        "mean image": Method(MeanImage.of(train_batches), kind="floor"),
    }
    return evaluate(
        methods,
        batches,
        judges=[judge],
        baseline="mean image",
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
    methods = {words: Method(MeanImage(batches[0]["image"][0]))}
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


@pytest.mark.parametrize("width", [80, 200])
def test_terminal_table_cuts_nothing_off(results: Results, width: int) -> None:
    text = io.StringIO()
    print_table(results, Console(file=text, width=width))
    shown = text.getvalue()
    for row in results.rows:
        for metric, score in row.scores.items():
            assert interval(metric, score.low, score.high) in shown
    assert "…" not in shown.partition("Paired differences")[0]


def test_labels() -> None:
    assert heading("kid/lite1") == "KID (lite1) ↓" and heading("nearer_to_train").endswith("picture")
    assert number("psnr", 1.234, signed=True) == "+1.23"
    assert interval("ssim", None, None) == "" and interval("ssim", 0.1, 0.2) == "[0.100, 0.200]"
