"""The best linear autoencoder with a prior's latent shape: what the prior's own has to beat."""

from __future__ import annotations

import torch
from einops import rearrange
from torch import Tensor

from inverter.losses.quality import quantise


def linear_round_trip(images: Tensor, train: Tensor, latent_shape: tuple[int, int, int]) -> Tensor:
    """Images through the principal components of training patches, as many as there are latent channels.

    Args:
        images: ``(N, 3, S, S)`` in [0, 1].
        train: ``(M, 3, S, S)`` in [0, 1], whose patches' mean and components are taken.
        latent_shape: ``(C, h, w)``; patches have a side of ``S / h``.
    Returns:
        8-bit pictures ``(N, 3, S, S)`` in [0, 1].
    """
    channels, side = latent_shape[0], images.shape[-1] // latent_shape[1]
    patches = rearrange(_patches(train, side), "n h w d -> (n h w) d")
    mean = patches.mean(0)
    directions = torch.linalg.eigh(torch.cov(patches.T)).eigenvectors[:, -channels:]
    kept = (_patches(images, side) - mean) @ directions @ directions.T + mean
    return quantise(rearrange(kept, "n h w (c i j) -> n c (h i) (w j)", i=side, j=side).clamp(0, 1))


def _patches(images: Tensor, side: int) -> Tensor:
    """Patches ``(N, h, w, 3 * side * side)`` of images."""
    return rearrange(images, "n c (h i) (w j) -> n h w (c i j)", i=side, j=side)
