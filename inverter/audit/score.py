"""The leak score: how far the best attack comes from guessing (0) to the ceiling that the prior allows (1)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch

from inverter.evaluation.intervals import Bootstrap, Statistic
from inverter.evaluation.metrics import Missing

CHANCE = "chance"


@dataclass(frozen=True)
class LeakScore:
    """One metric of one layer between its floor and its ceiling.

    Args:
        value: ``raw``, clamped to [0, 1].
        low: Lower end of the 95 % interval, clamped; None where a single source gives none. No further up than sources
            that leak nothing, and were not drawn, allow.
        high: Upper end, likewise: no further down than sources that leak everything, and were not drawn, allow.
        raw: Unclamped score: below 0 the attack is worse than guessing, above 1 better than the prior's round trip.
        raw_low: Lower end of the bootstrap interval alone, unclamped.
        raw_high: Its upper end.
        attack: The attack that comes furthest.
        attack_value: Its mean in the metric's own unit.
        floor: The best guess that reads no features.
        floor_value: Its mean.
        ceiling_value: Mean of the round trip.
        by_attack: Unclamped score of each attack alone.
    """

    value: float
    low: float | None
    high: float | None
    raw: float
    raw_low: float | None
    raw_high: float | None
    attack: str
    attack_value: float
    floor: str
    floor_value: float
    ceiling_value: float
    by_attack: dict[str, float]


def leak_score(
    metric: str,
    attacks: Mapping[str, Statistic],
    floors: Mapping[str, Statistic],
    ceiling: Statistic,
    bootstrap: Bootstrap,
    *,
    lower_is_more: bool = False,
) -> LeakScore | Missing:
    """Place the best attack between the best floor and the ceiling, with the interval of that very quotient.

    Every bootstrap replicate picks its own best attack and best floor and divides anew, so the interval carries what is
    uncertain in all three. A replicate whose ceiling does not clear its floor counts as 1, against the split. Scores of
    0 that replicates repeat are not certain: the ends allow for sources that were not drawn, by Wilson's interval of 0.

    Args:
        metric: Name, for messages.
        attacks: Attack to its mean over images, with replicates of ``bootstrap``.
        floors: Likewise for guesses that read no features.
        ceiling: Likewise for the round trip.
        bootstrap: Where all replicates come from.
        lower_is_more: The metric is a distance: lower values mean more leakage.
    Returns:
        The score, or why there is none: with a ceiling not clearly above the floor there is nothing to divide by.
    """
    sign = -1.0 if lower_is_more else 1.0
    attack, top = best_of_each(attacks, sign)
    floor, bottom = best_of_each(floors, sign)
    span = bootstrap.difference(Statistic(sign * ceiling.value, sign * ceiling.replicates), bottom)
    if span.mean <= 0 or (span.low is not None and span.low <= 0):
        reason = f"the ceiling, {ceiling.value:.4g}, is not clearly better than {floor}, {sign * bottom.value:.4g}"
        return Missing(metric, reason)
    spans = sign * ceiling.replicates - bottom.replicates
    quotients = torch.where(spans > 0, (top.replicates - bottom.replicates) / spans, torch.ones_like(spans))
    unseen = bootstrap.unseen()
    leaked = bootstrap.interval(Statistic((top.value - bottom.value) / span.mean, quotients))
    return LeakScore(
        value=_clamp(leaked.mean),
        low=None if leaked.low is None else min(_clamp(leaked.low), 1 - unseen),
        high=None if leaked.high is None else max(_clamp(leaked.high), unseen),
        raw=leaked.mean,
        raw_low=leaked.low,
        raw_high=leaked.high,
        attack=attack,
        attack_value=attacks[attack].value,
        floor=floor,
        floor_value=floors[floor].value,
        ceiling_value=ceiling.value,
        by_attack={name: (sign * values.value - bottom.value) / span.mean for name, values in attacks.items()},
    )


def best_of_each(methods: Mapping[str, Statistic], sign: float) -> tuple[str, Statistic]:
    """Name of the best by mean, and the best of each replicate, larger being more leakage."""
    best = max(methods, key=lambda name: sign * methods[name].value)
    replicates = torch.stack([sign * method.replicates for method in methods.values()]).amax(0)
    return best, Statistic(sign * methods[best].value, replicates)


def _clamp(value: float) -> float:
    return min(max(value, 0.0), 1.0)
