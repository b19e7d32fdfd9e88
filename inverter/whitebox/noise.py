"""Noise of one image, whatever batch it is in."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from inverter.run.seeds import derive_seed


def image_noise(keys: Sequence[str], shape: Sequence[int], seed: int, *label: object) -> Tensor:
    """Normal noise ``(B, *shape)``, float32 on the CPU; each image's depends on seed, its key and ``label`` alone.

    Args:
        keys: Names of the B images.
        shape: Of one image's noise.
        seed: Of the run.
        label: What the noise is for, such as a name and the number of a step.
    """
    draws = image_generators(keys, seed, *label)
    return torch.stack([torch.randn(tuple(shape), generator=generator) for generator in draws])


def image_generators(keys: Sequence[str], seed: int, *label: object) -> list[torch.Generator]:
    """A generator on the CPU for each image; what it draws depends on seed, its key and ``label`` alone."""
    return [torch.Generator().manual_seed(derive_seed(seed, key, *label)) for key in keys]
