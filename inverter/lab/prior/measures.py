"""The measurements of a prior: round trip, distribution, text, memorisation, speed. Each gives plain data."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from inverter.evaluation.distribution import fid
from inverter.evaluation.intervals import Bootstrap, Interval, bootstrap_mean
from inverter.evaluation.judges import Judge
from inverter.evaluation.metrics import Missing
from inverter.evaluation.nearest import nearest_by_pixels
from inverter.lab.prior.border_colour import ColourWords
from inverter.lab.prior.prompted_class import judge_classes, shuffled_hits, top_hits
from inverter.lab.prior.spectrum import spectrum_error
from inverter.losses.quality import psnr, quantise, ssim
from inverter.priors.prior import DiffusionPrior
from inverter.run.progress import track
from inverter.run.seeds import derive_seed

Draw = Callable[[Sequence[str], int, float, str], Tensor]
NUM_BOOTSTRAP_KID = 200  # replicates of a statistic over pairs of images


class PriorSampler:
    """Samples and round trips of a prior as 8-bit pictures on the CPU.

    Args:
        prior: On the device where it is to run.
        batch_size: Pictures at once.
        bf16: Run the networks under bf16 autocast.
        seed: Seed of the noise, which depends on it, the part's name, the batch size and the picture's number alone.
    """

    def __init__(self, prior: DiffusionPrior, batch_size: int = 64, bf16: bool = False, seed: int = 0) -> None:
        self.prior, self.batch_size, self.bf16, self.seed = prior, batch_size, bf16, seed

    def samples(self, prompts: Sequence[str], steps: int, guidance: float, part: str = "") -> Tensor:
        """Pictures ``(N, 3, S, S)`` of N prompts."""

        def draw(start: int, batch: Sequence[str]) -> Tensor:
            generator = torch.Generator().manual_seed(derive_seed(self.seed, part, start))
            text = self.prior.condition(batch).float()
            options = {"num_inference_steps": steps, "guidance_scale": guidance, "generator": generator}
            return self.prior.sample(text, **options)

        return self._decoded(prompts, f"samples, {steps} steps, guidance {guidance:g}", draw)

    def noise(self, count: int) -> Tensor:
        """Decoded Gaussian latents ``(N, 3, S, S)``: what a prior would draw that knew mean and variance only."""

        def draw(start: int, batch: Sequence[str]) -> Tensor:
            generator = torch.Generator().manual_seed(derive_seed(self.seed, "gaussian", start))
            return torch.randn(len(batch), *self.prior.latent_shape, generator=generator).to(self.prior.device)

        return self._decoded([""] * count, "Gaussian latents", draw)

    def round_trip(self, images: Tensor) -> Tensor:
        """Images ``(N, 3, S, S)`` through the autoencoder."""

        def draw(start: int, batch: Tensor) -> Tensor:
            return self.prior.encode(batch.to(self.prior.device))

        return self._decoded(images, "round trip", draw)

    @torch.no_grad()
    def _decoded(self, items: Any, name: str, draw: Callable[[int, Any], Tensor]) -> Tensor:
        pictures = []
        for start in track(range(0, len(items), self.batch_size), name):
            with torch.autocast(self.prior.device.type, torch.bfloat16, enabled=self.bf16):
                images = self.prior.decode(draw(start, items[start : start + self.batch_size]))
            pictures.append(quantise(images.float()).cpu())
        return torch.cat(pictures)


def measure_round_trip(recon: Tensor, image: Tensor, groups: Sequence[str] | None, num_bootstrap: int) -> dict:
    """PSNR and SSIM with intervals, and the radial power spectrum's error in decibels."""
    options: dict[str, Any] = {"num_bootstrap": num_bootstrap}
    decibels = spectrum_error(recon, image)
    return {
        "num_pictures": len(image),
        "psnr": interval(bootstrap_mean(psnr(recon, image).double(), groups, **options)),
        "ssim": interval(bootstrap_mean(ssim(recon, image).double(), groups, **options)),
        "spectrum_db": [round(value, 3) for value in decibels.tolist()],
        "spectrum_error_db": decibels.abs().mean().item(),
    }


