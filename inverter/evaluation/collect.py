"""One pass over the evaluation pairs: every method on every batch, metrics per image, what judges saw, pictures."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from inverter.evaluation.judges import Judge, Verdict
from inverter.evaluation.methods import Method
from inverter.evaluation.metrics import Missing, to_pictures
from inverter.losses.feature import feature_cosine
from inverter.losses.quality import psnr, quantise, ssim
from inverter.run.processes import gather
from inverter.run.progress import track
from inverter.run.seeds import derive_seed

OnRecon = Callable[[str, Sequence[str], Tensor], None]
Lpips = Callable[[Tensor, Tensor], Tensor]


@dataclass
class Record:
    """What one method did on all images so far."""

    values: dict[str, list[Tensor]] = field(default_factory=dict)
    verdicts: dict[str, list[Verdict]] = field(default_factory=dict)
    pictures: list[Tensor] = field(default_factory=list)
    seconds: float = 0.0
    peak_memory: int = 0

    def value(self, metric: str) -> Tensor:
        """One number per image, ``(n,)`` float64."""
        return torch.cat(self.values[metric])

    def picture(self) -> Tensor:
        """uint8 ``(n, 3, h, w)``."""
        return torch.cat(self.pictures)

    def add(self, other: Record) -> None:
        """Take in what the method did on further images."""
        for metric, parts in other.values.items():
            self.values.setdefault(metric, []).extend(parts)
        for judge, seen in other.verdicts.items():
            self.verdicts.setdefault(judge, []).extend(seen)
        self.pictures += other.pictures
        self.seconds += other.seconds
        self.peak_memory = max(self.peak_memory, other.peak_memory)

    def verdict(self, judge: str) -> Verdict:
        seen = self.verdicts[judge]
        return Verdict(torch.cat([v.probabilities for v in seen]), torch.cat([v.embeddings for v in seen]))


@dataclass
class Sample:
    """The evaluated images and every method's record; ``original`` is the record of the images themselves."""

    original: Record
    records: dict[str, Record]
    keys: list[str] = field(default_factory=list)
    groups: list[str] = field(default_factory=list)
    text: list[str] = field(default_factory=list)
    num_features: int = 0
    num_pixels: int = 0

    def add(self, other: Sample) -> None:
        """Take in further images."""
        self.original.add(other.original)
        for name, record in other.records.items():
            self.records.setdefault(name, Record()).add(record)
        self.keys += other.keys
        self.groups += other.groups
        self.text += other.text
        self.num_features, self.num_pixels = other.num_features, other.num_pixels


def collect(
    methods: Mapping[str, Method],
    batches: Iterable[Mapping[str, Any]],
    *,
    target: Callable[[Tensor], Tensor] | None,
    judges: Sequence[Judge],
    lpips: Lpips | Missing,
    device: torch.device,
    on_recon: OnRecon | None,
    seed: int = 0,
) -> Sample:
    """Run every method once on every batch; several processes, each with batches dealt in turn, get all of them back.

    PyTorch's generator on the CPU is seeded before each call by ``seed``, the method and the batch's keys, so what a
    method draws does not depend on the batches and methods before it, nor on the process that has the batch.

    Raises:
        ValueError: No image at all, a key twice, or a method gives another shape than the image's or values not finite.
    """
    with torch.random.fork_rng(devices=[]):
        parts = [
            _measure_batch(methods, batch, target, judges, lpips, device, on_recon, seed)
            for batch in track(batches, "evaluate")
        ]
    sample = Sample(Record(), {name: Record() for name in methods})
    for part in gather(parts):
        sample.add(part)
    if not sample.keys:
        raise ValueError("batches is empty: there is no image to evaluate")
    if len(set(sample.keys)) < len(sample.keys):
        raise ValueError(f"batches holds {len(sample.keys) - len(set(sample.keys))} key(s) twice; keys must be unique")
    return sample


def _measure_batch(
    methods: Mapping[str, Method],
    batch: Mapping[str, Any],
    target: Callable[[Tensor], Tensor] | None,
    judges: Sequence[Judge],
    lpips: Lpips | Missing,
    device: torch.device,
    on_recon: OnRecon | None,
    seed: int,
) -> Sample:
    image, features = batch["image"].to(device), batch["features"].to(device)
    sizes = {"num_features": features[0].numel(), "num_pixels": image[0].numel()}
    sample = Sample(Record(), {}, list(batch["key"]), list(batch["group"]), list(batch["text"]), **sizes)
    verdicts = {judge.name: judge.look(image) for judge in judges}
    _measure(sample.original, image, image, features, target, lpips)
    _agree(sample.original, verdicts, verdicts)
    for name, method in methods.items():
        record = sample.records[name] = Record()
        torch.default_generator.manual_seed(derive_seed(seed, name, *batch["key"]))
        recon = _reconstruct(name, method, record, image, features)
        _measure(record, recon, image, features, target, lpips)
        _agree(record, {judge.name: judge.look(recon) for judge in judges}, verdicts)
        if on_recon is not None:
            on_recon(name, batch["key"], recon)
    if on_recon is not None:
        on_recon("original", batch["key"], batch["image"])
    return sample


def _reconstruct(name: str, method: Method, record: Record, image: Tensor, features: Tensor) -> Tensor:
    seen = (image if method.sees == "image" else features).clone()
    on_gpu = image.device.type == "cuda"
    if on_gpu:
        torch.cuda.synchronize(image.device)
        torch.cuda.reset_peak_memory_stats(image.device)
    start = time.perf_counter()
    recon = method.reconstruct(seen).detach()
    if on_gpu:
        torch.cuda.synchronize(image.device)
        record.peak_memory = max(record.peak_memory, torch.cuda.max_memory_allocated(image.device))
    record.seconds += time.perf_counter() - start
    if recon.shape != image.shape:
        raise ValueError(f"method {name!r} gave images {tuple(recon.shape)}; needed: {tuple(image.shape)}")
    if not torch.isfinite(recon).all():
        raise ValueError(f"method {name!r} gave values that are not finite (NaN or infinity)")
    return quantise(recon.to(image.device))


@torch.no_grad()
def _measure(
    record: Record,
    recon: Tensor,
    image: Tensor,
    features: Tensor,
    target: Callable[[Tensor], Tensor] | None,
    lpips: Lpips | Missing,
) -> None:
    values = {"psnr": psnr(recon, image), "ssim": ssim(recon, image)}
    if not isinstance(lpips, Missing):
        values["lpips"] = lpips(recon, image)
    if target is not None:
        values["feature_cosine"] = feature_cosine(target(recon).float(), features)
    for metric, value in values.items():
        record.values.setdefault(metric, []).append(value.double().cpu())
    record.pictures.append(to_pictures(recon))


def _agree(record: Record, seen: Mapping[str, Verdict], original: Mapping[str, Verdict]) -> None:
    for judge, verdict in seen.items():
        record.verdicts.setdefault(judge, []).append(verdict)
        agrees = verdict.labels == original[judge].labels
        record.values.setdefault(f"agreement/{judge}", []).append(agrees.double())
