"""Every method on every evaluation pair: metrics per image, what judges saw, pictures, and what training has alike."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, cast

import torch
from torch import Tensor

from inverter.evaluation.judges import Judge, Verdict
from inverter.evaluation.methods import Method
from inverter.evaluation.metrics import Context, ImageMetric, Missing, metrics_of
from inverter.evaluation.nearest import Nearest, TrainingReader, pixel_search
from inverter.evaluation.thumbnail import to_thumbnails
from inverter.losses.quality import psnr, quantise
from inverter.run.processes import gather
from inverter.run.progress import track
from inverter.run.seeds import derive_seed
from inverter.targets.shape import FeatureShape
from inverter.targets.target import Target

OnRecon = Callable[[str, Sequence[str], Tensor], None]


@dataclass(frozen=True)
class Instruments:
    """What every method is measured with.

    Args:
        device: Where images and features go before a method gets them.
        target: Attacked network, images to features; None where it is not at hand.
        judges: Classifiers that look at every reconstruction.
        feature_shape: Which layers are joint in the features; None is that of their tensors.
        seed: Of what methods and the target's payload draw.
        on_recon: Called with method, keys and ``recon`` of every batch.
        queries: How often the target is asked for each picture, the stored features being the first answer, for methods
            that see ``queries``.
    """

    device: torch.device
    target: Callable[[Tensor], Tensor] | None = None
    judges: Sequence[Judge] = ()
    feature_shape: FeatureShape | None = None
    seed: int = 0
    on_recon: OnRecon | None = None
    queries: int | None = None


@dataclass
class Measurements:
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

    def add(self, other: Measurements) -> None:
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
    """The evaluated images and every method's record.

    ``original`` is the record of the images themselves, ``nearest`` their nearest training pictures; ``missing`` says
    which metrics of pictures gave nothing.
    """

    original: Measurements
    records: dict[str, Measurements]
    keys: list[str] = field(default_factory=list)
    groups: list[str] = field(default_factory=list)
    text: list[str] = field(default_factory=list)
    num_features: int = 0
    num_pixels: int = 0
    nearest: Nearest | None = None
    missing: list[Missing] = field(default_factory=list)

    def add(self, other: Sample) -> None:
        """Take in further images."""
        self.original.add(other.original)
        for name, record in other.records.items():
            self.records.setdefault(name, Measurements()).add(record)
        self.keys += other.keys
        self.groups += other.groups
        self.text += other.text
        self.num_features, self.num_pixels = other.num_features, other.num_pixels
        self.missing += [missing for missing in other.missing if missing not in self.missing]
        if other.nearest is not None:
            self.nearest = other.nearest if self.nearest is None else self.nearest.join(other.nearest)


def collect(
    methods: Mapping[str, Method],
    batches: Iterable[Mapping[str, Any]],
    instruments: Instruments,
    train_batches: Iterable[Mapping[str, Any]] | None = None,
) -> Sample:
    """Run every method once on every batch; several processes, each with batches dealt in turn, get all of them back.

    Methods that read the training pairs come last, after the one pass over ``train_batches`` in which originals and
    what attacks made of them are also compared with every training picture.

    PyTorch's generator on the CPU and the noise of the target's payload are seeded before each call by the seed, the
    method and the batch's keys, so what a method draws does not depend on the batches and methods before it, nor on the
    process that has the batch. What measures runs in float32.

    Raises:
        ValueError: No image at all, a key twice, or a method or a metric gives another shape or values not finite.
    """
    late = {name: method for name, method in methods.items() if isinstance(method.reconstruct, TrainingReader)}
    early = {name: method for name, method in methods.items() if name not in late}
    with torch.random.fork_rng(devices=[]):
        parts = []
        for batch in track(batches, "evaluate"):
            parts.append(_begin(batch, instruments))
            _measure_methods(parts[-1], early, batch, instruments)
            if instruments.on_recon is not None:
                instruments.on_recon("original", batch["key"], batch["image"])
        if parts and train_batches is not None:
            attacks = [name for name, method in early.items() if method.kind == "attack"]
            readers = [method.reconstruct for method in late.values()]
            _read_train(parts, attacks, train_batches, cast(list[TrainingReader], readers))
        if late:
            for part, batch in zip(parts, track(batches, "evaluate floors"), strict=True):
                _measure_methods(part, late, batch, instruments)
    sample = Sample(Measurements(), {name: Measurements() for name in methods})
    for part in gather(parts):
        sample.add(part)
    if not sample.keys:
        raise ValueError("batches is empty: there is no image to evaluate")
    if len(set(sample.keys)) < len(sample.keys):
        raise ValueError(f"batches holds {len(sample.keys) - len(set(sample.keys))} key(s) twice; keys must be unique")
    for record in (sample.original, *sample.records.values()):
        for missing in sample.missing:  # of some batches alone: no mean over those that are left
            record.values.pop(missing.metric, None)
    return sample


def _begin(batch: Mapping[str, Any], instruments: Instruments) -> Sample:
    """A batch's images themselves."""
    image, features = batch["image"].to(instruments.device), batch["features"].to(instruments.device)
    sizes = {"num_features": features[0].numel(), "num_pixels": image[0].numel()}
    sample = Sample(Measurements(), {}, list(batch["key"]), list(batch["group"]), list(batch["text"]), **sizes)
    _measure(sample, sample.original, image, image, features, instruments)
    return sample


