"""The few-step variant of an inverter: a LoRA of its denoiser under control, written, read and added."""

from __future__ import annotations

import copy
import hashlib
from dataclasses import replace
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import load_file, save
from torch import Tensor

from inverter.blackbox.inverter import Inverter
from inverter.config.errors import one_line
from inverter.config.parse import parse_json
from inverter.priors.few_step import fuse_adapter, fuse_state
from inverter.priors.variant import ABOUT, SUFFIX
from inverter.targets.target import weights_sha256

FOLDER, WEIGHTS = "few_step", "lora.safetensors"


def has_few_step(folder: Path) -> bool:
    """Whether the folder of a run or of a published inverter holds the variant."""
    return (folder / FOLDER / WEIGHTS).is_file()


def read_few_step(inverter: Inverter, folder: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Weights and description of the variant in ``folder/few_step``.

    Raises:
        ValueError: There is none, or it is damaged or of another inverter.
    """
    if not has_few_step(folder):
        raise ValueError(
            f"the inverter {folder} has no few-step variant: {folder / FOLDER / WEIGHTS} is missing; allowed: the name "
            f"without {SUFFIX}"
        )
    try:
        about = parse_json((folder / FOLDER / ABOUT).read_bytes())
        made_of = about.get("inverter_sha256") if isinstance(about, dict) else None
        if made_of != (own := weights_sha256(inverter)):
            raise ValueError(
                f"it was distilled from an inverter {str(made_of)[:12]}, says {ABOUT}, but this one is {own[:12]}; "
                "needed: a LoRA that distill made of this inverter"
            )
        most, steps = inverter.prior.process.num_train_timesteps, about.get("num_inference_steps")
        if type(steps) is not int or not 1 <= steps <= most:
            raise ValueError(f"num_inference_steps is {steps!r} in {ABOUT}; allowed: 1 to {most}")
        return load_file(folder / FOLDER / WEIGHTS), about
    except (SafetensorError, ValueError, OSError) as error:
        raise ValueError(f"few-step variant {folder / FOLDER} cannot be used: {one_line(error)}") from error


def few_step_variant(inverter: Inverter, folder: Path) -> Inverter:
    """Let an inverter draw with the variant in ``folder/few_step``: with a copy of its prior, in few steps, unguided.

    Raises:
        ValueError: There is none, or it is damaged or of another inverter.
    """
    state, about = read_few_step(inverter, folder)
    prior = copy.deepcopy(inverter.prior)
    fuse_adapter(prior.denoiser)
    try:
        fuse_state(prior.denoiser, state)
    except (RuntimeError, ValueError) as error:
        raise ValueError(f"few-step variant {folder / FOLDER} cannot be used: {one_line(error)}") from error
    prior.weights_sha256 = variant_sha256(inverter, state)
    inverter.attach(prior)
    inverter.spec = replace(inverter.spec, num_inference_steps=about["num_inference_steps"], guidance_scale=1.0)
    return inverter


def variant_sha256(inverter: Inverter, state: dict[str, Tensor]) -> str:
    """SHA-256 of an inverter and the LoRA of its variant, which is that of the variant's prior."""
    return hashlib.sha256(weights_sha256(inverter).encode() + save(state)).hexdigest()
