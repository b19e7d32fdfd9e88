"""A small patch discriminator that the autoencoder meets late in its training, and the terms of the hinge game."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils.parametrizations import spectral_norm

SLOPE = 0.2


class PatchDiscriminator(nn.Module):
    """Whether patches of 20 pixels are of photos: logits ``(B, 1, S/4, S/4)`` of images ``(B, 3, S, S)`` in [0, 1].

    It goes to half resolution by moving pixels to channels, so no convolution runs at the full one.
    """

    def __init__(self, width: int = 48) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.PixelUnshuffle(2),
            spectral_norm(nn.Conv2d(12, width, 3, padding=1)),
            nn.LeakyReLU(SLOPE),
            spectral_norm(nn.Conv2d(width, 2 * width, 4, stride=2, padding=1)),
            nn.LeakyReLU(SLOPE),
            spectral_norm(nn.Conv2d(2 * width, 2 * width, 3, padding=1)),
            nn.LeakyReLU(SLOPE),
            spectral_norm(nn.Conv2d(2 * width, 1, 1)),
        )

    def forward(self, images: Tensor) -> Tensor:
        return self.layers(images * 2 - 1)


def hinge_loss(real: Tensor, fake: Tensor) -> Tensor:
    """Discriminator's loss: ``mean(max(0, 1 - real) + max(0, 1 + fake)) / 2`` of logits of any shape."""
    return (F.relu(1 - real).mean() + F.relu(1 + fake).mean()) / 2


def adversarial_gradient(discriminator: nn.Module, recon: Tensor, pixel_loss: Tensor) -> Tensor:
    """Gradient of the autoencoder's adversarial loss at its images, as long as that of its other terms.

    Args:
        discriminator: Gives logits of images; its own weights get no gradient.
        recon: Images ``(B, 3, S, S)`` that ``pixel_loss`` was computed from.
        pixel_loss: The other terms; its graph is kept.
    Returns:
        ``(B, 3, S, S)``, detached: the gradient of ``-mean(logits)``, scaled to the norm of ``pixel_loss``'s gradient.
    Source:
        The adaptive weight of VQGAN (arXiv:2012.09841). Differs: norms are compared at the image instead of the
        decoder's last layer, which needs no further pass through the decoder.
    """
    (pixels,) = torch.autograd.grad(pixel_loss, recon, retain_graph=True)
    leaf = recon.detach().requires_grad_()
    (realism,) = torch.autograd.grad(-discriminator(leaf).float().mean(), leaf)
    return realism * (pixels.norm() / realism.norm().clamp_min(1e-12))
