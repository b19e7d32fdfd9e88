"""Answers by rule: what a paired interval says, and nothing more."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from inverter.evaluation.labels import interval, label, number
from inverter.evaluation.results import Comparison, Results

BETTER, WORSE, SAME, DISAGREE = "better", "worse", "no difference", "judges disagree"
UNKNOWN = "not compared"
UP, DOWN = "↑", "↓"


def verdict(comparison: Comparison) -> str:
    """``better``, ``worse`` or ``no difference`` of a against b.

    The interval of the difference has to exclude 0.

    Raises:
        ValueError: Neither way of the metric is better.
    """
    arrow = label(comparison.metric).arrow
    if arrow not in (UP, DOWN):
        raise ValueError(f"metric {comparison.metric!r} has no better way; allowed: metrics with an arrow")
    if not comparison.excludes_zero:
        return SAME
    return BETTER if (comparison.difference > 0) == (arrow == UP) else WORSE


def joint(verdicts: Sequence[str]) -> str:
    """One word for all judges: better or worse where all say so, or a contradiction."""
    if not verdicts:
        return UNKNOWN
    if len(set(verdicts)) == 1:
        return verdicts[0]
    return DISAGREE if {BETTER, WORSE} <= set(verdicts) else SAME


def compare(results: Results, a: str, b: str, kind: str) -> list[Comparison]:
    """Comparisons of a with b in a metric, one a judge where judges measure it."""
    return [c for c in results.comparisons if (c.a, c.b) == (a, b) and c.metric.partition("/")[0] == kind]


def answer(results: Results, a: str, b: str, kind: str) -> str:
    """Such as ``better (+1.20 [+0.80, +1.60])``; of a judges' metric one difference a judge."""
    found = compare(results, a, b, kind)
    if not found:
        return UNKNOWN
    said = joint([verdict(comparison) for comparison in found])
    return f"{said} ({', '.join(difference(c) for c in found)})"


def difference(comparison: Comparison) -> str:
    """Difference with its interval, and the judge."""
    metric, judge = comparison.metric, comparison.metric.partition("/")[2]
    ends = interval(metric, comparison.low, comparison.high, signed=True) or "no interval from one source"
    return " ".join(part for part in (number(metric, comparison.difference, signed=True), ends, judge) if part)


def sentences(results: Results, pairs: Iterable[tuple[str, str]], kinds: Sequence[str]) -> list[str]:
    """One sentence a pair that was compared: what a is against b in each metric."""
    lines = []
    for a, b in pairs:
        said = {kind: answer(results, a, b, kind) for kind in kinds}
        parts = [f"{label(kind).title} {text}" for kind, text in said.items() if text != UNKNOWN]
        if parts:
            lines.append(f"**{a}** against {b}: {'; '.join(parts)}.")
    return lines


def overall(tables: Sequence[Results], pairs: Iterable[tuple[str, str]], kinds: Sequence[str]) -> list[str]:
    """One sentence a pair: in how many tables a is better, worse or neither, in each metric."""
    lines = []
    for a, b in pairs:
        parts = []
        for kind in kinds:
            found = [compare(results, a, b, kind) for results in tables]
            verdicts = [joint([verdict(c) for c in one]) for one in found if one]
            if verdicts:
                parts.append(f"{label(kind).title} {count(verdicts)}")
        if parts:
            lines.append(f"**{a}** against {b}, over all tables: {'; '.join(parts)}.")
    return lines


def count(verdicts: Sequence[str]) -> str:
    """Such as ``better in 3, worse in 1, no difference in 2 of 6``."""
    parts = [f"{word} in {verdicts.count(word)}" for word in (BETTER, WORSE, SAME, DISAGREE) if word in verdicts]
    return f"{', '.join(parts)} of {len(verdicts)}" if parts else UNKNOWN
