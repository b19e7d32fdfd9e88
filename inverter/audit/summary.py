"""One sentence that says what an audit found, with the figure behind it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from inverter.audit.diagnosis import diagnose_depth
from inverter.audit.recommend import recommend
from inverter.audit.record import Audit
from inverter.audit.score import LeakScore
from inverter.evaluation.labels import share
from inverter.evaluation.summary import few_sources


@dataclass(frozen=True)
class Conclusion:
    """A sentence, in which names stand in backticks, with its figure as it stands there and the layer that this is of.

    Both are empty where no layer has a score.
    """

    text: str
    figure: str = ""
    layer: str = ""


def summarise(audit: Audit) -> Conclusion:
    """Which layer leaks most by the headline score, which least, and what limits that.

    Least is said of layers only whose attack was trained and that no deeper layer clearly exceeds. Layers whose
    intervals overlap are named together. The sentence says where no attack clears guessing, where another judge would
    recommend another split, and where fewer than 20 sources were evaluated.
    """
    scores = audit.scores()
    if not scores:
        return Conclusion("What leaks could not be scored at any audited layer.")
    most = max(scores, key=lambda layer: (clears_guessing(scores[layer]), scores[layer].value))
    figure = share(scores[most].value)
    scale = f"{figure}{interval(scores[most])} of the way from guessing to the prior's own round trip"
    if not clears_guessing(scores[most]):
        parts = [
            "No attack clearly beats guessing at any audited layer, which does not show that they are safe: the most "
            f"is `{most}` with {scale}"
        ]
    else:
        level = _level(scores, most)
        leads = "leaks most and " if len(level) == 1 < len(scores) else ""
        parts = [f"What `{most}` sends {leads}takes an attacker {scale}"]
        if len(level) > 1:
            parts.append(f"{_named(scores, level[1:])} cannot be told apart from it")
        parts += _least(audit, scores, most)
    others = _other_splits(audit)
    if others:
        parts.append(f"but the judges disagree: {' and '.join(others)}")
    parts += few_sources(audit.num_sources)
    return Conclusion("; ".join(parts) + ".", figure, most)


def _least(audit: Audit, scores: Mapping[str, LeakScore], most: str) -> list[str]:
    """Which layers leak least; nothing where none is clearly below the most."""
    weak = diagnose_depth([layer.layer for layer in audit.layers], scores)
    known = {layer: score for layer, score in audit.bounds().items() if layer not in weak}
    if not known:
        return []
    level = _level(known, min(known, key=lambda layer: known[layer].value))
    if not _apart(scores[most], known[level[0]]):
        return []
    among = "" if len(known) == len(scores) else "of the layers that were attacked well enough to tell, "
    return [f"{among}{_named(scores, level)} {'leaks' if len(level) == 1 else 'leak'} least"]


def _level(scores: Mapping[str, LeakScore], layer: str) -> list[str]:
    """The layer, then those whose intervals overlap with its own."""
    return [layer, *(other for other in scores if other != layer and not _apart(scores[layer], scores[other]))]


def _apart(a: LeakScore, b: LeakScore) -> bool:
    if a.low is None or a.high is None or b.low is None or b.high is None:
        return False
    return a.low > b.high or b.low > a.high


def _named(scores: Mapping[str, LeakScore], layers: Sequence[str]) -> str:
    return " and ".join(f"`{layer}` ({share(scores[layer].value)})" for layer in layers)


def interval(score: LeakScore) -> str:
    return "" if score.low is None or score.high is None else f" [{share(score.low)}, {share(score.high)}]"


def clears_guessing(score: LeakScore) -> bool:
    return (score.raw if score.raw_low is None else score.raw_low) > 0


def _other_splits(audit: Audit) -> list[str]:
    """What judges besides the headline's would recommend, where that is something else."""
    kind, names = audit.metric.partition("/")[0], [layer.layer for layer in audit.layers]
    metrics = dict.fromkeys(metric for layer in audit.layers for metric in layer.scores)
    others = []
    for metric in metrics:
        if metric == audit.metric or metric.partition("/")[0] != kind:
            continue
        scores = {
            layer.layer: layer.scores[metric] for layer in audit.layers if layer.trained and metric in layer.scores
        }
        split = recommend(names, scores, audit.threshold, audit.num_sources)
        if split != audit.recommended:
            others.append(f"`{metric.partition('/')[2]}` would recommend {f'`{split}`' if split else 'no split'}")
    return others
