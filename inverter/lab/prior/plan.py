"""Every part of a prior's measurement, in order, into its record."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from inverter.data.image_module import picture_loader
from inverter.data.picture_cache import PictureCache
from inverter.data.pictures import square, to_tensor
from inverter.data.sources.photos import PhotoSource
from inverter.evaluation.intervals import bootstrap_mean
from inverter.evaluation.judges import Judge
from inverter.lab.prior import measures as measures
from inverter.lab.prior.border_colour import ColourWords
from inverter.lab.prior.config import EvaluatePriorConfig
from inverter.lab.prior.linear_reference import linear_round_trip
from inverter.lab.prior.record import PriorRecord
from inverter.losses.quality import psnr, quantise
from inverter.priors.prior import DiffusionPrior
from inverter.run.record import commit, environment

NUM_LINEAR = 4000  # training pictures whose principal components are taken


@dataclass(frozen=True)
class Settings:
    """How samples are drawn: the usual steps and guidance, others of KID's steps, others of its guidances."""

    num_inference_steps: int
    guidance_scale: float
    steps: tuple[int, ...]
    guidances: tuple[float, ...]


def choose_settings(config: EvaluatePriorConfig, few_step: bool) -> Settings:
    """What the configuration says; where it says null, what suits a base prior, or its few-step variant."""
    usual = (
        Settings(4, 1.0, (1, 2, 4), ()) if few_step else Settings(8, 2.0, (1, 2, 4, 8, 16, 32), (1.0, 2.0, 3.0, 5.0))
    )
    return Settings(
        usual.num_inference_steps if config.num_inference_steps is None else config.num_inference_steps,
        usual.guidance_scale if config.guidance_scale is None else config.guidance_scale,
        usual.steps if config.steps is None else tuple(config.steps),
        usual.guidances if config.guidances is None else tuple(config.guidances),
    )


class PriorPlan:
    """What the parts share: pictures, their embeddings, and how samples are drawn.

    Args:
        config: Shards and sizes.
        settings: Of drawing.
        prior: On the device where it is to run.
        judges: Classifiers that no prior was trained with.
        output: Folder of the measurement.
    """

    def __init__(
        self,
        config: EvaluatePriorConfig,
        settings: Settings,
        prior: DiffusionPrior,
        judges: Sequence[Judge],
        output: Path,
    ) -> None:
        self.config, self.settings, self.prior, self.judges = config, settings, prior, judges
        self.cache = Path(config.cache) if config.cache else output / "pictures"
        self.exact = measures.PriorSampler(prior, config.batch_size, seed=config.seed)
        self.sampler = measures.PriorSampler(prior, config.batch_size, config.precision == "bf16", config.seed)

    def run(self, record: PriorRecord) -> None:
        """Measure what the record does not hold yet."""
        config = self.config
        record.part("round_trip/val", self._round_trip)
        if config.photos:
            record.part("round_trip/photos", self._photos)
        if self.judges:
            self._distribution(record)
            record.part("text", self._text)
        record.part("background", self._background)
        if config.train:
            record.part("memory", self._memory)
        record.part("speed", self._speed)

    @cached_property
    def val(self) -> PictureCache:
        return PictureCache(self.config.val, self.prior.resolution, self.cache)

    @cached_property
    def train(self) -> PictureCache:
        return PictureCache(str(self.config.train), self.prior.resolution, self.cache)

    @cached_property
    def reference(self) -> dict[str, Tensor]:
        """Embeddings of val by judge."""
        real = images(self.val, self.config.num_samples)
        return {judge.name: judge.embed(real) for judge in self.judges}

    def _round_trip(self) -> dict:
        real = images(self.val, self.config.num_samples)
        recon, count = self.exact.round_trip(real), self.config.num_bootstrap
        measured = measures.measure_round_trip(recon, real, None, count)
        if self.config.train:
            linear = linear_round_trip(real, images(self.train, NUM_LINEAR), self.prior.latent_shape)
            measured["linear"] = measures.measure_round_trip(linear, real, None, count)
            gain = psnr(recon, real) - psnr(linear, real)
            measured["gain_over_linear"] = measures.interval(bootstrap_mean(gain.double(), num_bootstrap=count))
        return measured

    def _photos(self) -> dict:
        source = PhotoSource(shard_size=self.config.num_photos, num_images=self.config.num_photos)
        photos = list(source.shard(0))
        crops = [to_tensor(square(item.image, self.prior.resolution)) for item in photos]
        real, groups = torch.stack(crops).float() / 255, [item.group for item in photos]
        return measures.measure_round_trip(self.exact.round_trip(real), real, groups, self.config.num_bootstrap)

    def _distribution(self, record: PriorRecord) -> None:
        config, count = self.config, min(self.config.num_samples, len(self.val))

        def part(name: str, pictures: Any, fids: bool = False) -> None:
            record.part(
                f"kid/{name}", lambda: measures.measure_distribution(self.judges, pictures(), self.reference, fids)
            )

        if config.train:
            part("train pictures", lambda: images(self.train, count), True)
        part("round trip", lambda: self.exact.round_trip(images(self.val, count)), True)
        part("Gaussian latents", lambda: self.exact.noise(count), True)
        chosen = self.settings
        usual = (chosen.num_inference_steps, chosen.guidance_scale)
        others = [(steps, chosen.guidance_scale) for steps in chosen.steps]
        others += [(chosen.num_inference_steps, guidance) for guidance in chosen.guidances]
        for steps, guidance in dict.fromkeys([usual, *others]):
            part(
                f"{steps} steps, guidance {guidance:g}",
                self._sampler(count, steps, guidance),
                (steps, guidance) == usual,
            )

    def _sampler(self, count: int, steps: int, guidance: float) -> Any:
        return lambda: self.sampler.samples(self._prompts(count), steps, guidance, "kid")

    def _prompts(self, count: int, words: str = "caption") -> list[str]:
        samples = self.val.samples
        return [samples[index % len(samples)][words] for index in range(count)]

    def _drawn(self, prompts: Sequence[str], part: str) -> Tensor:
        return self.sampler.samples(prompts, self.settings.num_inference_steps, self.settings.guidance_scale, part)

    def _text(self) -> dict:
        real = images(self.val, self.config.num_text)
        drawn = self._drawn(self._prompts(len(real), "foreground"), "text")
        return measures.measure_text(self.judges, drawn, real, self.val.samples[: len(real)])

    def _background(self) -> dict | None:
        real = images(self.val, self.config.num_text)
        learned = self.train if self.config.train else self.val
        words = ColourWords.learn(images(learned, 5000), [sample["background"] for sample in learned.samples[:5000]])
        if words is None:
            return None
        prompts = self._prompts(len(real), "background")
        return measures.measure_background(words, self._drawn(prompts, "background"), real, prompts)

    def _memory(self) -> dict:
        real = images(self.val, self.config.num_memory)
        drawn = self._drawn(self._prompts(len(real)), "memory")
        return measures.measure_memory(drawn, real, picture_loader(self.train, 500))

    def _speed(self) -> dict:
        rates = measures.measure_speed(self.sampler, self._prompts(self.config.num_speed), self.settings.steps)
        return {**rates, "device": self.prior.device.type, "environment": environment(), "commit": commit()}


def images(pictures: PictureCache, count: int) -> Tensor:
    """The first pictures ``(N, 3, S, S)`` in [0, 1]."""
    return quantise(torch.from_numpy(pictures.pictures[:count].copy()).float() / 255)
