"""One sentence that says what protects, with the figure behind it."""

from __future__ import annotations

from collections.abc import Sequence

from inverter.audit.score import LeakScore
from inverter.audit.summary import Conclusion, clears_guessing, interval
from inverter.evaluation.intervals import MIN_SOURCES
from inverter.evaluation.labels import share
from inverter.evaluation.summary import few_sources
from inverter.tradeoff.record import SettingRecord, Tradeoff
from inverter.tradeoff.verdict import less, more


def summarise(tradeoff: Tradeoff) -> Conclusion:
    """What the best attack gets of undefended features, which settings protect, at what price, and which only surprise.

    A setting protects where the best attack gets clearly less, paired by picture, and no judge sees it get more. One
    surprises where the static attack gets clearly less than the adaptive one while the setting does not protect.
    """
    undefended, *others = tradeoff.settings
    score = undefended.scores.get(tradeoff.metric)
    layer = tradeoff.target["layer"]
    if score is None:
        return Conclusion(f"What leaks at `{layer}` could not be scored, so nothing shows what protects.")
    figure = share(score.value)
    scale = f"{figure}{interval(score)} of the way from guessing to the prior's own round trip"
    if not clears_guessing(score):
        parts = [f"The attack on undefended features of `{layer}` failed ({scale}), so nothing shows what protects"]
        return Conclusion("; ".join([*parts, *few_sources(tradeoff.num_sources)]) + ".", figure, undefended.name)
    known = [each for each in others if each.trained]
    protects = [each for each in known if each.name in tradeoff.protecting]
    parts = [f"{_verdict(tradeoff, protects)}; undefended, `{layer}` gives an attacker {scale}"]
    if tradeoff.num_sources >= MIN_SOURCES:
        rest = [each for each in known if each not in protects]
        if rest:
            parts.append(f"{_names(rest)} {'is' if len(rest) == 1 else 'are'} not shown to leak less")
        surprising = [each for each in rest if _surprises(each, tradeoff.metric)]
        if surprising:
            parts.append(f"{_names(surprising)} only surprised an attack that was not trained on what arrives")
    untrained = [each for each in others if not each.trained]
    if untrained:
        parts.append(f"the attack on {_names(untrained)} was trained too little to tell")
    parts += few_sources(tradeoff.num_sources)
    return Conclusion("; ".join(parts) + ".", figure, undefended.name)


def recommendation(tradeoff: Tradeoff) -> str:
    """The recommended setting in a sentence."""
    if tradeoff.num_sources < MIN_SOURCES:
        return (
            f"Nothing is recommended and no limit is kept: {tradeoff.num_sources} sources are too few to tell; needed: "
            f"{MIN_SOURCES}."
        )
    if tradeoff.recommended is None:
        return f"No setting both protects and is shown to keep {share(tradeoff.keep)} of the network's answers."
    return (
        f"Recommended: {tradeoff.recommended}, of the settings that protect and keep {share(tradeoff.keep)} of the "
        "network's answers the one that leaks least."
    )


def _verdict(tradeoff: Tradeoff, protects: Sequence[SettingRecord]) -> str:
    if tradeoff.num_sources < MIN_SOURCES:
        return "What protects cannot be said here"
    if not protects:
        return "Nothing that was tried protects"
    ordered = sorted(protects, key=lambda each: -each.agreement.mean)
    return (
        f"{' and '.join(_price(tradeoff, each) for each in ordered)} {'protects' if len(ordered) == 1 else 'protect'}"
    )


def _price(tradeoff: Tradeoff, setting: SettingRecord) -> str:
    score: LeakScore | None = setting.scores.get(tradeoff.metric)
    left = f"leaves {share(score.value)}{interval(score)}, " if score is not None else ""
    return f"`{setting.name}` ({left}same answer in {share(setting.agreement.mean)})"


def _surprises(setting: SettingRecord, metric: str) -> bool:
    return more(setting.gains, metric) and not less(setting.protection, metric)


def _names(settings: Sequence[SettingRecord]) -> str:
    return " and ".join(f"`{setting.name}`" for setting in settings)
