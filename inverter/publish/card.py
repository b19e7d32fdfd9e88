"""The model card of a published inverter, in the hub's format."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping, Sequence
from typing import Any

from inverter.blackbox.inverter import Inverter
from inverter.data.manifest import Manifest
from inverter.evaluation.labels import heading, interval, label, number, verdict
from inverter.evaluation.results import Results
from inverter.publish.markdown import code, escape
from inverter.targets.shape import describe_shape

CARD = """---
license: {licence}
library_name: inverter
tags: [feature-inversion, privacy, latent-diffusion]
---
# {name}

Reconstructs {resolution} px images from the features that {target} emits at {layer}: one pass (`mean`), or with the
prior drawing what the features leave open (`sample`).

```python
from inverter import Inverter

inverter = Inverter.from_pretrained({quoted})
recon = inverter.mean(features)  # (B, {shape}) -> (B, 3, {resolution}, {resolution}) in [0, 1]
```

| | |
| --- | --- |
| target, layer | {target}, {layer}, input {input_size} px, payload {payload} |
| target weights (SHA-256) | {sha256} |
| features | {shape} = {numbers} numbers, {ratio:.2f} times the picture's{sent} |
| prior | {prior}, weights {prior_sha256} |
| training data | {source}, {pairs} pairs, augmentation: {augment} |
| began with | {began_with} |
| budget | {budget}; {pairs_seen} pairs seen; {processor}, {threads} threads |
| commit, seed | {commit}, {seed} |
| licence | {licence} |

**Threat model.** {threat_model}

**Intended use.** Measuring what a split network's features reveal, before and after a defence. Not for recovering
pictures of people who did not agree to it.

## Measured

{num_images} images from {num_sources} sources; 95 % bootstrap intervals that resample the sources.

{table}

{notes}

{comparisons}
{few_step}"""

FEW_STEP = """
## In few steps

`Inverter.from_pretrained("{name}+few-step")` draws `sample` with {calls} denoiser calls a picture in the place of
{full_calls}, by a LoRA in `few_step`.

{table}
"""


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
    spec = manifest.target
    budget = f"{training['max_time_seconds']} s" if training["max_time_seconds"] else f"{training['max_steps']} steps"
    not_computed = [f"Not computed: {label(missing.metric).title} ({missing.reason})." for missing in results.missing]
    return CARD.format(
        name=escape(name),
        quoted=json.dumps(name, ensure_ascii=False),
        licence=licence,
        resolution=inverter.spec.resolution,
        target=code(spec.name),
        layer=code(spec.layer),
        shape=describe_shape(spec.feature_shape, ", "),
        input_size=spec.input_size,
        payload=code(spec.payload),
        sha256=code(spec.weights_sha256),
        numbers=spec.num_features,
        ratio=results.payload.ratio,
        sent="" if results.payload.bytes is None else f"; they take {results.payload.bytes:,.0f} bytes",
        prior=code(inverter.prior.name),
        prior_sha256=code(inverter.prior.weights_sha256),
        began_with=began_with(training["began_with"]),
        budget=budget,
        processor=escape(training["environment"]["processor"]),
        threads=escape(training["environment"]["threads"]),
        commit=code(training["commit"]),
        num_images=results.num_images,
        num_sources=results.num_sources,
        table=metrics_table(results),
        notes="\n".join(f"- {escape(note)}" for note in (*results.notes, *not_computed)),
        comparisons=comparisons_table(results),
        few_step="" if few_step is None else few_step_section(name, results, few_step),
        **{key: escape(training[key]) for key in ("source", "pairs", "pairs_seen", "augment", "seed", "threat_model")},
    )


def few_step_section(name: str, results: Results, few_step: Results) -> str:
    """Cost and figures of the variant's ``sample``, beside the cost of the inverter's own."""
    calls = [
        next(row.cost.get("denoiser_calls") for row in each.rows if row.name == "sample")
        for each in (few_step, results)
    ]
    attacks = dataclasses.replace(few_step, rows=tuple(row for row in few_step.rows if row.kind == "attack"))
    return FEW_STEP.format(name=name, calls=calls[0], full_calls=calls[1], table=metrics_table(attacks))


def began_with(before: Sequence[Mapping[str, Any]]) -> str:
    """What a training began with, in words; newest first."""
    told = (
        f"{code(each['name'])} (file {code(each['weights_sha256'])}; {each['pairs_seen']} pairs seen of "
        f"{escape(each['source'])})"
        for each in before
    )
    return ", which began with ".join(told) or "random weights"


def metrics_table(results: Results) -> str:
    """Methods down, metrics across, each mean with its interval."""
    metrics = shown_metrics(results)
    lines = _head("method", metrics)
    for row in results.rows:
        cells = []
        for metric in metrics:
            score = row.scores.get(metric)
            cells.append(f"{number(metric, score.mean)} {interval(metric, score.low, score.high)}" if score else "")
        lines.append(f"| {escape(row.name)} | " + " | ".join(cells) + " |")
    guesses = [number(metric, results.chance[metric]) if metric in results.chance else "" for metric in metrics]
    return "\n".join([*lines, f"| guessing | {' | '.join(guesses)} |"])


def comparisons_table(results: Results) -> str:
    """Pairs down, metrics across, each paired difference with its interval; empty where nothing was compared."""
    if not results.comparisons:
        return ""
    compared = {c.metric for c in results.comparisons}
    metrics = [metric for metric in shown_metrics(results) if metric in compared]
    cells: dict[str, dict[str, str]] = {}
    for c in results.comparisons:
        difference = f"{number(c.metric, c.difference, signed=True)} {interval(c.metric, c.low, c.high, signed=True)}"
        cells.setdefault(f"{c.a} - {c.b}", {})[c.metric] = f"{difference} {verdict(c)}"
    lines = [
        f"| {escape(pair)} | {' | '.join(found.get(metric, '') for metric in metrics)} |"
        for pair, found in cells.items()
    ]
    meaning = (
        "Paired by picture; better and worse (a leaks more, less than b): the interval excludes 0, there are 20 "
        "sources or more, and all judges give one sign."
    )
    return "\n".join([meaning, "", *_head("a minus b", metrics), *lines])


def shown_metrics(results: Results) -> list[str]:
    """Metrics of the card's tables."""
    return [metric for metric in results.metrics() if not metric.startswith(("near", "reid_rank"))]


def _head(first: str, metrics: list[str]) -> list[str]:
    return [
        f"| {first} | " + " | ".join(heading(metric) for metric in metrics) + " |",
        "| --- " * (len(metrics) + 1) + "|",
    ]
