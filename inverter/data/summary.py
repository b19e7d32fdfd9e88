"""The manifest of finished shards."""

from __future__ import annotations

import reprlib
from collections.abc import Sequence
from functools import reduce
from pathlib import Path
from typing import TYPE_CHECKING, Any

from inverter.data.manifest import UNKNOWN, Manifest
from inverter.data.origins import Origins, merge_origins
from inverter.data.shards import ShardRecord, total
from inverter.data.statistics import FeatureStatistics
from inverter.payloads.payload import find_payload
from inverter.targets.spec import DefenceMark, TargetSpec

if TYPE_CHECKING:
    from inverter.config import PrepareConfig


def summarise(
    records: Sequence[ShardRecord],
    config: PrepareConfig,
    spec: TargetSpec,
    prior: Any,
    precision: str,
    captured: str | None = None,
) -> tuple[Manifest, Origins | None]:
    """Manifest of the shards, their statistics merged in order, and their origins where all of them are known.

    ``precision`` is what they were computed in, as the manifest calls it; ``captured`` what an attacker has of features
    that were given.

    Raises:
        ValueError: No shard, shards of different feature shapes, or of another shape than the target's spec.
    """
    if not records:
        raise ValueError(f"source={config.source} gave no picture; allowed: a source with 1 or more")
    shapes = {record.feature_shape for record in records}
    if shapes != {spec.feature_shape}:
        raise ValueError(f"features have the shapes {sorted(shapes)}; the target's spec says {spec.feature_shape}")
    statistics = reduce(FeatureStatistics.merge, (record.statistics for record in records))
    known = [record.origins for record in records if record.origins is not None]
    origins = merge_origins(known) if len(known) == len(records) else None
    groups = {group for record in records for group in record.groups}
    ungrouped = sum(record.num_ungrouped for record in records)
    num_pairs, sent_bytes = sum(record.info.count for record in records), total(r.sent_bytes for r in records)
    pairs = captured or _pairs(config, texts=any(record.num_texts for record in records))
    manifest = Manifest(
        split=config.split,  # type: ignore[arg-type]  # pydantic looks
        target=spec,
        prior=config.prior,
        autoencoder_sha256=prior.autoencoder_sha256,
        source=describe_source(config.source),
        num_pairs=num_pairs,
        num_sources=len(groups) + ungrouped if origins is None else origins.num_sources,
        resolution=prior.resolution,
        feature_dtype=config.feature_dtype,  # type: ignore[arg-type]
        feature_mean=statistics.mean.tolist(),
        feature_std=statistics.std.tolist(),
        latents=config.latents,
        shards=[record.info for record in records],
        threat_model=threat_model(pairs, spec.payload, spec.defence),
        seed=config.seed,
        augment=config.augment,
        precision=precision if captured is None else UNKNOWN,  # type: ignore[arg-type]
        origins_sha256=None if origins is None else origins.sha256(),
        sent_bytes=None if sent_bytes is None else sent_bytes / num_pairs,
    )
    return manifest, origins


def threat_model(pairs: str, payload: str = "identity", defence: DefenceMark | None = None) -> str:
    """Sentence for manifests: what the attacker was given, beside ``pairs``, what it knows of payload and defence."""
    sentence = f"black-box: the attacker has {pairs} and sees no weights or gradients of the target"
    if defence is not None:
        sentence += f"; the pairs are of the defended device ({defence.kind}), so the attack adapts to it"
    kind = find_payload(payload)
    if kind is None:
        return f"{sentence}; of {reprlib.repr(payload)}, which is the device's own, nothing is known here"
    return sentence if payload == "identity" else f"{sentence}; of {payload} it knows {kind.knows}"


def _pairs(config: PrepareConfig, texts: bool) -> str:
    beside = ", and the prompts they were drawn from" if texts else ""
    if config.source == "prior":
        return f"features of pictures drawn from a public prior (no picture of the target's data){beside}"
    return f"features of pictures of its own{', and texts that say what is on them,' if texts else ''}"


def describe_source(source: str) -> str:
    """A source without the folders it lies in: manifests are passed on, and a machine's paths are nobody's business."""
    kind, separator, location = source.partition(":")
    return f"{kind}{separator}{Path(location).name}"
