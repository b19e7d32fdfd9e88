import logging

import pytest

from inverter.run import progress
from inverter.run.progress import track


@pytest.fixture
def clock(monkeypatch):
    """A clock that only ``sleep`` moves."""
    now = [100.0]
    monkeypatch.setattr(progress.time, "monotonic", lambda: now[0])
    return lambda seconds: now.__setitem__(0, now[0] + seconds)


def test_every_item_passes_in_order():
    assert list(track(range(5), "counting")) == [0, 1, 2, 3, 4]
    assert list(track(iter("ab"), "letters")) == ["a", "b"]
    assert list(track([], "nothing")) == []


def test_now_and_then_a_line_says_how_long_it_will_take(clock, caplog):
    caplog.set_level(logging.INFO)
    for _ in track(range(10), "work", every_seconds=20):
        clock(9)
    lines = [record.message for record in caplog.records]
    assert lines == [
        "work: 3 of 10 after 27 s, about 63 s left",
        "work: 6 of 10 after 54 s, about 36 s left",
        "work: 9 of 10 after 81 s, about 9 s left",
    ]


def test_without_a_length_no_time_is_promised(clock, caplog):
    caplog.set_level(logging.INFO)
    for _ in track(iter(range(3)), "work", every_seconds=1):
        clock(5)
    assert [record.message for record in caplog.records] == [f"work: {n} after {5 * n} s" for n in (1, 2, 3)]


def test_in_a_terminal_there_is_a_bar(monkeypatch, capsys):
    monkeypatch.setattr(progress.sys.stderr, "isatty", lambda: True, raising=False)
    assert list(track(range(3), "work")) == [0, 1, 2]
    shown = capsys.readouterr()
    assert "work" in shown.err and shown.out == ""  # what a stage prints may be piped
