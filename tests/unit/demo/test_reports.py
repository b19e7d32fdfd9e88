"""Reports are read by name alone, and shown where they can do nothing."""

import pytest

from inverter.demo import reports
from inverter.demo.reports import find_reports, frame


@pytest.fixture
def runs(tmp_path):
    for run, text in (
        ("runs/one", "<p>one</p>"),
        ("runs/audit/two", '<script>alert("2")</script>'),
        ("other", "secret"),
    ):
        (tmp_path / run).mkdir(parents=True)
        (tmp_path / run / "report.html").write_text(text)
    (tmp_path / "runs" / "link").mkdir()
    (tmp_path / "runs" / "link" / "report.html").symlink_to(tmp_path / "other" / "report.html")
    return tmp_path / "runs"


def test_reports_are_found_by_name_and_links_that_lead_out_are_not(runs):
    assert list(find_reports(runs)) == ["audit/two", "one"]


def test_a_report_is_shown_in_a_frame_that_runs_nothing(runs):
    shown = frame(runs, "audit/two")
    assert 'sandbox=""' in shown and "<script" not in shown and "&lt;script&gt;alert(&quot;2&quot;)" in shown


@pytest.mark.parametrize("name", ["../other", "link", "/etc/passwd", "", "one/report.html"])
def test_nothing_else_is_read(runs, name):
    with pytest.raises(ValueError, match=r"^report is .*; allowed: audit/two, one$"):
        frame(runs, name)


def test_a_report_that_is_too_large_is_not_read(runs, monkeypatch):
    monkeypatch.setattr(reports, "MOST_BYTES", 9)
    with pytest.raises(ValueError, match=r"^report of one has 10 bytes; allowed: 9; open its file instead$"):
        frame(runs, "one")


def test_a_folder_without_reports_says_so(tmp_path):
    with pytest.raises(ValueError, match=r"none, since no run has one yet"):
        frame(tmp_path / "absent", "one")
