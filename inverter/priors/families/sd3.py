"""Stable Diffusion 3: a transformer on patches of latents, by flow matching, under the text of up to three encoders."""

from __future__ import annotations

import copy
import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import diffusers
import torch
from einops import rearrange
from torch import Tensor, nn

from inverter.priors.conditioning import Conditioning
from inverter.priors.control import Control, ControlShape, added_behind
from inverter.priors.families import FAMILIES, Family
from inverter.priors.flow import FlowMatching
from inverter.priors.index import has_part, read_index, reading
from inverter.priors.parts import load_part, write_pipeline
from inverter.priors.prior import DiffusionPrior

log = logging.getLogger(__name__)
SCHEDULERS = ("FlowMatchEulerDiscreteScheduler", "FlowMatchHeunDiscreteScheduler")
ENCODERS = ("text_encoder", "text_encoder_2", "text_encoder_3")
TOKENIZERS = ("tokenizer", "tokenizer_2", "tokenizer_3")


class StableDiffusion3Prior(DiffusionPrior):
    """A folder in Stable Diffusion 3's format; without a third text encoder its tokens are zeros, as in diffusers.

    Control: the hint is added to the embedded patches, a residual behind every block but the last, tokens to those of
    the text in the joint attention.

    Args:
        parts: ``vae``, ``transformer``, text encoders and tokenizers; the third of each may be None.
        scheduler: Of the flow.
        about: As :class:`DiffusionPrior` takes it: name, hashes, prompts.
    """

    def __init__(self, parts: dict[str, Any], scheduler: Any, **about: Any) -> None:
        pipeline = diffusers.StableDiffusion3Pipeline(**parts, scheduler=copy.deepcopy(scheduler))
        config = parts["transformer"].config
        text = pipeline.encode_prompt([""], None, None, do_classifier_free_guidance=False, device="cpu")[0]
        width = config.num_attention_heads * config.attention_head_dim
        place = (width, config.sample_size // config.patch_size, config.sample_size // config.patch_size)
        super().__init__(
            parts["vae"],
            parts["transformer"],
            FlowMatching(scheduler),
            control_shape=ControlShape(place, (place,) * (config.num_layers - 1), None, tuple(text.shape[1:])),
            latent_shape=(config.in_channels, config.sample_size, config.sample_size),
            conditioning_shape=tuple(text.shape[1:]),
            **about,
        )
        self.tokenizer = parts["tokenizer"]
        self.text_encoders = nn.ModuleList(parts[name] for name in ENCODERS if parts[name] is not None)
        self._pipeline = pipeline
        self.eval().requires_grad_(False)

    @classmethod
    def load(cls, folder: Path, denoiser: str, about: dict[str, Any], dtype: torch.dtype) -> StableDiffusion3Prior:
        """From a folder whose parts are there, the denoiser under the name given; weights in ``dtype``."""
        index = read_index(folder)
        third = (ENCODERS[-1], TOKENIZERS[-1])
        absent = third if not has_part(folder, index, third[0]) else ()
        if absent:
            log.info("prior %s has no %s: its tokens are zeros", folder, third[0])
        parts = {
            name: None if name in absent else load_part(folder, name, dtype)
            for name in ("vae", denoiser, *ENCODERS, *TOKENIZERS)
        }
        parts["transformer"] = parts.pop(denoiser)
        with reading(folder / "scheduler"):
            kind = diffusers.FlowMatchEulerDiscreteScheduler
            config = kind.load_config(folder / "scheduler")
            if (name := config.get("_class_name")) not in (None, *SCHEDULERS):
                raise ValueError(f"its class is {name!r}; allowed: {', '.join(SCHEDULERS)}")
            scheduler = kind.from_config(config)
        return cls(parts, scheduler, **about)

    def encode_prompts(self, prompts: Sequence[str]) -> Conditioning:
        tokens, _, pooled, _ = self._pipeline.encode_prompt(
            list(prompts), None, None, do_classifier_free_guidance=False, device=self.device
        )
        return Conditioning(tokens, pooled)  # (B, K, D), (B, P)

    def run_denoiser(
        self, noisy: Tensor, t: Tensor, conditioning: Conditioning, control: Control | None = None
    ) -> Tensor:
        text, hint, residuals = conditioning.tokens, None, None
        if control is not None:
            text, hint = control.add_tokens(text), None if control.hint is None else patches(control.hint)
            residuals = [patches(residual) for residual in control.residuals]
            residuals = [*residuals, residuals[-1]] if residuals else None  # the last block takes none
        with added_behind(self.denoiser.pos_embed, hint):
            return self.denoiser(
                noisy,
                encoder_hidden_states=text,
                pooled_projections=conditioning.pooled,
                timestep=t.expand(len(noisy)),
                block_controlnet_hidden_states=residuals,
                return_dict=False,
            )[0]

    def save(self, folder: Path) -> None:
        write_pipeline(self._pipeline, folder, self.prompts)


def patches(maps: Tensor) -> Tensor:
    """Maps ``(B, C, h, w)`` as the transformer's tokens ``(B, h * w, C)``."""
    return rearrange(maps, "b c h w -> b (h w) c")


FAMILIES.register(
    "stable_diffusion_3",
    Family(
        StableDiffusion3Prior,
        networks=("text_encoder", "text_encoder_2", "transformer"),
        tokenizers=(
            "tokenizer",
            "tokenizer_2",
        ),
        matches=lambda index: "transformer" in index,
        optional=("text_encoder_3",),
    ),
)
