"""Variants of a prior by suffixes of its name: ``+few-step``, and ``+control``; reads no weights."""

from __future__ import annotations

from pathlib import Path

from inverter.run.hub import find_prior

SUFFIX = "+few-step"
CONTROL = "+control"
CONTROL_FOLDER = "unet_control"
"""The denoiser that learned to obey features, in the place of ``unet``."""
FOLDER, WEIGHTS, ABOUT = "lora", "pytorch_lora_weights.safetensors", "few_step.json"


def split_name(name: str) -> tuple[str, bool]:
    """Name of the prior without the suffix, and whether its few-step variant is meant."""
    return (name.removesuffix(SUFFIX), True) if name.endswith(SUFFIX) else (name, False)


def split_control(name: str) -> tuple[str, bool]:
    """Name of the prior without the suffix, and whether its denoiser is the one that obeys features."""
    return (name.removesuffix(CONTROL), True) if name.endswith(CONTROL) else (name, False)


def has_few_step(name: str) -> bool:
    """Whether a prior has the few-step variant beside it; one that is itself that variant has none.

    Raises:
        ValueError: There is no such prior.
    """
    rest, is_variant = split_name(name)
    return not is_variant and lies_in(find_prior(split_control(rest)[0]))


def few_step_name(name: str) -> str:
    """Name of the few-step variant of a prior, which draws for it whatever its denoiser has learned since."""
    return f"{split_control(name)[0]}{SUFFIX}"


def lies_in(folder: Path) -> bool:
    """Whether the folder of a prior holds the variant's weights."""
    return (folder / FOLDER / WEIGHTS).is_file()
