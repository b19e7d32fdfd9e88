"""Whether a folder's denoiser, autoencoder and text encoders are of a family that this project draws with."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

from inverter.priors.index import read_object_if_there

BESIDE = {
    "controlnet": "a ControlNet, whose picture nothing here gives",
    "adapter": "a T2I adapter, whose picture nothing here gives",
    "depth_estimator": "a depth model, which is told the picture's depth",
    "low_res_scheduler": "an upscaler, which is told a smaller picture",
    "image_noising_scheduler": "an unCLIP model, which is told the embedding of a picture",
    "motion_adapter": "a model of films",
}
"""Parts in ``model_index.json`` that a text-to-image model does not have."""
TOLD = {
    "class_embed_type": "it is told a class or a noise level, as an upscaler is",
    "num_class_embeds": "it is told a class or a noise level, as an upscaler is",
    "encoder_hid_dim": "it is told embeddings of another model",
    "encoder_hid_dim_type": "it is told embeddings of another model",
    "time_cond_proj_dim": "it is told its guidance, as a latent consistency model is",
}
"""Entries of a U-Net's config that ask for what text-to-image models are not told."""


def check_index(folder: Path, index: dict[str, Any]) -> None:
    """Raise ValueError where ``model_index.json`` is of a pipeline that draws from more than text."""
    for part, what in BESIDE.items():
        if isinstance(named := index.get(part), list) and named[:1] != [None]:
            raise ValueError(f"prior {folder} has the part {part}: it is {what}; {ALLOWED}")
    if index.get("requires_aesthetics_score"):
        raise ValueError(f"prior {folder} requires an aesthetics score: it is a refiner; {ALLOWED}")


ALLOWED = "allowed: a text-to-image model"


def check_parts(folder: Path, denoiser: str, encoders: tuple[str, ...], index: dict[str, Any]) -> None:
    """Compare the configs of a prior's parts before any weight is read.

    Args:
        folder: Whose parts are there.
        denoiser: Name of its part.
        encoders: Names of the CLIP text encoders, in order.
        index: Its ``model_index.json``.
    Raises:
        ValueError: The denoiser is told more than text, or does not fit autoencoder or text encoders.
    """
    names = (denoiser, "vae", *encoders)
    configs = {name: read_object_if_there(folder / name / "config.json") for name in names}
    config, vae = configs[denoiser], configs["vae"]
    if not vae:
        raise ValueError(f"prior {folder}: vae has no config.json, which says how latents are scaled")
    _check_scaling(folder, vae)
    _check_channels(folder, denoiser, config, vae)
    for name in ("sample_size",) if "transformer" in index else ("sample_size", "cross_attention_dim"):
        if name in config and type(config[name]) is not int:
            raise ValueError(f"prior {folder}: {name} of {denoiser} is {config[name]!r}; allowed: one whole number")
    for name in ("latents_mean", "latents_std"):
        if vae.get(name) is not None and index["vae"][1] == "AutoencoderKL":
            raise ValueError(f"prior {folder}: vae has {name}; allowed: scaling_factor and shift_factor alone")
    if "transformer" not in index:
        _check_unet(folder, denoiser, config, configs, encoders, index)
    for name, encoder in zip(("tokenizer", "tokenizer_2"), encoders, strict=False):
        length = read_object_if_there(folder / name / "tokenizer_config.json").get("model_max_length", math.inf)
        most = configs[encoder].get("max_position_embeddings", 77)
        if not isinstance(length, int | float) or not isinstance(most, int) or length > most:
            raise ValueError(f"prior {folder}: model_max_length of {name} is {length}; {encoder} takes {most} at most")


def _check_scaling(folder: Path, vae: dict[str, Any]) -> None:
    """That scale and shift of the latents are numbers; an absent one is that of the autoencoder's class."""
    for name, least, none in (("scaling_factor", 0.0, ()), ("shift_factor", -math.inf, (None,))):
        value = vae.get(name, 1.0)
        if value not in none and not (type(value) in (int, float) and least < value < math.inf):
            allowed = "a number above 0" if name == "scaling_factor" else "a number or null"
            raise ValueError(f"prior {folder}: {name} of vae is {value!r}; allowed: {allowed}")


def _check_channels(folder: Path, denoiser: str, config: dict[str, Any], vae: dict[str, Any]) -> None:
    takes, gives, has = config.get("in_channels", 4), config.get("out_channels", 4), vae.get("latent_channels", 4)
    if not all(type(value) is int for value in (takes, gives, has)):
        raise ValueError(
            f"prior {folder}: channels of {denoiser} and vae are {takes}, {gives}, {has}; allowed: numbers"
        )
    if takes != has:
        kinds = {
            2 * has + 1: "an inpainting model, which is told a mask and a picture",
            2 * has: "an editing model such as InstructPix2Pix, which is told a picture",
            has + 1: "a depth model, which is told the picture's depth",
            has + 3: "an upscaler, which is told a smaller picture",
        }
        kind = kinds.get(takes, "a model of another autoencoder")
        raise ValueError(
            f"prior {folder}: {denoiser} takes {takes} channels, but the latents have {has}: it is {kind}; {ALLOWED}"
        )
    if gives != has:
        raise ValueError(f"prior {folder}: {denoiser} gives {gives} channels; allowed: {has}, as the latents have")


def _check_unet(
    folder: Path,
    denoiser: str,
    config: dict[str, Any],
    configs: dict[str, dict[str, Any]],
    encoders: tuple[str, ...],
    index: dict[str, Any],
) -> None:
    """That a U-Net is told what its family's pipeline tells it, by text encoders of its width."""
    for name, what in TOLD.items():
        if config.get(name) is not None:
            raise ValueError(f"prior {folder}: {denoiser} has {name}={config[name]!r}: {what}; {ALLOWED}")
    added, needed = config.get("addition_embed_type"), None if len(encoders) == 1 else "text_time"
    if added != needed:
        raise ValueError(f"prior {folder}: {denoiser} has addition_embed_type={added!r}; allowed here: {needed!r}")
    widths: list[Any] = [configs[name].get("hidden_size") for name in encoders]
    width = config.get("cross_attention_dim", 1280)
    if all(type(each) is int for each in widths) and sum(widths) != width:
        raise ValueError(
            f"prior {folder}: text is {sum(widths)} wide, by {' and '.join(encoders)}; {denoiser} takes {width}"
        )
    if len(encoders) == 1:
        if index[encoders[0]][1] == "CLIPTextModelWithProjection":
            raise ValueError(f"prior {folder}: {encoders[0]} gives one vector a text; allowed: CLIPTextModel")
        return
    pooled: Any = configs[encoders[1]].get("projection_dim", 512)
    side: Any = config.get("addition_time_embed_dim")
    inputs: Any = config.get("projection_class_embeddings_input_dim")
    if all(type(value) is int for value in (pooled, side, inputs)) and inputs != pooled + 6 * side:
        kind = "a refiner, which is told an aesthetics score" if inputs == pooled + 5 * side else "another model"
        raise ValueError(
            f"prior {folder}: {denoiser} is told {inputs} numbers beside the text; needed: {pooled + 6 * side}, pooled "
            f"text and six sizes; it is {kind}"
        )
