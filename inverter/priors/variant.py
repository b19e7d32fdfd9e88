"""Where the few-step variant of a prior lies, and the suffix ``+few-step`` of its name; reads no weights."""

from __future__ import annotations

from pathlib import Path

from inverter.priors.location import find_prior

SUFFIX = "+few-step"
FOLDER, WEIGHTS, ABOUT = "lora", "pytorch_lora_weights.safetensors", "few_step.json"


def split_name(name: str) -> tuple[str, bool]:
    """Name of the prior without the suffix, and whether its few-step variant is meant."""
    return (name.removesuffix(SUFFIX), True) if name.endswith(SUFFIX) else (name, False)


def has_few_step(name: str) -> bool:
    """Whether a prior has the variant beside it; one that is itself the variant has none.

    Raises:
        ValueError: There is no such prior.
    """
    base, is_variant = split_name(name)
    return not is_variant and lies_in(find_prior(base))


def lies_in(folder: Path) -> bool:
    """Whether the folder of a prior holds the variant's weights."""
    return (folder / FOLDER / WEIGHTS).is_file()
