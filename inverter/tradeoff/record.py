"""What a trade-off found, as plain data: ``report.json`` with its schema version, and its strict reader."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from inverter.audit.recommend import exceeded
from inverter.audit.score import LeakScore
from inverter.audit.strict import decode
from inverter.evaluation.results import Comparison, Score
from inverter.run.files import write_text
from inverter.tradeoff.verdict import below, pareto_set, protecting, recommend

SCHEMA_VERSION = 1


@dataclass(frozen=True)
class SettingRecord:
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

    @property
    def trained(self) -> bool:
        """Whether the adaptive attack saw all its pairs; what one that did not finds is no limit to anything."""
        return self.cost.get("pairs_seen", 0.0) >= self.cost.get("pairs", math.inf)


@dataclass(frozen=True)
class Tradeoff:
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
        """What follows from settings, limits and needs: the fields that :meth:`from_json` compares."""
        bounds = {
            each.name: each.scores[self.metric] for each in self.settings if each.trained and self.metric in each.scores
        }
        found = protecting(self.settings, self.metric)
        return {
            "pareto": pareto_set(self.settings, self.metric),
            "protecting": found,
            "recommended": recommend(self.settings, self.metric, found, self.keep),
            "exceeded": exceeded(self.limits, bounds, self.num_sources),
            "below": below(self.needs, {each.name: each.agreement for each in self.settings}),
        }

    def to_json(self) -> dict[str, Any]:
        """Plain data; :meth:`from_json` reads it back."""
        return {"schema_version": SCHEMA_VERSION, **asdict(self)}

    @classmethod
    def from_json(cls, data: Any) -> Tradeoff:
        """Read what :meth:`to_json` gave.

        Raises:
            ValueError: Another schema version, a key missing or unknown, a value of another type, or settings that
                contradict the verdict.
        """
        values = dict(data) if isinstance(data, Mapping) else {}
        version = values.pop("schema_version", None)
        if version != SCHEMA_VERSION:
            raise ValueError(f"tradeoff: schema_version is {version!r}; allowed: {SCHEMA_VERSION}")
        found = decode(cls, values, "tradeoff")
        names = [setting.name for setting in found.settings]
        if not names or len(set(names)) < len(names) or {*found.limits, *found.needs} - set(names):
            raise ValueError(f"tradeoff: settings {names} must be unique and hold those of every limit")
        for key, value in found.verdict().items():
            if getattr(found, key) != value:
                raise ValueError(f"tradeoff: {key}={getattr(found, key)!r} does not follow from the settings")
        return found

    def save(self, path: Path) -> None:
        """Write :meth:`to_json` to a file, whole or not at all."""
        path.parent.mkdir(parents=True, exist_ok=True)
        write_text(path, json.dumps(self.to_json(), indent=2, allow_nan=False) + "\n")

    @classmethod
    def load(cls, path: Path) -> Tradeoff:
        """Read a ``report.json``.

        Raises:
            ValueError: The file is missing, is no JSON, or breaks the schema; the message names the file.
        """
        try:
            return cls.from_json(json.loads(path.read_text(encoding="utf-8")))
        except (OSError, ValueError, RecursionError) as error:
            raise ValueError(f"{path}: {error}") from error
