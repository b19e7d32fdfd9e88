"""Stable Diffusion 1.x, 2.x and Turbo, and the embedded prior: a U-Net under the text of one CLIP encoder."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import diffusers
import torch
import transformers
from torch import Tensor, nn

from inverter.priors.conditioning import Conditioning
from inverter.priors.control import Control, run_unet, unet_control_shape
from inverter.priors.families import FAMILIES, Family
from inverter.priors.parts import load_part, load_scheduler, write_pipeline
from inverter.priors.prior import DiffusionPrior
from inverter.priors.process import Diffusion
from inverter.priors.text import tokenize


class StableDiffusionPrior(DiffusionPrior):
    """A folder in Stable Diffusion's format.

    Args:
        vae: Autoencoder of any of diffusers' classes.
        unet: ``UNet2DConditionModel``.
        scheduler: DDIM with the noise schedule that the U-Net was trained on.
        text_encoder: CLIP's.
        tokenizer: Its tokenizer.
        about: As :class:`DiffusionPrior` takes it: name, hashes, prompts, ``few_step``.
    """

    def __init__(
        self,
        vae: nn.Module,
        unet: nn.Module,
        scheduler: diffusers.DDIMScheduler,
        text_encoder: nn.Module,
        tokenizer: transformers.CLIPTokenizer,
        **about: Any,
    ) -> None:
        channels, side, length = unet.config.in_channels, unet.config.sample_size, tokenizer.model_max_length
        super().__init__(
            vae,
            unet,
            Diffusion(scheduler),
            control_shape=unet_control_shape(unet, length),
            latent_shape=(channels, side, side),
            conditioning_shape=(length, unet.config.cross_attention_dim),
            **about,
        )
        self.text_encoder, self.tokenizer, self.scheduler = text_encoder, tokenizer, scheduler
        self.eval().requires_grad_(False)

    @classmethod
    def load(cls, folder: Path, denoiser: str, about: dict[str, Any], dtype: torch.dtype) -> StableDiffusionPrior:
        """From a folder whose parts are there, the denoiser under the name given; weights in ``dtype``."""
        return cls(
            vae=load_part(folder, "vae", dtype),
            unet=load_part(folder, denoiser, dtype),
            scheduler=load_scheduler(folder, steps_offset=1),  # as diffusers' pipeline has it
            text_encoder=load_part(folder, "text_encoder", dtype),
            tokenizer=load_part(folder, "tokenizer", dtype),
            **about,
        )

    def encode_prompts(self, prompts: Sequence[str]) -> Conditioning:
        tokens = tokenize(self.tokenizer, prompts).to(self.device)
        return Conditioning(self.text_encoder(tokens)[0])  # (B, K, D)

    def run_denoiser(
        self, noisy: Tensor, t: Tensor, conditioning: Conditioning, control: Control | None = None
    ) -> Tensor:
        return run_unet(self.denoiser, noisy, t, conditioning.tokens, control)

    def save(self, folder: Path) -> None:
        pipeline = diffusers.StableDiffusionPipeline(
            vae=self.vae,
            unet=self.denoiser,
            scheduler=copy.deepcopy(self.scheduler),
            text_encoder=self.text_encoder,
            tokenizer=self.tokenizer,
            safety_checker=None,
            feature_extractor=None,
            requires_safety_checker=False,
        )
        write_pipeline(pipeline, folder, self.prompts)


DENOISER = ("text_encoder", "unet")
"""Parts of the embedded prior that a few-step variant is of."""

FAMILIES.register(
    "stable_diffusion",
    Family(
        StableDiffusionPrior,
        networks=DENOISER,
        tokenizers=("tokenizer",),
        matches=lambda index: "transformer" not in index and "text_encoder_2" not in index,
    ),
)
