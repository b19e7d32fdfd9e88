"""One sentence that says what an audit found, with the figure behind it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from inverter.audit.diagnosis import diagnose_depth
from inverter.audit.recommend import recommend
from inverter.audit.record import Audit
from inverter.audit.score import LeakScore
from inverter.evaluation.labels import share
from inverter.evaluation.summary import limits, sentences

SCALE = "of the way from guessing to the best that this prior allows"


@dataclass(frozen=True)
class Conclusion:
    """A sentence, in which names stand in backticks, with its figure as it stands there, and what stands below it.

    Args:
        text: The sentence, of 40 words at most where names are single ones.
        figure: Empty where no layer has a score.
        layer: That the figure is of.
        details: Further sentences.
    """

    text: str
    figure: str = ""
    layer: str = ""
    details: tuple[str, ...] = ()


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
    figure, others = share(scores[most].value), _other_splits(audit)
    end = limits(audit.num_sources, bool(others))
    details = [f"the judges disagree on the split: {' and '.join(others)}"] if others else []
    if not clears_guessing(scores[most]):
        failed = "No attack clearly beats guessing at any audited layer; none is proven safe: "
        return Conclusion(f"{failed}at most {figure} {SCALE}, at `{most}`{end}", figure, most, sentences(details))
    level = _level(scores, most)
    leads = ", the most of all" if len(level) == 1 < len(scores) else ""
    if len(level) > 1:
        details.insert(0, f"{_named(scores, level[1:])} cannot be told apart from `{most}`")
    text = f"From what `{most}` sends, an attacker gets {figure} {SCALE}{leads}"
    least, known = _least(audit, scores, most)
    if least:
        verb = "leaks" if len(least) == 1 else "leak"
        if len(known) == len(scores):
            text += f"; {_short(least)} {verb} least"
        if len(known) < len(scores) or len(least) > 2:
            among = "of the layers that were attacked well enough to tell, " if len(known) < len(scores) else ""
            details.append(f"{among}{_named(scores, least)} {verb} least")
    return Conclusion(f"{text}{end}", figure, most, sentences(details))


def _least(audit: Audit, scores: Mapping[str, LeakScore], most: str) -> tuple[list[str], Mapping[str, LeakScore]]:
    """Layers that leak least, none where none is clearly below the most; and those attacked well enough to tell."""
    weak = diagnose_depth([layer.layer for layer in audit.layers], scores)
    known = {layer: score for layer, score in audit.bounds().items() if layer not in weak}
    if not known:
        return [], known
    level = _level(known, min(known, key=lambda layer: known[layer].value))
    return (level if _apart(scores[most], known[level[0]]) else []), known


def _level(scores: Mapping[str, LeakScore], layer: str) -> list[str]:
    """The layer, then those whose intervals overlap with its own."""
    return [layer, *(other for other in scores if other != layer and not _apart(scores[layer], scores[other]))]


def _apart(a: LeakScore, b: LeakScore) -> bool:
    if a.low is None or a.high is None or b.low is None or b.high is None:
        return False
    return a.low > b.high or b.low > a.high


def _named(scores: Mapping[str, LeakScore], layers: Sequence[str]) -> str:
    return " and ".join(f"`{layer}` ({share(scores[layer].value)})" for layer in layers)


def _short(layers: Sequence[str]) -> str:
    """Of more than two names the first, and how many others there are."""
    return f"`{layers[0]}` and {len(layers) - 1} others" if len(layers) > 2 else " and ".join(f"`{n}`" for n in layers)


def interval(score: LeakScore) -> str:
    return "" if score.low is None or score.high is None else f" [{share(score.low)}, {share(score.high)}]"


def clears_guessing(score: LeakScore) -> bool:
    return (score.raw if score.raw_low is None else score.raw_low) > 0


def _other_splits(audit: Audit) -> list[str]:
    """What judges besides the headline's would recommend, where that is something else."""
    kind, names = audit.metric.partition("/")[0], [layer.layer for layer in audit.layers]
    metrics = dict.fromkeys(metric for layer in audit.layers for metric in layer.scores)
    sentences = []
    for metric in metrics:
        if metric == audit.metric or metric.partition("/")[0] != kind:
            continue
        scores = {
            layer.layer: layer.scores[metric] for layer in audit.layers if layer.trained and metric in layer.scores
        }
        split = recommend(names, scores, audit.threshold, audit.num_sources)
        if split != audit.recommended:
            sentences.append(f"`{metric.partition('/')[2]}` would recommend {f'`{split}`' if split else 'no split'}")
    return sentences
