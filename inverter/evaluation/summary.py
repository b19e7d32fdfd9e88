"""One sentence that says what leaked, for readers of no table, with the figure behind it."""

from __future__ import annotations

from dataclasses import dataclass

from inverter.evaluation.intervals import MIN_SOURCES
from inverter.evaluation.references import NEAREST_BY_FEATURES
from inverter.evaluation.results import Results, Row

PHRASES = {
    "reid_top1": "a stranger finds the original picture among {choices} in {value} of the cases",
    "agreement": "pictures come back in which a classifier sees what the original shows in {value} of the cases",
    "psnr": "pictures come back that are as near to the originals as a PSNR of {value}",
}
"""What a metric says in words, the first that was measured being taken; of all, higher values mean more leakage."""

RETRIEVED = {
    "reid_top1": "retrieving the nearest training picture does so in {value}",
    "agreement": "in the nearest training picture it does so in {value}",
    "psnr": "the nearest training picture reaches {value}",
}


@dataclass(frozen=True)
class Summary:
    """A sentence and its figure.

    Args:
        text: The sentence; names of layers and judges stand in backticks.
        figure: The figure as it stands in the sentence; empty where there is none.
        method: Attack that the figure is of.
        metric: Its metric.
    """

    text: str
    figure: str = ""
    method: str = ""
    metric: str = ""


@dataclass(frozen=True)
class Finding:
    """One attack in one metric beside what needs no attack; None where that was not measured."""

    method: str
    metric: str
    value: float
    guess: float | None
    beats_guess: bool
    retrieved: float | None
    beats_retrieval: bool

    @property
    def judge(self) -> str:
        return self.metric.partition("/")[2]

    def contradicts(self, other: Finding) -> bool:
        """Whether another judge sees the same attack on the other side of guessing or, beyond it, of retrieval."""
        if self.method != other.method or self.beats_guess != other.beats_guess:
            return self.method == other.method
        if not self.beats_guess or self.retrieved is None or other.retrieved is None:
            return False
        sides = (self.value > self.retrieved) != (other.value > other.retrieved)
        return sides and self.beats_retrieval != other.beats_retrieval


def summarise(results: Results) -> Summary:
    """What the attack that came furthest found, under the judge who sees most, and what limits that.

    The sentence says where the attack does not clear every guess, where retrieval does as well, where another judge
    contradicts, and where fewer than 20 sources were evaluated.
    """
    for kind in PHRASES:
        found = _findings(results, kind)
        if found:
            return _sentence(results, kind, found)
    return Summary("No attack was evaluated, so nothing is known of what leaks.")


def _findings(results: Results, kind: str) -> list[Finding]:
    metrics = [metric for metric in results.metrics() if metric.partition("/")[0] == kind]
    attacks = [row for row in results.rows if row.kind == "attack"]
    return [_finding(results, row, metric) for row in attacks for metric in metrics if metric in row.scores]


def _finding(results: Results, row: Row, metric: str) -> Finding:
    value = row.scores[metric]
    low = value.mean if value.low is None else value.low
    floors = {
        floor.name: floor.scores[metric].mean
        for floor in results.rows
        if floor.kind == "floor" and metric in floor.scores
    }
    beaten = {name: _beats(results, row, name, metric) for name in floors}
    guesses = {name: mean for name, mean in floors.items() if name != NEAREST_BY_FEATURES}
    cleared = [beaten[name] for name in guesses]
    if metric in results.chance:
        guesses["chance"] = results.chance[metric]
        cleared.append(low > results.chance[metric])
    return Finding(
        row.name,
        metric,
        value.mean,
        guess=max(guesses.values(), default=None),
        beats_guess=all(cleared),
        retrieved=floors.get(NEAREST_BY_FEATURES),
        beats_retrieval=beaten.get(NEAREST_BY_FEATURES, False),
    )


def _beats(results: Results, row: Row, floor: str, metric: str) -> bool:
    """Whether the paired difference lies above 0; where none was computed, whether the interval lies above the mean."""
    for c in results.comparisons:
        if (c.a, c.b, c.metric) == (row.name, floor, metric) and c.low is not None:
            return c.low > 0
    score = row.scores[metric]
    return (score.mean if score.low is None else score.low) > results.row(floor).scores[metric].mean


def _sentence(results: Results, kind: str, found: list[Finding]) -> Summary:
    best = max(found, key=lambda finding: (finding.beats_guess, finding.value))
    figure = _figure(kind, best.value)
    said = PHRASES[kind].format(choices=_choices(results, best), value=figure)
    layer = f"`{results.target['layer']}`" if results.target else "the target"
    guess = f"guessing: {_figure(kind, best.guess)}" if best.guess is not None else "nothing to compare with"
    if best.beats_guess:
        parts = [f"From what {layer} sends, {said} ({guess})"]
    else:
        parts = [
            f"The attack failed, which does not show that {layer} is safe: from what it sends, {said}, not clearly "
            f"more than without it ({guess})"
        ]
    if best.retrieved is not None:
        retrieved = RETRIEVED[kind].format(value=_figure(kind, best.retrieved))
        parts.append(retrieved if best.beats_retrieval else f"{retrieved}, which the attack does not clearly beat")
    others = [finding for finding in found if finding.contradicts(best)]
    if others:
        parts.append(f"but the judges disagree: {' and '.join(_contradiction(kind, other) for other in others)}")
    if results.num_sources < MIN_SOURCES:
        parts.append(f"but sources are too few to rely on this: {results.num_sources}, where {MIN_SOURCES} are needed")
    return Summary("; ".join(parts) + ".", figure, best.method, best.metric)


def _contradiction(kind: str, other: Finding) -> str:
    against = other.guess if not other.beats_guess else other.retrieved
    what = "guessing" if not other.beats_guess else "retrieval"
    beside = f" against {_figure(kind, against)} by {what}" if against is not None else ""
    return f"`{other.judge}` says {_figure(kind, other.value)}{beside}"


def _choices(results: Results, finding: Finding) -> str:
    """How many pictures the original is found among, itself included."""
    chance = results.chance.get(finding.metric)
    return f"{1 / chance:,.0f}" if chance else "others"


def _figure(kind: str, value: float) -> str:
    """Decibels, or a share in per cent."""
    if kind == "psnr":
        return f"{value:.1f} dB"
    percent = 100 * value
    return f"{percent:.0f} %" if percent == 0 or 10 <= percent <= 99 or percent == 100 else f"{percent:.1f} %"
