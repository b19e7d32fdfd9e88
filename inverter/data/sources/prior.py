"""Samples of the prior, for an attacker who has no pictures."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from random import Random
from typing import Any, Protocol

import torch
from einops import rearrange
from PIL import Image
from torch import Tensor

from inverter.data.sources.source import ImageSource, SourceImage
from inverter.run.seeds import derive_seed


class Sampler(Protocol):
    """What ``PriorSource`` uses of a ``DiffusionPrior``."""

    few_step: bool

    @property
    def prompts(self) -> Sequence[str]: ...
    def condition(self, prompts: Sequence[str], /) -> Any: ...
    def sample(
        self, conditioning: Any = None, *, num_inference_steps: int, generator: torch.Generator | None
    ) -> Tensor: ...
    def decode(self, latents: Tensor, /) -> Tensor: ...


class PriorSource(ImageSource):
    """Samples of the prior, without guidance, of prompts from its own list (of the empty prompt where it has none).

    Args:
        prior: The prior that draws.
        shard_size: Pictures a shard; each shard has its own generator, seeded by (seed, split, index).
        num_images: Pictures in all.
        num_inference_steps: Denoising steps a picture; None takes 4, with a few-step variant 2.
        batch_size: Pictures drawn at once.
        seed: Seed of prompts and noise.
        split: Split that the pictures are for; every split gets others.
        bf16: Draw under bf16 autocast.
    Raises:
        ValueError: ``num_images`` is None.
    """

    def __init__(
        self,
        prior: Sampler,
        shard_size: int,
        num_images: int | None,
        *,
        num_inference_steps: int | None,
        batch_size: int,
        seed: int,
        split: str,
        bf16: bool = False,
    ) -> None:
        if num_images is None:
            raise ValueError("pairs=null; allowed with source=prior: 1 or more (the prior never runs out)")
        super().__init__(shard_size, num_images)
        self.prior, self.batch_size = prior, batch_size
        self.num_inference_steps = num_inference_steps or (2 if prior.few_step else 4)
        self.seed, self.split, self.bf16 = seed, split, bf16

    @torch.no_grad()
    def shard(self, index: int) -> Iterator[SourceImage]:
        seed = derive_seed(self.seed, self.split, index)
        generator, words = torch.Generator().manual_seed(seed), Random(seed)
        numbers = self.numbers(index)
        for start in range(numbers.start, numbers.stop, self.batch_size):
            batch = range(start, min(start + self.batch_size, numbers.stop))
            prompts = [words.choice(self.prior.prompts) if self.prior.prompts else "" for _ in batch]
            drawn = (self._draw(prompts, generator) * 255).round().to(torch.uint8)
            pictures = rearrange(drawn, "b c h w -> b h w c").cpu()
            for number, prompt, picture in zip(batch, prompts, pictures, strict=True):
                yield SourceImage(f"{self.split}-{number:07d}", Image.fromarray(picture.numpy()), text=prompt)

    def _draw(self, prompts: list[str], generator: torch.Generator) -> Tensor:
        """Pictures ``(B, 3, S, S)`` float32 in [0, 1]."""
        conditioning = self.prior.condition(prompts)
        with torch.autocast(conditioning.device.type, torch.bfloat16, enabled=self.bf16):
            latents = self.prior.sample(conditioning, num_inference_steps=self.num_inference_steps, generator=generator)
            return self.prior.decode(latents).float().clamp(0, 1)
