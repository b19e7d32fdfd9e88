"""Priors by name, folder or hub id; the family follows from the parts that the folder has."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from inverter.priors.few_step import fuse_lora
from inverter.priors.index import read_index, reading
from inverter.priors.parts import folder_sha256, read_prompts
from inverter.priors.prior import DiffusionPrior
from inverter.priors.quiet import quiet
from inverter.priors.sd3 import StableDiffusion3Prior
from inverter.priors.sdxl import StableDiffusionXLPrior
from inverter.priors.stable_diffusion import StableDiffusionPrior
from inverter.priors.variant import CONTROL, CONTROL_FOLDER, FOLDER, SUFFIX, split_control, split_name
from inverter.run.hub import find_prior


@dataclass(frozen=True)
class Family:
    """Priors of one kind of pipeline.

    Args:
        prior: Its class.
        networks: Parts with weights beside the autoencoder, the denoiser last.
        tokenizers: Of the text encoders.
    """

    prior: Any
    networks: tuple[str, ...]
    tokenizers: tuple[str, ...]


STABLE_DIFFUSION = Family(StableDiffusionPrior, ("text_encoder", "unet"), ("tokenizer",))
STABLE_DIFFUSION_XL = Family(
    StableDiffusionXLPrior, ("text_encoder", "text_encoder_2", "unet"), ("tokenizer", "tokenizer_2")
)
STABLE_DIFFUSION_3 = Family(
    StableDiffusion3Prior,
    ("text_encoder", "text_encoder_2", "transformer"),
    ("tokenizer", "tokenizer_2"),
)
DENOISER = STABLE_DIFFUSION.networks
"""Parts of the embedded prior that a few-step variant is of."""


def find_family(index: dict[str, Any]) -> Family:
    """Family of a prior by the parts that its ``model_index.json`` names."""
    if "transformer" in index:
        return STABLE_DIFFUSION_3
    return STABLE_DIFFUSION_XL if "text_encoder_2" in index else STABLE_DIFFUSION


@quiet()
def load_prior(name: str | Path, *, fetch: bool = True) -> DiffusionPrior:
    """Load a prior by its published name, from a folder, or from the Hugging Face hub.

    Args:
        name: ``embedded`` (a folder under ``checkpoints/``), a path, or a hub id such as
            ``stable-diffusion-v1-5/stable-diffusion-v1-5``. With ``+few-step`` behind it, the variant for one to four
            steps without guidance; with ``+control``, the denoiser that has learned to obey features; where the prior
            has one.
        fetch: False where a file that others wrote gave the name: nothing is fetched from the hub.
    Returns:
        The frozen prior, on the CPU, float32.
    Raises:
        ValueError: No such prior, a part is missing or damaged, a part has pickled weights only, or it has no few-step
            variant, or none that obeys features.
    """
    rest, few_step = split_name(str(name))
    base, control = split_control(rest)
    if few_step and control:
        raise ValueError(f"prior {str(name)!r}; allowed: one of {SUFFIX} and {CONTROL}")
    folder = find_prior(base, fetch=fetch)
    index = read_index(folder)
    family = find_family(index)
    parts = ("vae", family.networks[-1], "scheduler", *family.networks[:-1], *family.tokenizers)
    absent = [part for part in parts if part not in index or not (folder / part).is_dir()]
    if absent:
        raise ValueError(f"prior {folder}: part(s) {', '.join(absent)} missing; needed: {', '.join(parts)}")
    networks = tuple(CONTROL_FOLDER if control and part == "unet" else part for part in family.networks)
    if control and not (folder / CONTROL_FOLDER).is_dir():
        raise ValueError(
            f"prior {folder} has no {CONTROL_FOLDER}, a denoiser that obeys features; allowed: no {CONTROL} in the name"
        )
    for part in ("vae", *networks):
        if not any((folder / part).glob("*.safetensors")):
            raise ValueError(f"prior {folder}: {part} has no .safetensors weights; pickled weights are never read")
    weights = (*networks, "vae")
    prior: DiffusionPrior = family.prior.load(
        folder,
        networks[-1],
        {
            "name": str(name),
            "weights_sha256": folder_sha256(folder, (*weights, *([FOLDER] if few_step else []))),
            "autoencoder_sha256": folder_sha256(folder, ("vae",)),
            "prompts": read_prompts(folder),
            "few_step": few_step,
        },
    )
    if few_step:
        with reading(folder / FOLDER):
            fuse_lora(prior.denoiser, folder, folder_sha256(folder, DENOISER))
    return prior
