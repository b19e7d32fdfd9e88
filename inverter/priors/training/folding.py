"""Latents of mean 0 and variance 1 in diffusers' ``AutoencoderDC``, which knows one scalar scale only."""

from __future__ import annotations

import torch
from diffusers import AutoencoderDC
from einops import rearrange
from torch import Tensor


@torch.no_grad()
def fold_statistics(vae: AutoencoderDC, mean: Tensor, std: Tensor) -> None:
    """Move each latent channel's mean and deviation into the convolutions around it, in place.

    Afterwards ``encode`` gives latents of mean 0 and deviation 1, and ``decode`` makes of them what it made before. At
    the border, where the decoder's first convolution sees padding, the mean is folded only approximately, so it should
    be small already.

    Args:
        vae: Autoencoder without shortcuts around its latents, changed in place.
        mean: Of each latent channel, ``(C,)``.
        std: Likewise, positive.
    Raises:
        ValueError: A deviation is not positive.
    """
    if not bool((std > 0).all()):
        raise ValueError(f"std is {std.tolist()}; allowed: positive numbers")
    last, first = vae.encoder.conv_out, vae.decoder.conv_in
    last.bias.sub_(mean).div_(std)
    last.weight.div_(rearrange(std, "c -> c 1 1 1"))
    first.bias.add_((first.weight.sum((2, 3)) * mean).sum(1))
    first.weight.mul_(rearrange(std, "c -> 1 c 1 1"))


@torch.no_grad()
def latent_moments(vae: AutoencoderDC, images: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and deviation ``(C,)`` of the latents of images ``(N, 3, S, S)`` in [0, 1]."""
    latents = torch.cat([vae.encoder.forward(2 * batch - 1).float() for batch in images.split(64)])
    return latents.mean((0, 2, 3)), latents.std((0, 2, 3))
