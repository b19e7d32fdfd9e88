"""How metrics are named and rounded wherever a person reads them."""

import math
from dataclasses import dataclass

from inverter.evaluation.intervals import MIN_SOURCES
from inverter.evaluation.results import Comparison, Score


@dataclass(frozen=True)
class Label:
    """Title with unit, decimals, and the arrow towards more leakage (empty where neither way is better)."""

    title: str
    digits: int
    arrow: str


MOST_DECIMALS = 6

CLAIMS = ("better", "worse", "higher", "lower")
"""Words of :func:`verdict` that say that a difference is there."""

_LABELS = {
    "psnr": Label("PSNR, dB", 2, "↑"),
    "ssim": Label("SSIM", 3, "↑"),
    "lpips": Label("LPIPS", 3, "↓"),
    "feature_cosine": Label("feature cosine", 3, "↑"),
    "agreement": Label("top-1 agreement", 3, "↑"),
    "reid_top1": Label("re-identified first", 3, "↑"),
    "reid_mrr": Label("re-identification MRR", 3, "↑"),
    "reid_rank": Label("re-identification rank", 1, "↓"),
    "kid": Label("KID", 4, "↓"),
    "is": Label("inception score", 2, "↑"),
    "fid": Label("FID", 2, "↓"),
    "reid": Label("re-identification", 3, "↑"),
    "feature_loss": Label("feature loss", 4, "↓"),
    "spectrum_error": Label("error of the spectrum, dB", 2, "↓"),
    "spectrum_high": Label("power at high frequencies, dB", 2, ""),
    "flicker": Label("flicker", 4, "↓"),
    "warping_error": Label("warping error", 5, "↓"),
    "peak_memory_bytes": Label("peak memory, bytes", 0, ""),
    "judge": Label("judge", 0, ""),
    "nearest_train_psnr": Label("PSNR to nearest training picture, dB", 2, ""),
    "nearer_to_train": Label("share nearer to a training picture", 3, ""),
}


def label(metric: str) -> Label:
    """Label of a metric key such as ``psnr`` or ``agreement/JUDGE``; an unknown key is its own title."""
    kind, _, judge = metric.partition("/")
    found = _LABELS.get(kind, Label(kind, 3, ""))
    return Label(f"{found.title} ({judge})", found.digits, found.arrow) if judge else found


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
    digits = label(metric).digits
    if abs(value) < 10**-MOST_DECIMALS:
        return digits
    return min(max(digits, significant - 1 - math.floor(math.log10(abs(value)))), MOST_DECIMALS)