def measure_distribution(
    judges: Sequence[Judge], pictures: Tensor, reference: Mapping[str, Tensor], fids: bool
) -> dict:
    """KID with its interval, and FID where asked for and possible, against reference embeddings by judge."""
    part: dict[str, Any] = {"num_pictures": len(pictures)}
    for judge in judges:
        embeddings, other = judge.embed(pictures), reference[judge.name]
        count = min(len(embeddings), len(other))
        bootstrap = Bootstrap(count, num_bootstrap=NUM_BOOTSTRAP_KID)
        kid = bootstrap.kid(embeddings[:count], other[:count])
        part[judge.name] = {"kid": interval(bootstrap.interval(kid))}
        if fids:
            value = fid(embeddings, other)
            part[judge.name]["fid"] = value.reason if isinstance(value, Missing) else value
    return part


def measure_text(judges: Sequence[Judge], drawn: Tensor, real: Tensor, samples: Sequence[Mapping[str, Any]]) -> dict:
    """Top-1 and top-5 of each judge for the classes of ``samples``, on what was drawn for them and on real pictures.

    ``chance_top5`` is what was drawn would get with its prompts shuffled.
    """
    part: dict[str, Any] = {"num_pictures": len(drawn)}
    for judge in judges:
        classes = judge_classes(judge.name, samples)
        rows: dict[str, Any] = {"num_pictures": int((classes >= 0).sum())}
        part[judge.name] = rows
        verdicts = {"drawn": judge.look(drawn), "real": judge.look(real)}
        rows["chance_top5"] = shuffled_hits(verdicts["drawn"], classes, 5)
        for name, verdict in verdicts.items():
            for top in (1, 5):
                hits = top_hits(verdict, classes, top)
                rows[f"{name}_top{top}"] = interval(bootstrap_mean(hits, share=True)) if len(hits) else None
    return part


def measure_background(words: ColourWords, drawn: Tensor, real: Tensor, captions: Sequence[str]) -> dict:
    """Share of pictures whose border has the colour of their background in words, drawn for it and real."""
    known = sum(word in words.words for word in captions)
    part: dict[str, Any] = {"num_words": len(words.words), "num_pictures": known, "chance": words.chance(captions)}
    for name, pictures in (("drawn", drawn), ("real", real)):
        hits = words.match(pictures, captions).double()
        part[name] = interval(bootstrap_mean(hits, share=True)) if len(hits) else None
    return part


def measure_memory(drawn: Tensor, real: Tensor, train: Iterable[Mapping[str, Any]]) -> dict:
    """PSNR to the nearest training picture or mirror image of one, by pixels: quantiles over what is drawn and real."""
    views = (view for batch in train for view in (batch, {**batch, "image": batch["image"].flip(-1)}))
    nearest = nearest_by_pixels(torch.cat([drawn, real]), views).psnr.double()
    part: dict[str, Any] = {"num_pictures": len(drawn), "mirrored": True}
    for name, values in (("drawn", nearest[: len(drawn)]), ("real", nearest[len(drawn) :])):
        spots = torch.tensor([0.5, 0.95, 1.0], dtype=torch.float64)
        median, high, most = torch.quantile(values, spots).tolist()
        part[name] = {"mean": interval(bootstrap_mean(values)), "median": median, "p95": high, "max": most}
    return part


def measure_speed(sampler: PriorSampler, prompts: Sequence[str], steps: Iterable[int]) -> dict:
    """Samples a second without guidance at each number of steps, decoding included."""
    rates = {}
    for count in steps:
        start = time.perf_counter()
        sampler.samples(prompts, count, 1.0, "speed")
        rates[str(count)] = len(prompts) / (time.perf_counter() - start)
    return rates


def interval(bounds: Interval) -> dict[str, float | None]:
    """An interval as plain data."""
    return {"mean": bounds.mean, "low": bounds.low, "high": bounds.high}