def _measure_methods(
    sample: Sample, methods: Mapping[str, Method], batch: Mapping[str, Any], instruments: Instruments
) -> None:
    image, features = batch["image"].to(instruments.device), batch["features"].to(instruments.device)
    seen = {"image": image, "features": features}
    if any(method.sees == "queries" for method in methods.values()):
        seen["queries"] = _mean_answer(image, features, batch["key"], instruments)
    for name, method in methods.items():
        record = sample.records[name] = Measurements()
        torch.default_generator.manual_seed(derive_seed(instruments.seed, name, *batch["key"]))
        _seed_payload(instruments.target, instruments.seed, name, "payload", *batch["key"])
        recon = _reconstruct(name, method, record, seen[method.sees], image)
        _seed_payload(instruments.target, instruments.seed, "feature_cosine", *batch["key"])
        _measure(sample, record, recon, image, features, instruments)
        if instruments.on_recon is not None:
            instruments.on_recon(name, batch["key"], recon)


def _seed_payload(target: Callable[[Tensor], Tensor] | None, *purpose: int | str) -> None:
    """Begin the noise of a target's payload anew: no method's is what another one left."""
    if isinstance(target, Target):
        target.seed_payload(derive_seed(*purpose))


def _read_train(
    parts: Sequence[Sample],
    attacks: Sequence[str],
    train_batches: Iterable[Mapping[str, Any]],
    readers: Sequence[TrainingReader],
) -> None:
    """Show every training pair once to ``readers``, and add how near originals and ``attacks`` came to one."""
    records = [record for part in parts for record in (part.original, *(part.records[name] for name in attacks))]
    pictures = [record.picture() for record in records]
    search = pixel_search(torch.cat(pictures).float() / 255)
    for batch in track(train_batches, "read training pairs"):
        for reader in (search, *readers):
            reader.see(batch)
    matches = search.matches.split([len(shown) for shown in pictures])
    for number, part in enumerate(parts):
        first = number * (1 + len(attacks))
        part.nearest = matches[first]
        for record, shown, nearest in zip(
            records[first : first + 1 + len(attacks)], pictures[first:], matches[first:], strict=False
        ):
            nearest_psnr = nearest.psnr.double()
            record.values["nearest_train_psnr"] = [nearest_psnr]
            if record is not part.original:  # at the size of the search: a large picture is nearer when it is shrunk
                own_psnr = psnr(shown.float() / 255, pictures[first].float() / 255).double()
                record.values["nearer_to_train"] = [(nearest_psnr > own_psnr).double()]


@torch.no_grad()
def _mean_answer(image: Tensor, features: Tensor, keys: Sequence[str], instruments: Instruments) -> Tensor:
    """Mean of the stored features and of what further queries of the same pictures give, float32."""
    total = features.double()
    _seed_payload(instruments.target, instruments.seed, "queries", *keys)
    for _ in range((instruments.queries or 1) - 1):
        with torch.autocast(image.device.type, enabled=False):
            total = total + cast(Callable[[Tensor], Tensor], instruments.target)(image).double()
    return (total / (instruments.queries or 1)).float()


def _reconstruct(name: str, method: Method, record: Measurements, seen: Tensor, image: Tensor) -> Tensor:
    seen = seen.clone()
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
    sample: Sample, record: Measurements, recon: Tensor, image: Tensor, features: Tensor, instruments: Instruments
) -> None:
    """Add to a record what metrics of pictures and judges say of a batch, in float32."""
    context = Context(features, instruments.target, instruments.feature_shape or tuple(features.shape[1:]))
    with torch.autocast(instruments.device.type, enabled=False):
        for name, metric in metrics_of(ImageMetric).items():
            value = metric.measure(recon, image, context)
            if not isinstance(value, Missing):
                record.values.setdefault(name, []).append(_checked(name, value, len(recon)))
            elif value not in sample.missing:
                sample.missing.append(value)
        for judge in instruments.judges:
            record.verdicts.setdefault(judge.name, []).append(judge.look(recon))
    record.pictures.append(to_thumbnails(recon))


def _checked(metric: str, value: Tensor, count: int) -> Tensor:
    if value.shape != (count,) or not torch.isfinite(value).all():
        raise ValueError(f"metric {metric!r} gave shape {tuple(value.shape)}; needed: ({count},), all finite")
    return value.double().cpu()
