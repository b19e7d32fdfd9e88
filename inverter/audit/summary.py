"""One sentence that says what an audit found, with the figure behind it."""

from __future__ import annotations

from dataclasses import dataclass

from inverter.audit.recommend import recommend
from inverter.audit.record import Audit
from inverter.audit.score import LeakScore
from inverter.evaluation.intervals import MIN_SOURCES


@dataclass(frozen=True)
class Summary:
    """A sentence, in which names stand in backticks, with its figure as it stands there and the layer that this is of.

    Both are empty where no layer has a score.
    """

    text: str
    figure: str = ""
    layer: str = ""


def summarise(audit: Audit) -> Summary:
    """Which layer leaks most by the headline score, which least, and what limits that.

    The sentence says where no attack clears guessing, where another judge would recommend another split, and where
    fewer than 20 sources were evaluated.
    """
    scores = audit.scores()
    if not scores:
        return Summary("What leaks could not be scored at any audited layer.")
    most = max(scores, key=lambda layer: scores[layer].value)
    least = min(scores, key=lambda layer: scores[layer].value)
    figure = _percent(scores[most])
    scale = f"{figure} of the way from guessing to the best that the prior can draw"
    if not any(_clears_guessing(score) for score in scores.values()):
        parts = [
            "No attack clearly beats guessing at any audited layer, which does not show that they are safe: the most "
            f"is `{most}` with {scale}"
        ]
    elif most == least:
        parts = [f"What `{most}` sends takes an attacker {scale}"]
    else:
        parts = [
            f"What `{most}` sends leaks most and takes an attacker {scale}",
            f"`{least}` leaks least, {_percent(scores[least])}",
        ]
    others = _other_splits(audit)
    if others:
        parts.append(f"but the judges disagree: {' and '.join(others)}")
    if audit.num_sources < MIN_SOURCES:
        parts.append(f"but sources are too few to rely on this: {audit.num_sources}, where {MIN_SOURCES} are needed")
    return Summary("; ".join(parts) + ".", figure, most)


def _clears_guessing(score: LeakScore) -> bool:
    return (score.raw if score.raw_low is None else score.raw_low) > 0


def _other_splits(audit: Audit) -> list[str]:
    """What judges besides the headline's would recommend, where that is something else."""
    kind, names = audit.metric.partition("/")[0], [layer.layer for layer in audit.layers]
    metrics = dict.fromkeys(metric for layer in audit.layers for metric in layer.scores)
    found = []
    for metric in metrics:
        if metric == audit.metric or metric.partition("/")[0] != kind:
            continue
        scores = {
            layer.layer: layer.scores[metric] for layer in audit.layers if layer.trained and metric in layer.scores
        }
        split = recommend(names, scores, audit.threshold, audit.num_sources)
        if split != audit.recommended:
            found.append(f"`{metric.partition('/')[2]}` would recommend {f'`{split}`' if split else 'no split'}")
    return found


def _percent(score: LeakScore) -> str:
    return f"{100 * score.value:.0f} %"
