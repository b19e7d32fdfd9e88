"""Leak scores of one evaluation, from its table and its numbers per image."""

from __future__ import annotations

import csv
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from inverter.audit.score import CHANCE, LeakScore, leak_score
from inverter.evaluation.intervals import Bootstrap, Statistic
from inverter.evaluation.metrics import METRICS, Missing
from inverter.evaluation.results import Results

CEILING = "round trip"
SCORED = ("reid_mrr", "reid_top1", "agreement", "ssim", "psnr", "lpips")
"""Metrics that get a score: those that compare a reconstruction with its own picture. KID compares distributions (a
picture of something else may be perfect), and the feature cosine's yardstick is another at every layer."""


@dataclass(frozen=True)
class PerImage:
    """Numbers of every method on every picture: keys and sources ``(n,)``, method to metric to values ``(n,)``."""

    keys: tuple[str, ...]
    groups: tuple[str, ...]
    values: dict[str, dict[str, Tensor]]


def read_per_image(path: Path) -> PerImage:
    """Read the ``per_image.csv`` of an evaluation.

    Raises:
        ValueError: The file is missing, is no such table, or its methods saw other pictures.
    """
    try:
        with path.open(newline="", encoding="utf-8") as stream:
            rows = list(csv.DictReader(stream, strict=True))
        pictures: dict[str, list[tuple[str, str]]] = {}
        numbers: dict[str, dict[str, list[float]]] = {}
        for row in rows:
            method = row.pop("method")
            pictures.setdefault(method, []).append((row.pop("key"), row.pop("group")))
            for metric, text in row.items():
                if text:
                    numbers.setdefault(method, {}).setdefault(metric, []).append(float(text))
    except (OSError, KeyError, TypeError, ValueError, csv.Error) as error:
        raise ValueError(f"{path} is no table of numbers per image: {error!r}") from error
    first = next(iter(pictures.values()), [])
    lengths = {len(values) for metrics in numbers.values() for values in metrics.values()}
    if not first or any(seen != first for seen in pictures.values()) or lengths - {len(first)}:
        raise ValueError(f"{path}: every method must have one line for each of the same pictures")
    if not all(math.isfinite(x) for metrics in numbers.values() for values in metrics.values() for x in values):
        raise ValueError(f"{path} holds values that are not finite (NaN or infinity)")
    keys, groups = zip(*first, strict=True)
    tensors = {
        method: {metric: torch.tensor(values, dtype=torch.float64) for metric, values in metrics.items()}
        for method, metrics in numbers.items()
    }
    return PerImage(keys, groups, tensors)


def score_metrics(results: Results, per_image: PerImage, num_bootstrap: int) -> dict[str, LeakScore | Missing]:
    """Leak score of every metric of :data:`SCORED` that was computed, in that order.

    Attacks are those of :meth:`Results.attacks`, as in an evaluation's own report; floors are the rows that read no
    features, and guessing.

    Args:
        results: The evaluation.
        per_image: Its numbers per image.
        num_bootstrap: Replicates; they resample sources, with the evaluation's seed.
    Raises:
        ValueError: The evaluation has no round trip.
    """
    results.row(CEILING)
    groups = list(per_image.groups)
    bootstrap = Bootstrap(len(groups), groups, num_bootstrap=num_bootstrap, seed=results.seed)
    metrics = [metric for kind in SCORED for metric in results.metrics() if metric.partition("/")[0] == kind]
    return {metric: _score(metric, results, per_image, bootstrap) for metric in metrics}


def attack_means(metric: str, results: Results, per_image: PerImage, bootstrap: Bootstrap) -> dict[str, Statistic]:
    """Mean of a metric by attack: rows that read features, retrieval of the nearest training picture among them."""
    return _means(metric, [row.name for row in results.attacks()], per_image, bootstrap)


def _means(metric: str, names: Sequence[str], per_image: PerImage, bootstrap: Bootstrap) -> dict[str, Statistic]:
    values, share = {name: per_image.values.get(name, {}) for name in names}, METRICS[metric.partition("/")[0]].share
    return {name: bootstrap.mean(columns[metric], share) for name, columns in values.items() if metric in columns}


def _score(metric: str, results: Results, per_image: PerImage, bootstrap: Bootstrap) -> LeakScore | Missing:
    attacks = attack_means(metric, results, per_image, bootstrap)
    guesses = [row.name for row in results.rows if row.kind == "floor" and row.name not in attacks]
    floors = _means(metric, guesses, per_image, bootstrap) | _constant(results.chance, metric, bootstrap)
    if not attacks or not floors:
        return Missing(metric, "needs an attack and a floor")
    lower_is_more = METRICS[metric.partition("/")[0]].arrow == "↓"
    ceiling = bootstrap.mean(per_image.values[CEILING][metric])
    return leak_score(metric, attacks, floors, ceiling, bootstrap, lower_is_more=lower_is_more)


def _constant(chance: Mapping[str, float], metric: str, bootstrap: Bootstrap) -> dict[str, Statistic]:
    if metric not in chance:
        return {}
    return {CHANCE: Statistic(chance[metric], torch.full((len(bootstrap.counts),), chance[metric]).double())}


def headline(
    layers: Sequence[Mapping[str, LeakScore | Missing]], metric: str, missing: Mapping[str, str] | None = None
) -> str:
    """Key of the headline metric: ``metric`` itself, or of ``metric/JUDGE`` the judge who sees most leak.

    Args:
        layers: Scores of each layer by metric.
        metric: One of :data:`SCORED`, with or without a judge.
        missing: Metric to the reason why it was not computed, for the message.
    Raises:
        ValueError: No such metric was scored.
    """
    keys = list(dict.fromkeys(key for scores in layers for key in scores))
    judged = [key for key in keys if metric in (key, key.partition("/")[0])]
    if not judged:
        reasons = [why for kind, why in (missing or {}).items() if metric.startswith(kind)]
        because = f" ({'; '.join(reasons)})" if reasons else ""
        raise ValueError(f"metric={metric!r} was not computed{because}; scored here: {', '.join(keys)}")
    return max(judged, key=lambda key: sum(_severity(scores.get(key)) for scores in layers))


def _severity(score: LeakScore | Missing | None) -> float:
    return score.value if isinstance(score, LeakScore) else 1.0
