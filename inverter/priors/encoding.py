"""Latents of images, whichever of diffusers' autoencoders makes them."""

from __future__ import annotations

from torch import Tensor, nn


def encode_images(vae: nn.Module, images: Tensor) -> Tensor:
    """Latents ``(B, C, h, w)`` in the autoencoder's own units of images ``(B, 3, S, S)`` in [0, 1].

    Where it encodes a distribution, as ``AutoencoderKL`` does, they are its mean.
    """
    encoded = vae.encode(images * 2 - 1)
    if hasattr(encoded, "latent_dist"):
        return encoded.latent_dist.mode()
    return encoded.latent if hasattr(encoded, "latent") else encoded.latents
