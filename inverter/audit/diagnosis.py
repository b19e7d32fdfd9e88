"""Signatures of a measurement that says less than it seems to: one line each, in words that say what to do."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from inverter.audit.metrics import CEILING
from inverter.audit.score import LeakScore
from inverter.evaluation.methods import NEAREST_BY_FEATURES
from inverter.evaluation.metrics import Missing
from inverter.evaluation.results import Results

MIN_CEILING_PSNR = 20.0
"""Decibels of the round trip below which the prior does not know such pictures; in its domain one reaches about 25."""

MIN_CEILING_TOP1 = 0.5
"""Share of round trips that a judge must find again among the distractors."""

MIN_PROMPT_CHANGE = 1.0
"""8-bit levels by which another prompt must change a picture on average."""

MAX_MOTION, MIN_MOTION = 1.5, 0.5
"""How often as much as the clip itself reconstructions may change from frame to frame, at most and at least."""


def diagnose(
    results: Results,
    scores: Mapping[str, LeakScore | Missing],
    metric: str,
    *,
    pairs: int,
    pairs_seen: int,
    prompt_change: float,
    motion: Mapping[str, float],
) -> tuple[str, ...]:
    """Lines about one layer; none where nothing is wrong.

    Args:
        results: The layer's evaluation.
        scores: Its leak scores.
        metric: Key of the headline metric.
        pairs: Training pairs.
        pairs_seen: Pairs that training went through, repeats counted.
        prompt_change: See :func:`inverter.audit.prompt.prompt_change`.
        motion: Of each operating point, see :func:`inverter.audit.motion.read_motion`.
    """
    return tuple(
        line
        for line in (
            _ceiling(results),
            _unscored(metric, scores[metric]),
            _worse_than_guessing(metric, scores[metric]),
            _retrieval(metric, scores[metric]),
            _memory(results),
            _training(pairs, pairs_seen),
            _prompt(prompt_change),
            *(_motion(method, ratio) for method, ratio in motion.items()),
        )
        if line
    )


def diagnose_depth(layers: Sequence[str], scores: Mapping[str, LeakScore]) -> dict[str, str]:
    """A line for each layer that scores clearly less than a deeper one, which it cannot if both attacks are as good."""
    warnings: dict[str, str] = {}
    for i, layer in enumerate(layers):
        high = scores[layer].high if layer in scores else None
        for deeper in layers[i + 1 :]:
            low = scores[deeper].low if deeper in scores else None
            if high is not None and low is not None and low > high:
                warnings[layer] = (
                    f"Attacked too weakly: the deeper {deeper} scores more, though it is computed from {layer} and "
                    "cannot tell more. Train longer or with more pairs; read this score as a lower bound."
                )
                break
    return warnings


def _ceiling(results: Results) -> str:
    scores = results.row(CEILING).scores
    top1 = [score.mean for metric, score in scores.items() if metric.startswith("reid_top1/")]
    if scores["psnr"].mean >= MIN_CEILING_PSNR and min(top1, default=1.0) >= MIN_CEILING_TOP1:
        return ""
    first = f", {min(top1):.0%} found again among the distractors" if top1 else ""
    return (
        f"Out of the prior's domain: its own round trip reaches only {scores['psnr'].mean:.1f} dB{first}. "
        "The score is relative to a low ceiling; use a prior that knows such pictures."
    )


def _unscored(metric: str, score: LeakScore | Missing) -> str:
    return f"No score in {metric}: {score.reason}." if isinstance(score, Missing) else ""


def _worse_than_guessing(metric: str, score: LeakScore | Missing) -> str:
    if isinstance(score, Missing) or score.raw >= 0:
        return ""
    return (
        f"Worse than guessing: the best attack scores {score.raw:.3f} in {metric}, shown as 0; {score.floor}, which "
        "reads no features, does better. This says that the attack failed, not that the layer is safe."
    )


def _retrieval(metric: str, score: LeakScore | Missing) -> str:
    if isinstance(score, Missing) or score.attack != NEAREST_BY_FEATURES:
        return ""
    others = [value for attack, value in score.by_attack.items() if attack != NEAREST_BY_FEATURES]
    return (
        f"Retrieval beats inversion: the nearest training picture scores {score.raw:.2f} in {metric}, the best "
        f"reconstruction {max(others, default=0.0):.2f}. The features say more than this attack draws from them; a "
        "stronger prior, more pairs or longer training may reconstruct more."
    )


def _memory(results: Results) -> str:
    shares = [row.scores["nearer_to_train"].mean for row in results.rows if "nearer_to_train" in row.scores]
    if not shares or min(shares) <= 0.5:
        return ""
    return (
        f"Little of the picture comes back: {min(shares):.0%} of the reconstructions are nearer to a training picture "
        "than to their original, as smooth or remembered pictures are."
    )


def _training(pairs: int, pairs_seen: int) -> str:
    if pairs_seen >= pairs:
        return ""
    return (
        f"Trained too little: {pairs_seen:,} pairs seen of {pairs:,}, less than one pass. Raise optim.max_time; read "
        "the score as a lower bound."
    )


def _prompt(change: float) -> str:
    if change >= MIN_PROMPT_CHANGE:
        return ""
    return (
        f"Prompt without effect: two unlike prompts change `sample` by {change:.2f} of 255 levels, so what an attacker "
        "knows in words adds nothing. A higher model.strength lets the prior draw more."
    )


def _motion(method: str, ratio: float) -> str:
    if MIN_MOTION <= ratio <= MAX_MOTION:
        return ""
    what, why = (
        ("Flickers", "each frame is inverted for itself; temporal smoothing of a white-box method ties them")
        if ratio > MAX_MOTION
        else ("Smears", "what moves is averaged away, so the score says little of motion")
    )
    return f"{what}: from frame to frame `{method}` changes {ratio:.2f} times as much as the clip itself; {why}."
