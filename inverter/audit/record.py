"""What an audit found, as plain data: ``report.json`` with its schema version, and its strict reader."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from inverter.audit.recommend import exceeded, recommend
from inverter.audit.score import LeakScore
from inverter.audit.strict import decode
from inverter.evaluation.results import Score
from inverter.run.files import write_text
from inverter.targets.spec import TargetSpec

SCHEMA_VERSION = 1


@dataclass(frozen=True)
class LayerRecord:
    """One audited layer.

    Args:
        layer: Dotted name.
        feature_shape: Of one picture's features.
        numbers: Numbers per picture that travel.
        bytes: Their size as the payload sends them, the mean over pictures.
        ratio: Numbers that travel over the picture's.
        device_share: Share in [0, 1] of the network's multiply-accumulates up to and including the layer.
        scores: Metric to leak score.
        unscored: Metric to the reason why there is none.
        metrics: Method to metric to what the evaluation found.
        cost: ``pairs``, ``target_queries``, ``pairs_seen``, ``steps``, ``train_seconds``, ``mean_seconds_per_image``
            and ``sample_seconds_per_image``.
        prompt_change: 8-bit levels by which another prompt changes ``sample``.
        diagnosis: Lines; none where nothing is wrong.
    """

    layer: str
    feature_shape: tuple[int, ...]
    numbers: int
    bytes: int
    ratio: float
    device_share: float
    scores: dict[str, LeakScore]
    unscored: dict[str, str]
    metrics: dict[str, dict[str, Score]]
    cost: dict[str, float]
    prompt_change: float
    diagnosis: tuple[str, ...]

    @property
    def trained(self) -> bool:
        """Whether the attack saw all its pairs; the score of one that did not is no limit to anything."""
        return self.cost.get("pairs_seen", 0.0) >= self.cost.get("pairs", math.inf)


@dataclass(frozen=True)
class Audit:
    """Everything that an audit found.

    Args:
        target: Name, input size, payload and weights' SHA-256 of the network.
        prior: Name of the prior.
        picture_size: Side in pixels of the pictures compared.
        layers: The layers, in the order of the forward pass.
        metric: Key of the headline metric.
        threshold: Score under which a split is recommended.
        recommended: Earliest layer under the threshold with every deeper one; None where there is none.
        limits: Layer to the score above which the audit fails.
        exceeded: Layers above their limit.
        num_images: Pictures evaluated.
        num_sources: Photos or clips that they were cut from.
        threat_model: What the attacker was given.
        caveats: What the score does not say.
        notes: Lines of the evaluation.
        config: Resolved configuration.
        seed: Seed of the run.
        commit: Commit of the code, None outside a checkout.
        environment: Versions, processor, threads.
    """

    target: dict[str, Any]
    prior: str
    picture_size: int
    layers: tuple[LayerRecord, ...]
    metric: str
    threshold: float
    recommended: str | None
    limits: dict[str, float]
    exceeded: tuple[str, ...]
    num_images: int
    num_sources: int
    threat_model: str
    caveats: tuple[str, ...]
    notes: tuple[str, ...]
    config: dict[str, Any]
    seed: int
    commit: str | None
    environment: dict[str, Any]

    def scores(self) -> dict[str, LeakScore]:
        """Layer to its headline score, where it has one."""
        return {layer.layer: layer.scores[self.metric] for layer in self.layers if self.metric in layer.scores}

    def bounds(self) -> dict[str, LeakScore]:
        """Those scores that may be held against a limit: of attacks that were trained."""
        trained = {layer.layer for layer in self.layers if layer.trained}
        return {layer: score for layer, score in self.scores().items() if layer in trained}

    def to_json(self) -> dict[str, Any]:
        """Plain data; :meth:`from_json` reads it back."""
        return {"schema_version": SCHEMA_VERSION, **asdict(self)}

    @classmethod
    def from_json(cls, data: Any) -> Audit:
        """Read what :meth:`to_json` gave.

        Raises:
            ValueError: Another schema version, a key missing or unknown, a value of another type, or layers that
                contradict the verdict.
        """
        values = dict(data) if isinstance(data, Mapping) else {}
        version = values.pop("schema_version", None)
        if version != SCHEMA_VERSION:
            raise ValueError(f"audit: schema_version is {version!r}; allowed: {SCHEMA_VERSION}")
        audit = decode(cls, values, "audit")
        names = [layer.layer for layer in audit.layers]
        known = audit.recommended is None or audit.recommended in names
        if len(set(names)) < len(names) or not known or set(audit.limits) - set(names):
            raise ValueError(f"audit: layers {names} must be unique and hold `recommended` and every limit's layer")
        if audit.exceeded != exceeded(audit.limits, audit.bounds(), audit.num_sources):
            raise ValueError(f"audit: exceeded={list(audit.exceeded)!r} does not follow from limits and scores")
        if audit.recommended != recommend(names, audit.bounds(), audit.threshold, audit.num_sources):
            raise ValueError(f"audit: recommended={audit.recommended!r} does not follow from threshold and scores")
        return audit

    def save(self, path: Path) -> None:
        """Write :meth:`to_json` to a file, whole or not at all."""
        path.parent.mkdir(parents=True, exist_ok=True)
        write_text(path, json.dumps(self.to_json(), indent=2, allow_nan=False) + "\n")

    @classmethod
    def load(cls, path: Path) -> Audit:
        """Read a ``report.json``.

        Raises:
            ValueError: The file is missing, is no JSON, or breaks the schema; the message names the file.
        """
        try:
            return cls.from_json(json.loads(path.read_text(encoding="utf-8")))
        except (OSError, ValueError, RecursionError) as error:
            raise ValueError(f"{path}: {error}") from error


def sent_bytes(spec: TargetSpec) -> int:
    """Bytes per picture where nobody counted: float32, or for ``int8`` one a number and a float32 scale a layer."""
    return spec.num_features + 4 * len(spec.layers) if spec.payload == "int8" else 4 * spec.num_features
