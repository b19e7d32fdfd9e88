"""From the files that a finished audit's stages left to what it found."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, replace
from typing import Any

from inverter.audit.config import AuditConfig
from inverter.audit.diagnosis import diagnose, diagnose_depth
from inverter.audit.metrics import headline, read_per_image, score_metrics
from inverter.audit.motion import read_motion
from inverter.audit.picture_sheet import SHOWN
from inverter.audit.plan import Step
from inverter.audit.progress import LayerProgress
from inverter.audit.recommend import exceeded, recommend
from inverter.audit.record import Audit, LayerRecord, sent_bytes
from inverter.audit.score import LeakScore
from inverter.data.manifest import Manifest
from inverter.evaluation.metrics import Missing
from inverter.evaluation.results import Results
from inverter.run.record import commit, environment
from inverter.targets.spec import TargetSpec

CAVEATS = (
    "It is a lower bound on leakage: a stronger prior, more pairs, longer training or another attack may get more. A "
    "low score is no proof of privacy.",
    "It says how well pictures come back, not what they contain: a face, a text or a place may be recognisable in a "
    "poor reconstruction, and a single attribute may be read from features that give no picture at all.",
    "It holds for the pictures evaluated, at the size compared and for this target's input size; features of other or "
    "sharper pictures may tell more or less.",
    "0 is the best guess that reads no features and 1 the prior's own round trip, not the original: with a weak prior, "
    "1 is little.",
    "It is an average over pictures: single pictures come back better, see the pictures and each layer's report.",
    "The attacker is black-box. One who knows the weights of the target can do more.",
)


def assemble(config: AuditConfig, steps: Sequence[Step], limits: Mapping[str, float]) -> Audit:
    """Read every layer's evaluation, score it, and draw the conclusions.

    Raises:
        ValueError: A file is damaged, or the headline metric was not computed.
    """
    results = {step.info.name: read_results(step) for step in steps}
    scored = {
        step.info.name: score_metrics(
            results[step.info.name], read_per_image(step.evaluation / "per_image.csv"), config.num_bootstrap
        )
        for step in steps
    }
    metric = headline(list(scored.values()), config.metric, missing_reasons(results.values()))
    layers = tuple(_layer(step, results[step.info.name], scored[step.info.name], metric) for step in steps)
    names = [layer.layer for layer in layers]
    manifest, first = Manifest.load(steps[0].pairs / "train"), results[names[0]]
    audit = Audit(
        target=_target(config, manifest.target),
        prior=config.prior,
        picture_size=manifest.resolution,
        layers=layers,
        metric=metric,
        threshold=config.threshold,
        recommended=None,
        limits=dict(limits),
        exceeded=(),
        num_images=first.num_images,
        num_sources=first.num_sources,
        threat_model=first.threat_model,
        caveats=CAVEATS,
        notes=first.notes,
        config=asdict(config),
        seed=config.seed,
        commit=commit(),
        environment=environment(),
    )
    late, bounds = diagnose_depth(names, audit.scores()), audit.bounds()
    return replace(
        audit,
        layers=tuple(
            replace(layer, diagnosis=(*layer.diagnosis, *([late[layer.layer]] if layer.layer in late else [])))
            for layer in layers
        ),
        recommended=recommend(names, bounds, config.threshold, first.num_sources),
        exceeded=exceeded(limits, bounds, first.num_sources),
    )


def missing_reasons(results: Iterable[Results]) -> dict[str, str]:
    """Why metrics were not computed, by metric."""
    return {missing.metric: missing.reason for result in results for missing in result.missing}


def read_results(step: Step) -> Results:
    """Read an attack's ``metrics.json``.

    Raises:
        ValueError: It is missing or damaged.
    """
    path = step.evaluation / "metrics.json"
    try:
        return Results.from_json(json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError) as error:
        raise ValueError(f"{path}: {error}; delete {path.parent} to evaluate again") from error


def _target(config: AuditConfig, spec: TargetSpec) -> dict[str, Any]:
    """Of the network: a defence by what it is, not by the folder it lies in."""
    values = {**asdict(config.target), "weights_sha256": spec.weights_sha256}
    del values["defence"]
    return values if spec.defence is None else {**values, "defence": asdict(spec.defence)}


def _layer(step: Step, results: Results, scored: Mapping[str, LeakScore | Missing], metric: str) -> LayerRecord:
    train, dev = (Manifest.load(step.pairs / split) for split in ("train", "dev"))
    spec, summary = train.target, json.loads((step.run / "summary.json").read_text())
    seconds = {row.name: row.cost["seconds_per_image"] for row in results.rows if row.name in SHOWN}
    prompt_change = LayerProgress(step).noted("evaluate", "prompt_change")
    asked_in_training = 0 if step.train.data.images is None else summary["pairs_seen"]
    return LayerRecord(
        layer=step.info.name,
        feature_shape=spec.tensor_shape,
        numbers=spec.num_features,
        bytes=sent_bytes(spec) if results.payload.bytes is None else round(results.payload.bytes),
        ratio=results.payload.ratio,
        device_share=step.info.device_share,
        scores={key: score for key, score in scored.items() if isinstance(score, LeakScore)},
        unscored={key: score.reason for key, score in scored.items() if isinstance(score, Missing)},
        metrics={row.name: row.scores for row in results.rows},
        cost={
            "pairs": summary["pairs"],
            "target_queries": train.num_pairs + dev.num_pairs + asked_in_training,
            "pairs_seen": summary["pairs_seen"],
            "steps": summary["steps"],
            "train_seconds": summary["seconds"],
            **{f"{method}_seconds_per_image": cost for method, cost in seconds.items()},
        },
        prompt_change=prompt_change,
        diagnosis=diagnose(
            results,
            scored,
            metric,
            pairs=summary["pairs"],
            pairs_seen=summary["pairs_seen"],
            prompt_change=prompt_change,
            motion=read_motion(step),
        ),
    )
