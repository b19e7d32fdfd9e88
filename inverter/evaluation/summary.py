"""One sentence that says what leaked, for readers of no table, with the figure behind it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from inverter.evaluation.intervals import MIN_SOURCES
from inverter.evaluation.labels import share
from inverter.evaluation.methods import NEAREST_BY_FEATURES
from inverter.evaluation.results import Results, Row, Score

CHANCE = "chance"

PHRASES = {
    "reid_top1": "a judge network finds the original among {choices} in {value} of cases",
    "agreement": "pictures come back in which a judge network sees what the original shows in {value} of cases",
    "psnr": "pictures come back that are as near to the originals as a PSNR of {value}",
}
"""What a metric says in words, the first that was measured being taken; of all, higher values mean more leakage."""

MEANS = {"mean": "", "sample": "", NEAREST_BY_FEATURES: "by looking up training pictures, "}
"""How an attack is named in front of what it found; one that is not here by its own name."""


@dataclass(frozen=True)
class Summary:
    """A sentence and its figure, and what stands below it.

    Args:
        text: The sentence, of 40 words at most; names of layers and methods stand in backticks.
        figure: The figure as it stands in the sentence; empty where there is none.
        method: Attack that the figure is of.
        metric: Its metric.
        candidates: Of how many figures it is the highest: attacks and retrieval, each under each judge.
        details: Further sentences: intervals, other judges, retrieval or inversion, and what limits the first.
    """

    text: str
    figure: str = ""
    method: str = ""
    metric: str = ""
    candidates: int = 0
    details: tuple[str, ...] = ()


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


def summarise(results: Results, kinds: Sequence[str] = tuple(PHRASES)) -> Summary:
    """What the attack that came furthest found, under the judge who sees most, and what limits that.

    Attacks are those of :meth:`Results.attacks`. The sentence says where the attack does not clear every guess, where
    judges disagree, and where fewer than 20 sources were evaluated; the details give the figures behind each.

    Args:
        results: The evaluation.
        kinds: Keys of :data:`PHRASES`; the first that was measured is taken.
    """
    for kind in kinds:
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
    chance = results.chance.get(lead.metric)
    figure = _figure(kind, lead.value)
    phrase = PHRASES[kind].format(choices=f"{1 / chance:,.0f} pictures" if chance else "others", value=figure)
    claim = f"{MEANS.get(lead.method, f'by `{lead.method}`, ')}{phrase} ({_guess(kind, lead)})"
    failed = f"The attack on {layer} failed, which does not make it safe: "
    opening = f"From what {layer} sends, " if lead.beats_guess else failed
    others = {f.judge: f for f in sorted(findings, key=lambda f: f.value) if f.contradicts(lead)}
    rival = _rival(results, kind, lead, findings)
    text = f"{opening}{claim}{rival}{limits(results.num_sources, bool(others))}"
    details = _by_judge(kind, lead, findings)
    if lead.guess is not None and lead.guess[0] != CHANCE:
        details.append(f"best without features is {lead.guess[0]}")
    if not lead.beats_guess:
        details.append("the attack does not find clearly more than that")
    details += _alternative(results, kind, lead, findings, rival)
    if others:
        contradictions = " and ".join(_contradiction(kind, other, lead) for other in others.values())
        details.append(f"the judges disagree: {contradictions}")
    return Summary(text, figure, lead.method, lead.metric, len(findings), sentences(details))


def sentences(details: Sequence[str]) -> tuple[str, ...]:
    """What stands below, each with a capital and a stop."""
    return tuple(f"{line[0].upper()}{line[1:]}." for line in details)


def limits(num_sources: int, disagree: bool = False) -> str:
    """How a sentence ends: with what weakens it, judges who disagree and fewer than 20 sources; else with a stop."""
    weak = ["judges disagree"] if disagree else []
    if num_sources < MIN_SOURCES:
        known = f"{num_sources} {'source is' if num_sources == 1 else 'sources are'}"
        weak.append(f"{known} few" if disagree else f"{known} too few to rely on")
    return f"; but {' and '.join(weak)}." if weak else "."


def _by_judge(kind: str, lead: Finding, findings: list[Finding]) -> list[str]:
    """What every judge says of the attack; nothing where there is one alone."""
    same = [found for found in findings if found.method == lead.method]
    if len(same) == 1:
        return []
    first = sorted(same, key=lambda found: found.metric != lead.metric)
    return [f"by judge: {', '.join(f'`{found.judge}` {_with_interval(kind, found.score)}' for found in first)}"]


def _guess(kind: str, lead: Finding) -> str:
    if lead.guess is None:
        return "nothing to compare with"
    name, value = lead.guess
    return f"{'guessing' if name == CHANCE else 'without features'}: {_figure(kind, value)}"


def _rival(results: Results, kind: str, lead: Finding, findings: list[Finding]) -> str:
    """How the sentence says that inversion finds no more than retrieval; empty where it does, or has failed anyway."""
    if lead.method != NEAREST_BY_FEATURES:
        if not lead.beats_guess or lead.retrieved is None or lead.beats_retrieval:
            return ""
        word = "below" if lead.value < lead.retrieved else "not clearly above"
        return f", {word} the nearest training picture ({_figure(kind, lead.retrieved)})"
    best = _best_inversion(lead, findings)
    if best is None:
        return ""
    figure = f"({_figure(kind, best.value)}{_other_judge(best, lead)})"
    if not best.beats_guess:
        return f"; inversion failed {figure}"
    return f", {'above' if _is_less(results, best, lead) else 'not clearly above'} inversion {figure}"


def _best_inversion(lead: Finding, findings: list[Finding]) -> Finding | None:
    """Where retrieval leads, the inversion that came furthest, judges who contradict the lead left out."""
    drawn = [other for other in findings if other.method != lead.method and not other.contradicts(lead)]
    return max(drawn, key=lambda other: (other.beats_guess, other.value), default=None)


def _is_less(results: Results, best: Finding, lead: Finding) -> bool:
    return best.retrieved is not None and _beats(results, results.row(lead.method), best.method, best.metric)


def _other_judge(best: Finding, lead: Finding) -> str:
    return f" under `{best.judge}`" if best.metric != lead.metric else ""


def _alternative(results: Results, kind: str, lead: Finding, findings: list[Finding], rival: str) -> list[str]:
    """What retrieval finds where inversion leads and ``rival`` does not say it, or the best inversion where it does."""
    verb = "reaches" if kind == "psnr" else "does so in"
    if lead.method != NEAREST_BY_FEATURES:
        if lead.retrieved is None or rival:
            return []
        return [f"retrieving the nearest training picture {verb} {_figure(kind, lead.retrieved)}"]
    best = _best_inversion(lead, findings)
    if best is None:
        return []
    inverted = f"`{best.method}` {verb} {_figure(kind, best.value)}{_other_judge(best, lead)}"
    if not best.beats_guess:
        return [f"inversion failed: {inverted}, not clearly more than without features"]
    return [f"inversion by {inverted}{'' if _is_less(results, best, lead) else ', which is not clearly less'}"]


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
