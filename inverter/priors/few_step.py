"""The few-step variant of a prior: a LoRA of the denoiser beside it, made, written and added to the weights."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from statistics import mode
from typing import Any

import torch
from diffusers import UNet2DConditionModel
from peft import LoraConfig
from peft.utils import get_peft_model_state_dict
from safetensors.torch import load_file, save
from torch import Tensor, nn

from inverter.config.parse import parse_json
from inverter.priors.variant import ABOUT, FOLDER, SUFFIX, WEIGHTS
from inverter.run.files import write_bytes, write_text

TARGETS = ("to_q", "to_k", "to_v", "to_out.0", "ff.net.0.proj", "ff.net.2", "proj_in", "proj_out", "conv1", "conv2")
MEGABYTE = 1_000_000


def add_lora(unet: UNet2DConditionModel, rank: int, max_megabytes: float) -> int:
    """Add a LoRA that changes nothing yet to attention, feed-forward and residual layers; it alone is trainable.

    Returns:
        Its parameters.
    Raises:
        ValueError: In half precision it would be larger than it may be.
    """
    unet.requires_grad_(False)
    unet.add_adapter(LoraConfig(r=rank, lora_alpha=rank, target_modules=list(TARGETS), init_lora_weights="gaussian"))
    count = sum(parameter.numel() for parameter in unet.parameters() if parameter.requires_grad)
    if 2 * count > max_megabytes * MEGABYTE:
        raise ValueError(f"rank is {rank}, which makes {2 * count / MEGABYTE:.1f} MB; max_megabytes: {max_megabytes}")
    return count


def save_lora(state: Mapping[str, Tensor], path: Path, about: Mapping[str, Any]) -> Path:
    """Write a LoRA's weights as diffusers' ``load_lora_weights`` reads them, and ``few_step.json`` beside them.

    Args:
        state: As :func:`lora_state` gives it, in half precision.
        path: Of the weights: ``lora/`` of a prior or its run, ``few_step/`` of an inverter or its run.
        about: Hash of what it was distilled from, the only one that it fits, and what else is to be said; plain data.
    Returns:
        ``path``.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    write_bytes(path, save(dict(state), metadata={"format": "pt"}))
    write_text(path.with_name(ABOUT), json.dumps(about, indent=2) + "\n")
    return path


def fuse_lora(unet: UNet2DConditionModel, folder: Path, denoiser_sha256: str) -> None:
    """Add the LoRA in ``FOLDER/lora`` to the weights, in place; no layer is left behind that costs anything.

    Args:
        unet: Of the prior.
        folder: Of the prior.
        denoiser_sha256: Hash of the prior's denoiser and text encoder.

    Raises:
        ValueError: There is none, or it is damaged or of another denoiser.
    """
    path = folder / FOLDER / WEIGHTS
    if not path.is_file():
        raise ValueError(
            f"prior {folder} has no few-step variant: {path} is missing; allowed: the name without {SUFFIX}"
        )
    about = path.with_name(ABOUT)
    made_of = parse_json(about.read_bytes()) if about.is_file() else {}
    known = made_of.get("denoiser_sha256") if isinstance(made_of, dict) else None
    if known != denoiser_sha256:
        raise ValueError(
            f"it was distilled from a denoiser {str(known)[:12]}, says {ABOUT}, but the prior has "
            f"{denoiser_sha256[:12]}; needed: a LoRA that train_prior distill made of this prior"
        )
    fuse_state(unet, load_file(path))


def lora_state(unet: UNet2DConditionModel) -> dict[str, Tensor]:
    """Weights of a denoiser's LoRA by name, in half precision, as :func:`fuse_state` takes them."""
    state = get_peft_model_state_dict(unet)
    return {f"unet.{name}": value.half().cpu().contiguous() for name, value in state.items()}


def fuse_state(unet: UNet2DConditionModel, state: dict[str, Tensor]) -> None:
    """Add a LoRA's weights to those of the denoiser, in place.

    Raises:
        ValueError: They are no LoRA of this denoiser, or not finite.
    """
    _check_shapes(unet, state)
    if broken := [name for name, value in state.items() if not torch.isfinite(value).all()]:
        raise ValueError(f"weight {broken[0]} holds NaN or infinity")
    floats: dict[str, Tensor] = {name: value.float() for name, value in state.items()}
    unet.load_lora_adapter(floats, prefix="unet")
    fuse_adapter(unet)


def fuse_adapter(unet: UNet2DConditionModel) -> None:
    """Add the LoRA that a denoiser was given to its weights, in place; without one it stays as it is."""
    if getattr(unet, "peft_config", None):
        unet.fuse_lora()
        unet.unload_lora()
    unet.requires_grad_(False)


def _check_shapes(unet: UNet2DConditionModel, state: dict[str, Tensor]) -> None:
    """Raise ValueError unless a LoRA has the weights that ``add_lora`` gives this denoiser: peft passes over others."""
    ranks = [len(value) for name, value in state.items() if name.endswith("lora_A.weight")]
    if not ranks:
        raise ValueError("it holds no LoRA: no weight's name ends in lora_A.weight")
    rank, needed = mode(ranks), {}
    for name, module in unet.named_modules():
        if isinstance(module, nn.Linear | nn.Conv2d) and f".{name}".endswith(tuple(f".{target}" for target in TARGETS)):
            outputs, inputs, *kernel = module.weight.shape
            needed[f"unet.{name}.lora_A.weight"] = (rank, inputs, *kernel)
            needed[f"unet.{name}.lora_B.weight"] = (outputs, rank, *(1 for _ in kernel))
    given = {name: tuple(value.shape) for name, value in state.items()}
    for name in sorted(needed.keys() | given.keys()):
        if needed.get(name) != given.get(name):
            raise ValueError(f"weight {name} is {given.get(name, 'absent')}; needed: {needed.get(name, 'absent')}")
