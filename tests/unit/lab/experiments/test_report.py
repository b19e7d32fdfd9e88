"""The report of an experiment: its numbers, its order, and that it is one file."""

import html
import json
import re
from dataclasses import replace
from html.parser import HTMLParser

import pytest
import torch
from browser import check
from browser import chromium as chromium

from inverter.evaluation.results import Pictures
from inverter.lab.experiments.config import MethodsExperimentConfig
from inverter.lab.experiments.page import NOTHING, UNFINISHED, Text, find_lead
from inverter.lab.experiments.plot import panels
from inverter.lab.experiments.record import FILE, GroupResults, make_record
from inverter.lab.experiments.report import render_report, write_report

TEXT = Text(
    "Title <i>",
    "Why `so`?",
    ["A & B"],
    "inverter experiment methods",
    ("psnr", "agreement"),
    ["**a** is better"],
    ["in each"],
    ["few"],
)


@pytest.fixture
def record(results, comparison):
    image = torch.zeros(1, 3, 8, 8, dtype=torch.uint8)
    pictures = [
        Pictures(rank, by, ("<u>k",), ("a cat",), image, {"a": image, "b|c": image}, {"a": (9.0,), "b|c": (8.0,)})
        for rank, by in (("first", None), ("best", "a"), ("median", "a"), ("worst", "a"), ("best", "other"))
    ]
    groups = [
        GroupResults(
            layer, "8 queries", "", results(comparison("psnr", 1.0, 0.5, 1.5, b="none"), pictures=pictures), {}
        )
        for layer in ("blocks.2@224", "blocks.4@224")
    ]
    return make_record("methods", MethodsExperimentConfig(), "val.tar", groups, True)


def render(record):
    return render_report(record, TEXT, panels(record.groups, ("psnr", "agreement"), lambda g: "all", lambda g: g.layer))


class Numbers(HTMLParser):
    """Attributes of every element that shows a number, and the table that it is of."""

    def __init__(self, page):
        super().__init__()
        self.found, self.table = [], ""
        self.feed(page)

    def handle_starttag(self, tag, attrs):
        given = dict(attrs)
        self.table = given.get("data-table", self.table)
        if "data-value" in given:
            self.found.append((self.table, given))


def test_numbers_of_the_page_are_those_of_the_json(record, tmp_path):
    record.save(tmp_path)
    expected = {}
    for group in json.loads((tmp_path / FILE).read_text())["groups"]:
        title, found = f"{group['layer']}, {group['budget']}", group["results"]
        for name, row in found["methods"].items():
            for metric, score in row["metrics"].items():
                expected[title, name, metric, None] = score["mean"], score["low"], score["high"]
            expected |= {(title, name, cost, None): (value, None, None) for cost, value in row["cost"].items()}
        expected |= {(title, "chance", metric, None): (v, None, None) for metric, v in found["chance"].items()}
        for c in found["comparisons"]:
            expected[title, c["a"], c["metric"], c["b"]] = c["difference"], c["low"], c["high"]
    seen = set()
    for table, shown in Numbers(render(record)).found:
        place = table, shown["data-method"], shown["data-metric"], shown.get("data-against")
        ends = [None if end is None else float(end) for end in map(shown.get, ("data-value", "data-low", "data-high"))]
        assert tuple(ends) == expected[place], place
        seen.add(place)
    assert seen == set(expected)


def test_the_page_begins_with_the_sentence_and_folds_what_is_long(record):
    page, lead = render(record), find_lead(record)
    table, first = Numbers(page).found[0]
    assert (table, first["data-method"], first["data-metric"]) == (
        lead.group.title,
        lead.summary.method,
        lead.summary.metric,
    )
    start = page.index('class="summary"')
    words = html.unescape(re.sub("<.*?>", "", page[start : page.index("</p>", start)])).replace("\xa0", " ")
    assert words == f'class="summary">{lead.summary.text}'.replace("`", "")
    assert all(html.escape(line) in html.unescape(page).replace("\xa0", " ") for line in lead.summary.details)
    parts = (lead.measured_on, "What was asked", 'id="pictures"', 'id="key"', 'id="charts"', "<details")
    order = [page.index(part) for part in parts]
    assert order == sorted(order)
    assert page.index("<strong>a</strong> is better") > order[-1]
    assert page.count("<svg") == 2 and page.index("PSNR", page.index('id="charts"')) > order[-1]


def test_the_page_is_one_file_in_which_what_others_wrote_is_text(record):
    page = render(record)
    assert page.isascii() and "<script" not in page and "<i>" not in page and "<u>" not in page and "A &amp; B" in page
    sources = [source for source in re.findall(r'(?:src|href)="([^"]*)"', page) if not source.startswith("#")]
    assert sources and all(source.startswith("data:image/png;base64,iVBOR") for source in sources)
    assert "by PSNR of other" not in page, "pictures are ranked by the attack of the first sentence alone"


def test_what_is_unfinished_or_empty_is_said(record):
    assert UNFINISHED in render(replace(record, finished=False)) and UNFINISHED not in render(record)
    empty = render(replace(record, groups=()))
    assert NOTHING in empty and "<img" not in empty and "<svg" not in empty


@pytest.mark.slow
def test_the_page_fits_every_window_and_is_accessible(chromium, record, tmp_path):
    long = "a_name_of_a_method_that_nobody_would_want_to_read_but_somebody_may_give"
    first, *others = record.groups
    rows = [replace(row, name=long) if row.kind == "attack" else row for row in first.results.rows]
    groups = (replace(first, variant=long, results=replace(first.results, rows=tuple(rows))), *others)
    charts = panels(groups, ("psnr", "agreement"), lambda group: group.title, lambda group: group.layer)
    path = write_report(replace(record, groups=groups), TEXT, charts, tmp_path)
    check(chromium, path)
    assert len(list(tmp_path.glob("report-*.png"))) == 4
