"""Where to split under a threshold, and which layers break a limit."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence

from inverter.audit.score import LeakScore
from inverter.evaluation.intervals import MIN_SOURCES
from inverter.run.status import LIMIT_EXCEEDED

log = logging.getLogger(__name__)


def recommend(layers: Sequence[str], scores: Mapping[str, LeakScore], threshold: float, num_sources: int) -> str | None:
    """Earliest layer from which on every score's upper end stays under the threshold; None where there is none.

    Deeper features are computed from shallower ones and cannot tell more. So a layer is no safer than the layers behind
    it: one that scores low while a deeper one does not was attacked too weakly.

    Args:
        layers: The audited layers, in the order of the forward pass.
        scores: Layer to its headline score; a layer without one counts as above every threshold.
        threshold: Score in (0, 1].
        num_sources: Photos or clips that were resampled; fewer than 20 recommend nothing.
    """
    chosen = None
    if num_sources < MIN_SOURCES:
        return None
    for layer in reversed(layers):
        high = upper_end(scores.get(layer))
        if high is None or high >= threshold:
            break
        chosen = layer
    return chosen


def parse_limits(text: str | None, names: Sequence[str], key: str = "fail_above") -> dict[str, float]:
    """Limits of ``NAME:SCORE[,NAME:SCORE ...]`` by name, of a layer or a setting; none of None.

    Raises:
        ValueError: Another form, a name that is not known or given twice, or a score outside [0, 1].
    """
    limits: dict[str, float] = {}
    for part in text.split(",") if text is not None else ():
        name, _, number = part.strip().rpartition(":")
        try:
            score = float(number)
        except ValueError:
            score = -1.0
        if name not in names or name in limits or not 0 <= score <= 1:
            raise ValueError(
                f"{key}={text!r}; allowed: NAME:NUMBER with one of {', '.join(names)}, each once, and a number from 0 "
                "to 1"
            )
        limits[name] = score
    return limits


def exceeded(limits: Mapping[str, float], scores: Mapping[str, LeakScore], num_sources: int) -> tuple[str, ...]:
    """Layers whose score's upper end is above their limit, or that have no upper end to hold against it.

    Fewer than 20 sources keep no limit.
    """
    if num_sources < MIN_SOURCES:
        return tuple(limits)
    ends = {layer: upper_end(scores.get(layer)) for layer in limits}
    return tuple(layer for layer, limit in limits.items() if (end := ends[layer]) is None or end > limit)


def upper_end(score: LeakScore | None) -> float | None:
    """Upper end of the interval; None where there is no score or no interval."""
    return None if score is None else score.high


def end_if_broken(limits: Sequence[tuple[str, str | None, Sequence[str]]], num_sources: int) -> None:
    """Log which limits are not kept, and end with status 3 where there is one.

    Args:
        limits: Key, its value, and the names that do not keep it.
        num_sources: Photos or clips that were evaluated.
    Raises:
        SystemExit: See above.
    """
    few = f": {num_sources} sources are too few" if num_sources < MIN_SOURCES else ""
    for key, value, broken in limits:
        if broken:
            log.error("%s=%s is not kept by %s%s", key, value, ", ".join(broken), few)
    if any(broken for _, _, broken in limits):
        raise SystemExit(LIMIT_EXCEEDED)
