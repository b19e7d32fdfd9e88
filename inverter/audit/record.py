"""What an audit found, as plain data: ``report.json`` with its schema version, and its strict reader."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from inverter.audit.recommend import exceeded, recommend
from inverter.audit.report import Attacked, Report
from inverter.audit.score import LeakScore
from inverter.config.strict import strict_dataclass
from inverter.evaluation.results import Score
from inverter.targets.spec import TargetSpec


@dataclass(frozen=True)
class LayerRecord(Attacked):
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


@strict_dataclass
class Audit(Report):
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

    kind: ClassVar[str] = "audit"
    schema_version: ClassVar[int] = 1

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

    def check(self) -> None:
        """Raise ValueError where layers contradict the verdict."""
        names = [layer.layer for layer in self.layers]
        known = self.recommended is None or self.recommended in names
        if len(set(names)) < len(names) or not known or set(self.limits) - set(names):
            raise ValueError(f"audit: layers {names} must be unique and hold `recommended` and every limit's layer")
        if self.exceeded != exceeded(self.limits, self.bounds(), self.num_sources):
            raise ValueError(f"audit: exceeded={list(self.exceeded)!r} does not follow from limits and scores")
        if self.recommended != recommend(names, self.bounds(), self.threshold, self.num_sources):
            raise ValueError(f"audit: recommended={self.recommended!r} does not follow from threshold and scores")


def sent_bytes(spec: TargetSpec) -> int:
    """Bytes per picture where nobody counted: float32, or for ``int8`` one a number and a float32 scale a layer."""
    return spec.num_features + 4 * len(spec.layers) if spec.payload == "int8" else 4 * spec.num_features
