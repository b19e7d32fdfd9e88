"""One sentence that says what leaked, for readers of no table, with the figure behind it."""

from __future__ import annotations

from dataclasses import dataclass

from inverter.evaluation.intervals import MIN_SOURCES
from inverter.evaluation.labels import share
from inverter.evaluation.methods import NEAREST_BY_FEATURES
from inverter.evaluation.results import Results, Row, Score

CHANCE = "chance"

PHRASES = {
    "reid_top1": "a judge network{judge} finds the original picture among {choices} in {value} of the cases{others}",
    "agreement": "pictures come back in which a judge network{judge} sees what the original shows in {value} of the "
    "cases{others}",
    "psnr": "pictures come back that are as near to the originals as a PSNR of {value}",
}
"""What a metric says in words, the first that was measured being taken; of all, higher values mean more leakage."""

MEANS = {"mean": "", "sample": "", NEAREST_BY_FEATURES: "by looking up the nearest training picture, "}
"""How an attack is named in front of what it found; one that is not here by its own name."""


@dataclass(frozen=True)
class Summary:
    """A sentence and its figure.

    Args:
        text: The sentence; names of layers and judges stand in backticks.
        figure: The figure as it stands in the sentence; empty where there is none.
        method: Attack that the figure is of.
        metric: Its metric.
        candidates: Of how many figures it is the highest: attacks and retrieval, each under each judge.
    """

    text: str
    figure: str = ""
    method: str = ""
    metric: str = ""
    candidates: int = 0


@dataclass(frozen=True)
class Finding:
    """One attack, or retrieval, in one metric beside what reads no features; None where that was not measured."""

    method: str
    metric: str
    score: Score
    guess: tuple[str, float] | None
    beats_guess: bool
    retrieved: float | None
    beats_retrieval: bool

    @property
    def value(self) -> float:
        return self.score.mean

    @property
    def judge(self) -> str:
        return self.metric.partition("/")[2]

    def contradicts(self, lead: Finding) -> bool:
        """Whether another judge sees the attack on the other side of guessing or, beyond it, of retrieval."""
        if self.metric == lead.metric:
            return False
        if self.method != lead.method:
            return lead.method == NEAREST_BY_FEATURES and self.beats_retrieval
        if self.beats_guess != lead.beats_guess:
            return True
        if not self.beats_guess or self.retrieved is None or lead.retrieved is None:
            return False
        sides = (self.value > self.retrieved) != (lead.value > lead.retrieved)
        return sides and self.beats_retrieval != lead.beats_retrieval


def summarise(results: Results) -> Summary:
    """What the attack that came furthest found, under the judge who sees most, and what limits that.

    Attacks are those of :meth:`Results.attacks`. The sentence gives the interval and every other judge's figure, and
    says where the attack does not clear every guess, what retrieval or inversion finds instead, where another judge
    contradicts, and where fewer than 20 sources were evaluated.
    """
    for kind in PHRASES:
        findings = _findings(results, kind)
        if findings:
            return _sentence(results, kind, findings)
    return Summary("No attack was evaluated, so nothing is known of what leaks.")


def _findings(results: Results, kind: str) -> list[Finding]:
    metrics = [metric for metric in results.metrics() if metric.partition("/")[0] == kind]
    return [_finding(results, row, metric) for row in results.attacks() for metric in metrics if metric in row.scores]


def _finding(results: Results, row: Row, metric: str) -> Finding:
    score = row.scores[metric]
    floors = {
        floor.name: floor.scores[metric].mean
        for floor in results.rows
        if floor.kind == "floor" and floor.name != row.name and metric in floor.scores
    }
    beaten = {name: _beats(results, row, name, metric) for name in floors}
    retrieved, beats_retrieval = floors.pop(NEAREST_BY_FEATURES, None), beaten.pop(NEAREST_BY_FEATURES, False)
    if metric in results.chance:
        floors[CHANCE] = results.chance[metric]
        beaten[CHANCE] = _low(score) > results.chance[metric]
    guess = max(floors.items(), key=lambda item: item[1], default=None)
    return Finding(row.name, metric, score, guess, all(beaten.values()), retrieved, beats_retrieval)


def _beats(results: Results, row: Row, other: str, metric: str) -> bool:
    """Whether the paired difference lies above 0; where none was computed, whether the interval lies above the mean."""
    for c in results.comparisons:
        if c.metric == metric and c.low is not None and c.high is not None:
            if (c.a, c.b) == (row.name, other):
                return c.low > 0
            if (c.a, c.b) == (other, row.name):
                return c.high < 0
    return _low(row.scores[metric]) > results.row(other).scores[metric].mean


