"""How metrics are named and rounded wherever a person reads them."""

import math
from dataclasses import replace

from inverter.evaluation.intervals import MIN_SOURCES
from inverter.evaluation.metrics import METRICS, Metric
from inverter.evaluation.results import Comparison, Score

MOST_DECIMALS = 6

CLAIMS = ("better", "worse", "higher", "lower")
"""Words of :func:`verdict` that say that a difference is there."""


def label(metric: str) -> Metric:
    """How a key such as ``psnr`` or ``agreement/JUDGE`` is named and rounded; an unknown key is its own title."""
    kind, _, judge = metric.partition("/")
    known = METRICS[kind] if kind in METRICS.names() else Metric(title=kind, decimals=3)
    return replace(known, title=f"{known.title} ({judge})") if judge else known


def heading(metric: str) -> str:
    """Title and arrow."""
    return " ".join(part for part in (label(metric).title, label(metric).arrow) if part)


def number(metric: str, value: float, signed: bool = False) -> str:
    """A value with the metric's decimals, or with what three significant digits take."""
    return f"{value:{'+' if signed else 'z'}.{_decimals(metric, value, 3)}f}"


def interval(metric: str, low: float | None, high: float | None, signed: bool = False) -> str:
    """``[low, high]``, the larger one with two significant digits at least; empty where there is no interval."""
    if low is None or high is None:
        return ""
    form = f"{'+' if signed else 'z'}.{_decimals(metric, max(abs(low), abs(high)), 2)}f"
    return f"[{low:{form}}, {high:{form}}]"


def share(value: float) -> str:
    """A share in per cent, with a decimal below 10 and above 99; ``0 %`` and ``100 %`` are exact."""
    percent = round(100 * value, 1)
    if value != percent / 100 and percent in (0, 100):
        return "under 0.1 %" if percent == 0 else "over 99.9 %"
    return f"{percent:.1f} %" if 0 < percent < 10 or 99 < percent < 100 else f"{100 * value:.0f} %"


def score(metric: str, value: Score) -> str:
    """Mean and interval in one string."""
    return f"{number(metric, value.mean)} {interval(metric, value.low, value.high)}".strip()


def verdict(comparison: Comparison) -> str:
    """What a paired difference says of a: ``better`` or ``worse`` where it leaks more or less than b.

    ``no difference`` is one that these pictures do not show, ``judges disagree`` one that not every judge gives the
    same sign, ``too few sources`` one of fewer than 20, and ``no interval`` that of one source alone. Metrics of which
    neither way is better are ``higher`` or ``lower``.
    """
    if comparison.low is None:
        return "no interval"
    if comparison.groups < MIN_SOURCES:
        return "too few sources"
    if not comparison.claim:
        return "judges disagree" if comparison.excludes_zero else "no difference"
    higher, arrow = comparison.difference > 0, label(comparison.metric).arrow
    if not arrow:
        return "higher" if higher else "lower"
    return "better" if higher == (arrow == "↑") else "worse"


def _decimals(metric: str, value: float, significant: int) -> int:
    decimals = label(metric).decimals
    if abs(value) < 10**-MOST_DECIMALS:
        return decimals
    return min(max(decimals, significant - 1 - math.floor(math.log10(abs(value)))), MOST_DECIMALS)
