import dataclasses
import html
import io
import json
import re
from html.parser import HTMLParser
from pathlib import Path

import pytest
from rich.console import Console

from inverter.evaluation import Judge, Method, Results, evaluate, print_table, write_report
from inverter.evaluation.floors import MeanImage
from inverter.evaluation.labels import heading, interval, number, share, verdict
from inverter.evaluation.report import render_report
from inverter.evaluation.results import Comparison
from inverter.evaluation.summary import summarise


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
    sources = re.findall(r'(?:src|href)="([^"#][^"]*)"', page)
    assert sources and all(source.startswith("data:image/png;base64,iVBOR") for source in sources)
    for text in (
        "floor",
        "ceiling",
        "chance",
        "0.25</strong> times",
        "Not computed: FID",
        "12 pictures from 8 sources",
    ):
        assert text in page, text
    assert "colour network (nothing)" in page and "Paired comparisons" in page
    assert "too few sources" in page and "<strong>worse" not in page


def test_report_of_reloaded_metrics_has_no_pictures(results: Results) -> None:
    page = render_report(Results.from_json(results.to_json()))
    assert "<img" not in page and "Attack, floors and ceiling" in page


class Numbers(HTMLParser):
    """Attributes of every element that shows a number of the results."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.found: list[dict[str, str | None]] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if "data-value" in dict(attrs):
            self.found.append(dict(attrs))


def test_numbers_of_the_page_are_those_of_the_json(results: Results) -> None:
    data = json.loads(json.dumps(results.to_json()))
    expected: dict[tuple[str, str, str | None], tuple[float, float | None, float | None]] = {}
    for name, row in data["methods"].items():
        for metric, score in row["metrics"].items():
            expected[name, metric, None] = score["mean"], score["low"], score["high"]
        expected |= {(name, cost, None): (value, None, None) for cost, value in row["cost"].items()}
    expected |= {("chance", metric, None): (value, None, None) for metric, value in data["chance"].items()}
    for c in data["comparisons"]:
        expected[c["a"], c["metric"], c["b"]] = c["difference"], c["low"], c["high"]
    seen = set()
    for shown in Numbers(render_report(results)).found:
        place = str(shown["data-method"]), str(shown["data-metric"]), shown.get("data-against")
        ends = [None if end is None else float(end) for end in map(shown.get, ("data-value", "data-low", "data-high"))]
        assert tuple(ends) == expected[place], place
        seen.add(place)
    assert seen == set(expected)


def test_the_page_begins_with_the_sentence_and_its_figure(results: Results) -> None:
    page, said = render_report(results), summarise(results)
    assert said.method == "<b>bold</b>" and said.metric == "agreement/colour"
    first = Numbers(page).found[0]
    assert (first["data-method"], first["data-metric"], first["class"]) == (said.method, said.metric, "figure")
    start = page.index('class="summary"')
    words = html.unescape(re.sub("<.*?>", "", page[start : page.index("</p>", start)])).replace("\xa0", " ")
    assert words == f'class="summary">{said.text}'.replace("`", "")
    order = [
        page.index(part) for part in ("sources are too few", 'id="pictures"', 'id="key"', 'id="charts"', "<details")
    ]
    assert order == sorted(order)


def test_pictures_are_chosen_by_rank_and_method(results: Results) -> None:
    page = render_report(results)
    for rank in ("best", "median", "worst"):
        assert f'data-rank="{rank}" data-by="1"' in page and f'id="show-{rank}"' in page
    assert '<tr class="more"><th scope="row">mean image' in page
    assert '<tr><th scope="row">&lt;b&gt;bold&lt;/b&gt;' in page  # the attack of the sentence
    assert page.count('alt="original of val0-0') == sum("val0-0" in found.keys for found in results.pictures)


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
    print_table(dataclasses.replace(results, num_sources=20), Console(file=text, width=80))
    lines = text.getvalue().splitlines()
    line = lines[lines.index(next(line for line in lines if line.startswith("<b>bold</b>:"))) + 1]
    assert re.match("mean image +too few sources ", line)
    assert any(line.startswith("Warning: 8 independent sources") for line in lines)


def test_terminal_begins_with_the_sentence_and_compares_nothing_of_few_sources(results: Results) -> None:
    text = io.StringIO()
    print_table(results, Console(file=text, width=400))
    assert text.getvalue().splitlines()[0].strip() == summarise(results).text.replace("`", "")
    assert "Paired differences" not in text.getvalue()


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


def test_shares_are_never_rounded_to_a_certainty() -> None:
    shares = {0.0: "0 %", 0.0004: "under 0.1 %", 0.002: "0.2 %", 0.0995: "10 %", 0.5: "50 %", 0.9904: "99 %"}
    shares |= {0.996: "99.6 %", 0.9996: "over 99.9 %", 1.0: "100 %"}
    assert {value: share(value) for value in shares} == shares


def test_ranks_drawn_are_in_a_table(results: Results) -> None:
    metric = "reid_rank/colour"
    values = {"mean image": {metric: [1.0, 5.0, 50.0, 500.0]}}
    rows = tuple(dataclasses.replace(row, scores=row.scores | {metric: row.scores["psnr"]}) for row in results.rows)
    page = render_report(dataclasses.replace(results, rows=rows, per_image=values))
    cells = "".join(f"<td>{value}</td>" for value in ("25 %", "50 %", "75 %"))
    assert f'<th scope="row">mean image</th>{cells}</tr>' in page
    assert "Found within" not in render_report(results)
