"""What the harness does not measure: feature loss, power spectrum, and of clips flicker and warping error."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, replace
from typing import Any

import torch
from torch import Tensor

from inverter.evaluation.harness import ORIGINAL
from inverter.evaluation.intervals import Bootstrap, Statistic
from inverter.evaluation.results import Comparison, Results, Score
from inverter.evaluation.temporal import flicker, warping_error
from inverter.lab.experiments.picture_set import Picture
from inverter.lab.experiments.subject import Subject
from inverter.lab.prior.spectrum import radial_power_spectrum

Statistics = Mapping[str, Mapping[str, Statistic]]
"""Method to metric to statistic."""


class Extras:
    """Watches an evaluation: ``watch`` hands its batches on, and the object itself is its ``on_recon``.

    Args:
        subject: Gives the feature loss.
        distance: That the attacks minimise.
        clip: Keep the frames, for :meth:`temporal`.
    """

    def __init__(self, subject: Subject, distance: str, clip: bool = False) -> None:
        self.subject, self.distance, self.clip = subject, distance, clip
        self.features = torch.empty(0)
        self.losses: dict[str, list[Tensor]] = defaultdict(list)
        self.power: dict[str, list[Tensor]] = defaultdict(list)
        self.frames: dict[str, list[Tensor]] = defaultdict(list)

    def watch(self, batches: Iterable[Mapping[str, Any]]) -> Iterator[Mapping[str, Any]]:
        """The same batches."""
        for batch in batches:
            self.features = batch["features"]
            yield batch

    def __call__(self, method: str, keys: Sequence[str], recon: Tensor) -> None:
        """Measure a method's ``recon`` ``(B, 3, S, S)`` of the batch under way."""
        recon = recon.to(self.features)
        self.losses[method].append(self.subject.loss(recon, self.features, self.distance).double().cpu())
        self.power[method] += [radial_power_spectrum(one[None].cpu())[1:] for one in recon]
        if self.clip:
            self.frames[method].append(recon.cpu())

    def statistics(self, bootstrap: Bootstrap) -> dict[str, dict[str, Statistic]]:
        """``feature_loss``; ``spectrum_error``, the mean distance of the power in decibels over all radii, and
        ``spectrum_high``, the power above the original's at the highest quarter of them."""
        by_method: dict[str, dict[str, Statistic]] = {}
        original = mean_power(torch.stack(self.power[ORIGINAL]), bootstrap)
        for method, losses in self.losses.items():
            decibels = 10 * (mean_power(torch.stack(self.power[method]), bootstrap) / original).log10()
            high = decibels[:, -max(decibels.shape[1] // 4, 1) :].mean(1)
            error = decibels.abs().mean(1)
            by_method[method] = {
                "feature_loss": bootstrap.mean(torch.cat(losses)),
                "spectrum_error": Statistic(float(error[0]), error[1:]),
                "spectrum_high": Statistic(float(high[0]), high[1:]),
            }
        return by_method

    def spectra(self) -> dict[str, list[float]]:
        """Decibels above the original's power at each radius, by method."""
        original = torch.stack(self.power[ORIGINAL]).mean(0)
        tiny = torch.finfo(torch.float64).tiny
        return {
            method: (10 * (torch.stack(rows).mean(0).clamp_min(tiny) / original.clamp_min(tiny)).log10()).tolist()
            for method, rows in self.power.items()
        }

    def temporal(self, runs: int) -> dict[str, dict[str, Tensor]]:
        """Flicker and warping error of each pair of consecutive frames ``(runs * (T - 1),)``; NaN where none is seen.

        Args:
            runs: The clip was inverted so many times, one after the other.
        """
        original = torch.cat(self.frames[ORIGINAL]).chunk(runs)
        extras = {}
        for method, frames in self.frames.items():
            pairs = list(zip(torch.cat(frames).chunk(runs), original, strict=True))
            extras[method] = {
                "flicker": torch.cat([flicker(*pair).double() for pair in pairs]),
                "warping_error": torch.cat([warping_error(*pair) for pair in pairs]),
            }
        return extras


def mean_power(power: Tensor, bootstrap: Bootstrap) -> Tensor:
    """Mean of ``(n, radii)`` over the sample, then over each replicate: ``(1 + R, radii)``."""
    counts = torch.cat([torch.ones(1, bootstrap.n), bootstrap.counts]).double()
    return (counts @ power / counts.sum(1, keepdim=True)).clamp_min(torch.finfo(torch.float64).tiny)


def extend(results: Results, statistics: Statistics, bootstrap: Bootstrap, pairs: Sequence[tuple[str, str]]) -> Results:
    """Results with further metrics and their paired differences."""
    rows = [
        replace(row, scores={**row.scores, **_scores(statistics.get(row.name, {}), bootstrap)}) for row in results.rows
    ]
    comparisons = list(results.comparisons)
    for a, b in pairs:
        others = statistics.get(b, {})
        for metric in (metric for metric in statistics.get(a, {}) if metric in others):
            d = bootstrap.difference(statistics[a][metric], others[metric])
            claims = (d.excludes_zero, d.claim)
            comparisons.append(Comparison(a, b, metric, d.mean, d.low, d.high, *claims, d.n, d.groups))
    return replace(results, rows=tuple(rows), comparisons=tuple(comparisons))


def _scores(statistics: Mapping[str, Statistic], bootstrap: Bootstrap) -> dict[str, Score]:
    return {metric: Score(**asdict(bootstrap.interval(found))) for metric, found in statistics.items()}


def add_temporal(
    results: Results,
    extras: Extras,
    pictures: Sequence[Picture],
    runs: int,
    pairs: Sequence[tuple[str, str]],
    sampled: Mapping[str, Any],
) -> Results:
    """Results with flicker and warping error; a pair of frames belongs to the block that its second is in."""
    found, blocks = extras.temporal(runs), [picture.block for picture in pictures[1:]] * runs
    for metric in ("flicker", "warping_error"):
        values = {method: rows[metric] for method, rows in found.items()}
        seen = torch.stack(list(values.values())).isfinite().all(0)
        if seen.any():
            chosen = [block for block, there in zip(blocks, seen.tolist(), strict=True) if there]
            bootstrap = Bootstrap(len(chosen), chosen, **sampled)
            statistics = {method: {metric: bootstrap.mean(rows[seen])} for method, rows in values.items()}
            results = extend(results, statistics, bootstrap, pairs)
    return results
