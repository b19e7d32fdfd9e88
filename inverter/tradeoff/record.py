"""What a trade-off found, as plain data: ``report.json`` with its schema version, and its strict reader."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from inverter.audit.recommend import exceeded
from inverter.audit.report import Attacked, Report
from inverter.audit.score import LeakScore
from inverter.config.strict import strict_dataclass
from inverter.evaluation.results import Comparison, Score
from inverter.tradeoff.verdict import below, pareto_set, protecting, recommend


@dataclass(frozen=True)
class SettingRecord(Attacked):
    """One payload, defence, or both.

    Args:
        name: As limits name it.
        payload: What travels.
        defence: ``kind`` and ``sha256`` of the trained defence; None where nothing was trained.
        knows: What the attacker knows of it.
        bytes: That travel, the mean over pictures.
        ratio: Numbers that travel over the picture's.
        agreement: Share of ``val`` whose first class is the undefended network's.
        top1: Share whose first class is the label; None where labels are no classes of the network.
        scores: Metric to leak score, of the best attack, adaptive or static.
        unscored: Metric to the reason why there is none.
        metrics: Method to metric to what the evaluation found.
        gains: Adaptive minus static attack, paired by picture.
        protection: Best attack here minus the best on undefended features, paired by picture; none of these themselves.
        cost: ``pairs``, ``pairs_seen``, ``steps``, ``train_seconds``.
        entropy: Of the bytes that travel, each by itself, in bits a number of the features; None where it was not
            measured.
    """

    name: str
    payload: str
    defence: dict[str, str] | None
    knows: str
    bytes: float
    ratio: float
    agreement: Score
    top1: Score | None
    scores: dict[str, LeakScore]
    unscored: dict[str, str]
    metrics: dict[str, dict[str, Score]]
    gains: tuple[Comparison, ...]
    protection: tuple[Comparison, ...]
    cost: dict[str, float]
    entropy: float | None = None


@strict_dataclass
class Tradeoff(Report):
    """Everything that a trade-off found.

    Args:
        target: Name, layer, input size and weights' SHA-256 of the network.
        prior: Name of the prior.
        picture_size: Side in pixels of the pictures compared.
        settings: In the order given, the undefended first.
        metric: Key of the headline metric.
        pareto: Settings of which no other one has both as much agreement and as low a score, and one of them better.
        protecting: Settings from which every attack gets clearly less than from undefended features.
        keep: Agreement that what is recommended keeps.
        recommended: Of those that protect and keep ``keep``, the one of the lowest score; None where there is none.
        limits: Setting to the score above which the trade-off fails.
        needs: Setting to the agreement below which it fails.
        exceeded: Settings above their limit.
        below: Settings below their need.
        num_images: Pictures attacked.
        num_sources: Photos or clips that they were cut from.
        threat_model: What the attacker was given.
        caveats: What the page does not say.
        notes: Lines of the evaluation of the undefended features.
        config: Resolved configuration.
        seed: Seed of the run.
        commit: Commit of the code, None outside a checkout.
        environment: Versions, processor, threads.
    """

    kind: ClassVar[str] = "tradeoff"
    schema_version: ClassVar[int] = 1

    target: dict[str, Any]
    prior: str
    picture_size: int
    settings: tuple[SettingRecord, ...]
    metric: str
    pareto: tuple[str, ...]
    protecting: tuple[str, ...]
    keep: float
    recommended: str | None
    limits: dict[str, float]
    needs: dict[str, float]
    exceeded: tuple[str, ...]
    below: tuple[str, ...]
    num_images: int
    num_sources: int
    threat_model: str
    caveats: tuple[str, ...]
    notes: tuple[str, ...]
    config: dict[str, Any]
    seed: int
    commit: str | None
    environment: dict[str, Any]

    def setting(self, name: str) -> SettingRecord:
        """The setting of a name.

        Raises:
            ValueError: There is none.
        """
        for setting in self.settings:
            if setting.name == name:
                return setting
        raise ValueError(f"setting {name!r}; allowed: {', '.join(setting.name for setting in self.settings)}")

    def verdict(self) -> dict[str, Any]:
        """What follows from settings, limits and needs: the fields that :meth:`check` compares."""
        bounds = {
            each.name: each.scores[self.metric] for each in self.settings if each.trained and self.metric in each.scores
        }
        protects = protecting(self.settings, self.metric)
        return {
            "pareto": pareto_set(self.settings, self.metric),
            "protecting": protects,
            "recommended": recommend(self.settings, self.metric, protects, self.keep),
            "exceeded": exceeded(self.limits, bounds, self.num_sources),
            "below": below(self.needs, {each.name: each.agreement for each in self.settings}),
        }

    def check(self) -> None:
        """Raise ValueError where settings contradict the verdict."""
        names = [setting.name for setting in self.settings]
        if not names or len(set(names)) < len(names) or {*self.limits, *self.needs} - set(names):
            raise ValueError(f"tradeoff: settings {names} must be unique and hold those of every limit")
        for key, value in self.verdict().items():
            if getattr(self, key) != value:
                raise ValueError(f"tradeoff: {key}={getattr(self, key)!r} does not follow from the settings")
