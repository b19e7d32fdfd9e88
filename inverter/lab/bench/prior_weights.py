"""Bytes that the weights of a large prior take, by part, from configs alone: nothing is loaded."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import diffusers
import torch
import transformers
from torch import nn

from inverter.priors.index import autoencoder_name, has_part, read_index
from inverter.priors.load import find_family
from inverter.priors.parts import class_name
from inverter.priors.quiet import quiet
from inverter.run.hub import find_prior

BYTES = {"fp32": 4, "fp16": 2}
VAE = {
    "block_out_channels": (128, 256, 512, 512),
    "down_block_types": ("DownEncoderBlock2D",) * 4,
    "up_block_types": ("UpDecoderBlock2D",) * 4,
    "layers_per_block": 2,
    "latent_channels": 4,
}
CLIP_L = {
    "hidden_size": 768,
    "intermediate_size": 3072,
    "num_hidden_layers": 12,
    "num_attention_heads": 12,
    "projection_dim": 768,
}
CLIP_H = {**CLIP_L, "hidden_size": 1024, "intermediate_size": 4096, "num_hidden_layers": 23, "num_attention_heads": 16}
CLIP_G = {
    "hidden_size": 1280,
    "intermediate_size": 5120,
    "num_hidden_layers": 32,
    "num_attention_heads": 20,
    "projection_dim": 1280,
}
UNET_2 = {"cross_attention_dim": 1024, "attention_head_dim": (5, 10, 20, 20), "use_linear_projection": True}
UNET_XL = {
    "block_out_channels": (320, 640, 1280),
    "down_block_types": ("DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"),
    "up_block_types": ("CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"),
    "cross_attention_dim": 2048,
    "attention_head_dim": (5, 10, 20),
    "transformer_layers_per_block": (1, 2, 10),
    "addition_embed_type": "text_time",
    "addition_time_embed_dim": 256,
    "projection_class_embeddings_input_dim": 2816,
    "use_linear_projection": True,
}
TRANSFORMER_3 = {
    "sample_size": 128,
    "patch_size": 2,
    "in_channels": 16,
    "out_channels": 16,
    "num_layers": 24,
    "attention_head_dim": 64,
    "num_attention_heads": 24,
    "joint_attention_dim": 4096,
    "caption_projection_dim": 1536,
    "pooled_projection_dim": 2048,
    "pos_embed_max_size": 192,
}
T5_XXL = {
    "d_model": 4096,
    "d_kv": 64,
    "d_ff": 10240,
    "num_layers": 24,
    "num_heads": 64,
    "feed_forward_proj": "gated-gelu",
    "vocab_size": 32128,
}
PUBLISHED: dict[str, dict[str, tuple[str, dict[str, Any]]]] = {
    "1.5": {
        "unet": ("UNet2DConditionModel", {"cross_attention_dim": 768, "attention_head_dim": 8}),
        "vae": ("AutoencoderKL", VAE),
        "text_encoder": ("CLIPTextModel", CLIP_L),
    },
    "2.1": {
        "unet": ("UNet2DConditionModel", UNET_2),
        "vae": ("AutoencoderKL", VAE),
        "text_encoder": ("CLIPTextModel", CLIP_H),
    },
    "XL": {
        "unet": ("UNet2DConditionModel", UNET_XL),
        "vae": ("AutoencoderKL", VAE),
        "text_encoder": ("CLIPTextModel", CLIP_L),
        "text_encoder_2": ("CLIPTextModelWithProjection", CLIP_G),
    },
    "3 medium": {
        "transformer": ("SD3Transformer2DModel", TRANSFORMER_3),
        "vae": (
            "AutoencoderKL",
            {**VAE, "latent_channels": 16, "use_quant_conv": False, "use_post_quant_conv": False},
        ),
        "text_encoder": ("CLIPTextModelWithProjection", CLIP_L),
        "text_encoder_2": ("CLIPTextModelWithProjection", CLIP_G),
        "text_encoder_3": ("T5EncoderModel", T5_XXL),
    },
}
"""Class and sizes of each part as published; what is not said is the class's default."""


def count_parameters(name: str, config: dict[str, Any]) -> int:
    """Parameters of a network of diffusers' or transformers' class, which takes no memory to count."""
    with torch.device("meta"):
        return sum(parameter.numel() for parameter in build(name, config).parameters())


def build(name: str, config: dict[str, Any]) -> nn.Module:
    """A network of a class of diffusers' or transformers', with random weights, on PyTorch's default device."""
    if hasattr(diffusers, name):
        return getattr(diffusers, name).from_config(config)
    kind = getattr(transformers, name)
    return kind(kind.config_class(**config))


@quiet()
def weight_bytes(prior: str, precision: str) -> dict[str, int]:
    """Bytes of the weights of each part.

    Args:
        prior: One of ``PUBLISHED``, or a prior by name, folder or hub id.
        precision: ``fp32`` or ``fp16``; bf16 takes as much.
    Raises:
        ValueError: No such prior.
    """
    parts = PUBLISHED[prior] if prior in PUBLISHED else dict(_read(find_prior(prior)))
    return {part: BYTES[precision] * count_parameters(*sizes) for part, sizes in parts.items()}


def _read(folder: Path) -> Iterator[tuple[str, tuple[str, dict[str, Any]]]]:
    index = read_index(folder)
    family = find_family(index)
    denoiser, encoders = family.networks[-1], family.networks[:-1]
    for part in (denoiser, "vae", *encoders, *(name for name in family.optional if has_part(folder, index, name))):
        name = autoencoder_name(folder, index) if part == "vae" else class_name(folder, index, part)
        kind = diffusers if hasattr(diffusers, name) else transformers
        if kind is diffusers:
            yield part, (name, dict(getattr(diffusers, name).load_config(folder / part)))
        else:
            yield part, (name, getattr(transformers, name).config_class.from_pretrained(folder / part).to_dict())


def table(priors: list[str]) -> str:
    """Rows of Markdown: GiB of each part in float32 and in half precision, and all together."""
    lines = ["| prior | part | GiB, fp32 | GiB, fp16 or bf16 |", "| --- | --- | --- | --- |"]
    for prior in priors:
        full, half = (weight_bytes(prior, precision) for precision in BYTES)
        rows = [*((part, full[part], half[part]) for part in full), ("all", sum(full.values()), sum(half.values()))]
        lines += [f"| {prior} | {part} | {one / 2**30:.2f} | {two / 2**30:.2f} |" for part, one, two in rows]
    return "\n".join(lines)


if __name__ == "__main__":
    sys.stdout.write(table(sys.argv[1:] or list(PUBLISHED)) + "\n")
