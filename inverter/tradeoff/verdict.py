"""What follows from the settings' figures: which protect, which are not beaten, which to take, which break a need."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from inverter.evaluation.intervals import MIN_SOURCES
from inverter.evaluation.labels import label

if TYPE_CHECKING:
    from inverter.evaluation.results import Comparison, Score
    from inverter.tradeoff.record import SettingRecord


def pareto_set(settings: Sequence[SettingRecord], metric: str) -> tuple[str, ...]:
    """Settings that no other one beats: as much agreement, as low a score, and one of them better.

    Means are compared, intervals are not: one in the set may be no better than one that is not. A setting without a
    score, or whose attack was trained too little, is not in it and beats none.
    """
    points = {
        each.name: (each.agreement.mean, -each.scores[metric].value)
        for each in settings
        if each.trained and metric in each.scores
    }

    def beaten(point: tuple[float, float]) -> bool:
        return any(other != point and other[0] >= point[0] and other[1] >= point[1] for other in points.values())

    return tuple(name for name, point in points.items() if not beaten(point))


def protecting(settings: Sequence[SettingRecord], metric: str) -> tuple[str, ...]:
    """Settings whose best attack finds clearly less than the best one on undefended features.

    Differences are paired by picture and have one sign under every judge; fewer than 20 sources show none.
    """
    return tuple(each.name for each in settings if each.trained and less(each.protection, metric))


def less(comparisons: Sequence[Comparison], metric: str) -> bool:
    """Whether the difference in a metric may be called less leakage."""
    lower_is_more = label(metric).arrow == "↓"
    return any(c.metric == metric and c.claim and (c.difference > 0) == lower_is_more for c in comparisons)


def more(comparisons: Sequence[Comparison], metric: str) -> bool:
    """Whether the difference in a metric may be called more leakage."""
    lower_is_more = label(metric).arrow == "↓"
    return any(c.metric == metric and c.claim and (c.difference < 0) == lower_is_more for c in comparisons)


def recommend(settings: Sequence[SettingRecord], metric: str, protects: Sequence[str], keep: float) -> str | None:
    """Of the settings that protect and whose agreement's lower end is ``keep`` or more, the one of the lowest score."""
    known = [
        each
        for each in settings
        if each.name in protects and (low := each.agreement.low) is not None and low >= keep and metric in each.scores
    ]
    enough = [each for each in known if each.agreement.groups >= MIN_SOURCES]
    return min(enough, key=lambda each: each.scores[metric].value).name if enough else None


def below(needs: Mapping[str, float], agreement: Mapping[str, Score]) -> tuple[str, ...]:
    """Settings whose agreement's lower end is below their need, or that have none to hold against it.

    Fewer than 20 sources keep no need.
    """

    def kept(name: str) -> bool:
        found = agreement[name]
        return found.groups >= MIN_SOURCES and found.low is not None and found.low >= needs[name]

    return tuple(name for name in needs if not kept(name))
