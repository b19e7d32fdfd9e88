"""Latents of mean 0 and variance 1 in diffusers' ``AutoencoderTiny``, which knows one scalar scale only."""

from __future__ import annotations

import torch
from diffusers import AutoencoderTiny
from torch import Tensor


@torch.no_grad()
def fold_statistics(vae: AutoencoderTiny, mean: Tensor, std: Tensor, latent_std: float) -> None:
    """Move each channel's mean and deviation into the autoencoder's first and last convolutions, in place.

    Before, ``encoder.layers`` and ``decoder.layers`` speak latents with these moments. Afterwards ``encode`` gives
    them centred and with deviation ``latent_std``, and the scaling factor ``1 / latent_std`` brings that to 1. The
    format bounds what it decodes by ``3 tanh(x / 3)``; a latent of z deviations is off by ``(z latent_std)^2 / 27`` of
    itself, 3e-4 of it at z = 6 and ``latent_std`` = 1/64. At the border, where the decoder's first convolution sees
    padding, the mean is folded only approximately, so it should be small already.

    Args:
        vae: Autoencoder, changed in place.
        mean: Of each latent channel, ``(C,)``.
        std: Likewise, positive.
        latent_std: Deviation of the latents inside the saved autoencoder.
    Raises:
        ValueError: A deviation is not positive.
    """
    if not bool((std > 0).all()) or latent_std <= 0:
        raise ValueError(f"std is {std.tolist()} and latent_std {latent_std}; allowed: positive numbers")
    last, first = vae.encoder.layers[-1], vae.decoder.layers[0]
    scale = latent_std / std
    last.weight.mul_(scale.view(-1, 1, 1, 1))
    last.bias.sub_(mean).mul_(scale)
    first.bias.add_((first.weight.sum((2, 3)) * mean).sum(1))
    first.weight.div_(scale.view(1, -1, 1, 1))
    vae.register_to_config(scaling_factor=1 / latent_std)


@torch.no_grad()
def latent_moments(vae: AutoencoderTiny, images: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and deviation ``(C,)`` of what ``encoder.layers`` makes of images ``(N, 3, S, S)`` in [0, 1]."""
    latents = torch.cat([vae.encoder.layers(batch).float() for batch in images.split(64)])
    return latents.mean((0, 2, 3)), latents.std((0, 2, 3))
