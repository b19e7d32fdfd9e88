"""Stable Diffusion XL: a U-Net under the text of two CLIP encoders, their pooled text, and sizes."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import diffusers
import torch
from torch import Tensor, nn

from inverter.priors.conditioning import Conditioning
from inverter.priors.control import Control, run_unet, unet_control_shape
from inverter.priors.families import FAMILIES, Family
from inverter.priors.parts import load_part, load_scheduler, write_pipeline
from inverter.priors.prior import DiffusionPrior
from inverter.priors.process import Diffusion


class StableDiffusionXLPrior(DiffusionPrior):
    """A folder in Stable Diffusion XL's format; the empty prompt is encoded like any other.

    Args:
        parts: ``vae``, ``unet``, ``text_encoder``, ``text_encoder_2``, ``tokenizer``, ``tokenizer_2``.
        scheduler: DDIM with the noise schedule that the U-Net was trained on.
        about: As :class:`DiffusionPrior` takes it: name, hashes, prompts.
    """

    def __init__(self, parts: dict[str, Any], scheduler: diffusers.DDIMScheduler, **about: Any) -> None:
        unet, length = parts["unet"], parts["tokenizer"].model_max_length
        channels, side = unet.config.in_channels, unet.config.sample_size
        super().__init__(
            parts["vae"],
            unet,
            Diffusion(scheduler),
            control_shape=unet_control_shape(unet, length),
            latent_shape=(channels, side, side),
            conditioning_shape=(length, unet.config.cross_attention_dim),
            **about,
        )
        self.tokenizer = parts["tokenizer"]
        self.text_encoders = nn.ModuleList([parts["text_encoder"], parts["text_encoder_2"]])
        self._pipeline = diffusers.StableDiffusionXLPipeline(
            **parts, scheduler=copy.deepcopy(scheduler), force_zeros_for_empty_prompt=False, add_watermarker=False
        )
        self.eval().requires_grad_(False)

    @classmethod
    def load(cls, folder: Path, denoiser: str, about: dict[str, Any], dtype: torch.dtype) -> StableDiffusionXLPrior:
        """From a folder whose parts are there, the denoiser under the name given; weights in ``dtype``."""
        names = ("vae", "text_encoder", "text_encoder_2", "tokenizer", "tokenizer_2")
        parts = {name: load_part(folder, name, dtype) for name in names} | {"unet": load_part(folder, denoiser, dtype)}
        return cls(parts, load_scheduler(folder), **about)

    def encode_prompts(self, prompts: Sequence[str]) -> Conditioning:
        tokens, _, pooled, _ = self._pipeline.encode_prompt(
            list(prompts), device=self.device, num_images_per_prompt=1, do_classifier_free_guidance=False
        )
        return Conditioning(tokens, pooled)  # (B, K, D), (B, P)

    def run_denoiser(
        self, noisy: Tensor, t: Tensor, conditioning: Conditioning, control: Control | None = None
    ) -> Tensor:
        side = float(self.resolution)
        sizes = noisy.new_tensor([side, side, 0, 0, side, side]).expand(len(noisy), -1)  # whole, not cropped
        added = {"text_embeds": conditioning.pooled, "time_ids": sizes}
        return run_unet(self.denoiser, noisy, t, conditioning.tokens, control, added_cond_kwargs=added)

    def save(self, folder: Path) -> None:
        write_pipeline(self._pipeline, folder, self.prompts)


FAMILIES.register(
    "stable_diffusion_xl",
    Family(
        StableDiffusionXLPrior,
        networks=("text_encoder", "text_encoder_2", "unet"),
        tokenizers=(
            "tokenizer",
            "tokenizer_2",
        ),
        matches=lambda index: "transformer" not in index and "text_encoder_2" in index,
    ),
)