def _low(score: Score) -> float:
    return score.mean if score.low is None else score.low


def _sentence(results: Results, kind: str, findings: list[Finding]) -> Summary:
    lead = max(findings, key=lambda finding: (finding.beats_guess, finding.value))
    layer = f"`{results.target['layer']}`" if results.target else "the target"
    means = MEANS.get(lead.method, f"by `{lead.method}`, ")
    claim = f"{means}{_claim(results, kind, lead, findings)} ({_guess(kind, lead)})"
    if lead.beats_guess:
        parts = [f"From what {layer} sends, {claim}"]
    else:
        parts = [
            f"The attack failed, which does not show that {layer} is safe: from what it sends, {claim}, not clearly "
            "more than without it"
        ]
    parts += _alternative(results, kind, lead, findings)
    others = {f.judge: f for f in sorted(findings, key=lambda f: f.value) if f.contradicts(lead)}
    if others:
        contradictions = " and ".join(_contradiction(kind, other, lead) for other in others.values())
        parts.append(f"but the judges disagree: {contradictions}")
    parts += few_sources(results.num_sources)
    return Summary("; ".join(parts) + ".", _figure(kind, lead.value), lead.method, lead.metric, len(findings))


def few_sources(num_sources: int) -> list[str]:
    """What a sentence ends with where pictures of fewer than 20 sources were evaluated; else nothing."""
    if num_sources >= MIN_SOURCES:
        return []
    return [f"but sources are too few to rely on this: {num_sources}, where {MIN_SOURCES} are needed"]


def _claim(results: Results, kind: str, lead: Finding, findings: list[Finding]) -> str:
    """What was found in words, with its interval and the figure of every other judge."""
    others = [other for other in findings if other.method == lead.method and other.metric != lead.metric]
    chance = results.chance.get(lead.metric)
    return PHRASES[kind].format(
        judge=f" (`{lead.judge}`)" if others else "",
        choices=f"{1 / chance:,.0f}" if chance else "others",
        value=_with_interval(kind, lead.score),
        others="".join(f", another (`{other.judge}`) in {_with_interval(kind, other.score)}" for other in others),
    )


def _guess(kind: str, lead: Finding) -> str:
    if lead.guess is None:
        return "nothing to compare with"
    name, value = lead.guess
    figure = _figure(kind, value)
    return f"guessing: {figure}" if name == CHANCE else f"best without features: {figure}, {name}"


def _alternative(results: Results, kind: str, lead: Finding, findings: list[Finding]) -> list[str]:
    """What retrieval finds where inversion leads, or the best inversion where retrieval does; none if there is none."""
    verb = "reaches" if kind == "psnr" else "does so in"
    if lead.method != NEAREST_BY_FEATURES:
        if lead.retrieved is None:
            return []
        doubt = "" if lead.beats_retrieval else ", which the attack does not clearly beat"
        return [f"retrieving the nearest training picture {verb} {_figure(kind, lead.retrieved)}{doubt}"]
    drawn = [other for other in findings if other.method != lead.method and not other.contradicts(lead)]
    if not drawn:
        return []
    best = max(drawn, key=lambda other: (other.beats_guess, other.value))
    judge = f" under `{best.judge}`" if best.metric != lead.metric else ""
    inverted = f"`{best.method}` {verb} {_figure(kind, best.value)}{judge}"
    if not best.beats_guess:
        return [f"inversion failed: {inverted}, not clearly more than without features"]
    less = best.retrieved is not None and _beats(results, results.row(lead.method), best.method, best.metric)
    return [f"inversion by {inverted}{'' if less else ', which is not clearly less'}"]


def _contradiction(kind: str, other: Finding, lead: Finding) -> str:
    by = f" by `{other.method}`" if other.method != lead.method else ""
    guess = None if other.guess is None else other.guess[1]
    against, what = (other.retrieved, "retrieval") if other.beats_guess else (guess, "guessing")
    beside = f" against {_figure(kind, against)} by {what}" if against is not None else ""
    return f"`{other.judge}` says {_figure(kind, other.value)}{by}{beside}"


def _with_interval(kind: str, score: Score) -> str:
    if score.low is None or score.high is None:
        return _figure(kind, score.mean)
    return f"{_figure(kind, score.mean)} [{_figure(kind, score.low)}, {_figure(kind, score.high)}]"


def _figure(kind: str, value: float) -> str:
    """Decibels, or a share in per cent."""
    return f"{value:.1f} dB" if kind == "psnr" else share(value)
