"""The model card of a published inverter, in the hub's format."""

from __future__ import annotations

import dataclasses
import json
import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from huggingface_hub import EvalResult, ModelCardData
from markupsafe import Markup

from inverter.blackbox.inverter import Inverter
from inverter.data.manifest import Manifest
from inverter.evaluation.labels import heading, interval, label, number, score, verdict
from inverter.evaluation.results import Comparison, Results
from inverter.publish.markdown import code, escape, fill_card
from inverter.targets.shape import describe_shape

TEMPLATE = Path(__file__).parent / "templates" / "inverter.md.j2"


def render_card(
    name: str,
    licence: str,
    inverter: Inverter,
    manifest: Manifest,
    training: dict[str, Any],
    results: Results,
    few_step: Results | None = None,
) -> str:
    """Markdown text of the card; what manifest, config and results say is text in it, never markup.

    ``few_step`` is what was measured of the few-step variant, where there is one.
    """
    pairs: dict[str, dict[str, Comparison]] = defaultdict(dict)
    for c in results.comparisons:
        pairs[f"{c.a} - {c.b}"][c.metric] = c
    if few_step is not None:
        few_step = dataclasses.replace(few_step, rows=tuple(row for row in few_step.rows if row.kind == "attack"))
    return fill_card(
        TEMPLATE,
        front_matter(name, licence, inverter.prior.name, training["source"], results),
        name=name,
        quoted=json.dumps(name, ensure_ascii=False),
        licence=licence,
        spec=inverter.spec,
        prior=inverter.prior,
        target=manifest.target,
        shape=describe_shape(inverter.spec.feature_shape, ", "),
        training=training,
        results=results,
        few_step=few_step,
        pairs=pairs,
        compared=[m for m in shown_metrics(results) if any(m in pair for pair in pairs.values())],
        shown=shown_metrics,
        began_with=began_with,
        difference=difference,
        heading=heading,
        label=label,
        number=number,
        score=score,
    )


def front_matter(name: str, licence: str, prior: str, source: str, results: Results) -> ModelCardData:
    """What the hub reads: prior and data where they are the hub's, PSNR and SSIM of each operating point."""
    dataset = f"val, {results.num_images} images from {results.num_sources} sources"
    data = re.fullmatch(r"huggingface:([\w.-]+/[\w.-]+)", source)
    base = re.fullmatch(r"([\w.-]+/[\w.-]+)(@[\w.-]+)?", prior)
    return ModelCardData(
        license=licence,
        library_name="inverter",
        pipeline_tag="image-to-image",
        metrics=["psnr", "ssim"],
        tags=["feature-inversion", "privacy", "latent-diffusion"],
        base_model=base[1] if base and not Path(prior).exists() else None,
        datasets=data[1] if data else None,
        model_name=name,
        eval_results=[
            EvalResult(
                "image-to-image",
                "pairs",
                dataset,
                metric,
                row.scores[metric].mean,
                metric_name=f"{label(metric).title} ({row.name})",
            )
            for row in results.rows
            if row.kind == "attack"
            for metric in ("psnr", "ssim")
            if metric in row.scores
        ]
        or None,
    )


def began_with(before: Sequence[Mapping[str, Any]]) -> Markup:
    """What a training began with, in words; newest first."""
    told = (
        f"{code(each['name'])} (file {code(each['weights_sha256'])}; {escape(each['pairs_seen'])} pairs seen of "
        f"{escape(each['source'])})"
        for each in before
    )
    return Markup(", which began with ".join(told) or "random weights")


def difference(c: Comparison) -> str:
    """A paired difference with its interval and verdict."""
    value = number(c.metric, c.difference, signed=True)
    return f"{value} {interval(c.metric, c.low, c.high, signed=True)} {verdict(c)}"


def shown_metrics(results: Results) -> list[str]:
    """Metrics of the card's tables."""
    return [metric for metric in results.metrics() if not metric.startswith(("near", "reid_rank"))]
