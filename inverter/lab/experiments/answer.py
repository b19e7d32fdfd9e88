"""Answers by rule: what a paired interval says, and nothing more."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from inverter.evaluation.labels import interval, label, number, verdict
from inverter.evaluation.results import Comparison, Results

BETTER, WORSE, SAME, DISAGREE, ALONE = "better", "worse", "no difference", "judges disagree", "no interval"
FEW = "too few sources"
"""Words of :func:`inverter.evaluation.labels.verdict`."""
UNKNOWN, SOME_JUDGES = "not compared", "under some judges"


def joint(comparisons: Sequence[Comparison]) -> str:
    """One word for all judges: the one that all say, that only some see a difference, or that they disagree."""
    words = {verdict(comparison) for comparison in comparisons}
    if len(words) < 2:
        return words.pop() if words else UNKNOWN
    differences = words & {BETTER, WORSE}
    if DISAGREE in words or len(differences) == 2:
        return DISAGREE
    return f"{differences.pop()} {SOME_JUDGES}" if differences else SAME


def compare(results: Results, a: str, b: str, kind: str) -> list[Comparison]:
    """Comparisons of a with b in a metric, one a judge where judges measure it."""
    return [c for c in results.comparisons if (c.a, c.b) == (a, b) and c.metric.partition("/")[0] == kind]


def answer(results: Results, a: str, b: str, kind: str) -> str:
    """Such as ``better (+1.20 [+0.80, +1.60])``; of a judges' metric one difference a judge."""
    comparisons = compare(results, a, b, kind)
    if not comparisons:
        return UNKNOWN
    return f"{joint(comparisons)} ({', '.join(difference(c) for c in comparisons)})"


def difference(comparison: Comparison) -> str:
    """Difference with its interval, and the judge."""
    metric, judge = comparison.metric, comparison.metric.partition("/")[2]
    ends = interval(metric, comparison.low, comparison.high, signed=True) or "from one source"
    return " ".join(part for part in (number(metric, comparison.difference, signed=True), ends, judge) if part)


def sentences(results: Results, pairs: Iterable[tuple[str, str]], kinds: Sequence[str]) -> list[str]:
    """One sentence a pair that was compared: what a is against b in each metric."""
    lines = []
    for a, b in pairs:
        answers = {kind: answer(results, a, b, kind) for kind in kinds}
        parts = [f"{label(kind).title} {text}" for kind, text in answers.items() if text != UNKNOWN]
        if parts:
            lines.append(f"**{a}** against {b}: {'; '.join(parts)}.")
    return lines


def overall(tables: Sequence[Results], pairs: Iterable[tuple[str, str]], kinds: Sequence[str]) -> list[str]:
    """One sentence a pair: in how many tables a is better, worse or neither, in each metric."""
    lines = []
    for a, b in pairs:
        parts = []
        for kind in kinds:
            comparisons = [compare(results, a, b, kind) for results in tables]
            verdicts = [joint(one) for one in comparisons if one]
            if verdicts:
                parts.append(f"{label(kind).title} {count(verdicts)}")
        if parts:
            lines.append(f"**{a}** against {b}, over all tables: {'; '.join(parts)}.")
    return lines


def count(verdicts: Sequence[str]) -> str:
    """Such as ``better in 3, worse in 1, no difference in 2 of 6``."""
    words = (BETTER, f"{BETTER} {SOME_JUDGES}", WORSE, f"{WORSE} {SOME_JUDGES}", SAME, DISAGREE, FEW, ALONE)
    parts = [f"{word} in {verdicts.count(word)}" for word in words if word in verdicts]
    return f"{', '.join(parts)} of {len(verdicts)}" if parts else UNKNOWN
