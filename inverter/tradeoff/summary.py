"""One sentence that says what protects, with the figure behind it."""

from __future__ import annotations

from collections.abc import Sequence

from inverter.audit.score import LeakScore
from inverter.audit.summary import SCALE, Conclusion, clears_guessing, interval
from inverter.evaluation.intervals import MIN_SOURCES
from inverter.evaluation.labels import share
from inverter.evaluation.summary import limits
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
    figure, end = share(score.value), limits(tradeoff.num_sources)
    if not clears_guessing(score):
        failed = (
            f"The attack on undefended features of `{layer}` failed ({figure} {SCALE}), so nothing shows what protects"
        )
        return Conclusion(f"{failed}{end}", figure, undefended.name)
    known = [each for each in others if each.trained]
    enough = tradeoff.num_sources >= MIN_SOURCES
    protects = [each for each in known if enough and each.name in tradeoff.protecting]
    protects.sort(key=lambda each: (each.name != tradeoff.recommended, -each.agreement.mean))
    details = [_price(tradeoff, each) for each in protects]
    if enough:
        rest = [each for each in known if each not in protects]
        if rest:
            details.append(f"{_names(rest)} {'is' if len(rest) == 1 else 'are'} not shown to leak less.")
        surprising = [each for each in rest if _surprises(each, tradeoff.metric)]
        if surprising:
            details.append(f"{_names(surprising)} only surprised an attack that was not trained on what arrives.")
    untrained = [each for each in others if not each.trained]
    if untrained:
        details.append(f"The attack on {_names(untrained)} was trained too little to tell.")
    text = f"{_verdict(tradeoff, layer, protects)}{figure} {SCALE}{_kept(protects)}{end}"
    return Conclusion(text, figure, undefended.name, tuple(details))


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


def _verdict(tradeoff: Tradeoff, layer: str, protects: Sequence[SettingRecord]) -> str:
    """The sentence as far as the figure of undefended features; the setting it names is the first that protects."""
    if tradeoff.num_sources < MIN_SOURCES:
        return f"What protects `{layer}` cannot be said; undefended, an attacker gets "
    if not protects:
        return f"Nothing that was tried protects `{layer}`: undefended, an attacker gets "
    score = protects[0].scores.get(tradeoff.metric)
    left = share(score.value) if score is not None else "clearly less"
    return f"`{protects[0].name}` protects `{layer}`: an attacker gets {left} instead of "


def _kept(protects: Sequence[SettingRecord]) -> str:
    return f", and {share(protects[0].agreement.mean)} of the network's answers stay the same" if protects else ""


def _price(tradeoff: Tradeoff, setting: SettingRecord) -> str:
    score: LeakScore | None = setting.scores.get(tradeoff.metric)
    left = f"leaves {share(score.value)}{interval(score)} and " if score is not None else "protects and "
    return f"`{setting.name}` {left}keeps {share(setting.agreement.mean)} of the answers."


def _surprises(setting: SettingRecord, metric: str) -> bool:
    return more(setting.gains, metric) and not less(setting.protection, metric)


def _names(settings: Sequence[SettingRecord]) -> str:
    return " and ".join(f"`{setting.name}`" for setting in settings)
