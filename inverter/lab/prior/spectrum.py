"""Which frequencies an autoencoder loses: radial power spectra of pictures and of their round trips."""

from __future__ import annotations

import torch
from torch import Tensor


def radial_power_spectrum(images: Tensor) -> Tensor:
    """Mean power of the brightness at each distance from frequency 0.

    Args:
        images: ``(B, C, S, S)``, square; channels are averaged to brightness.
    Returns:
        ``(S // 2 + 1,)`` float64: entry k is the mean of ``|F|^2 / S^4`` over images and over the frequencies whose
        distance from 0 rounds to k cycles a picture; corners beyond S / 2 are left out.
    Raises:
        ValueError: The images are not square.
    """
    if images.ndim != 4 or images.shape[-1] != images.shape[-2]:
        raise ValueError(f"images has shape {tuple(images.shape)}; allowed: (B, C, S, S)")
    side = images.shape[-1]
    power = torch.fft.fft2(images.double().mean(1)).abs().square().mean(0) / side**4  # (S, S)
    axis = torch.fft.fftfreq(side, 1 / side, dtype=torch.float64)
    radius = (axis[:, None] ** 2 + axis[None, :] ** 2).sqrt().round().long()
    inside = radius <= side // 2
    sums = torch.zeros(side // 2 + 1, dtype=torch.float64).scatter_add_(0, radius[inside], power[inside])
    return sums / torch.bincount(radius[inside], minlength=side // 2 + 1)


def spectrum_error(recon: Tensor, image: Tensor) -> Tensor:
    """Decibels by which the power of ``recon`` is above that of ``image`` at each radius, frequency 0 left out.

    Args:
        recon: ``(B, C, S, S)``.
        image: As ``recon``; has some power at every radius.
    Returns:
        ``(S // 2,)`` float64 of 1, 2, ... S / 2 cycles a picture; negative where power is lost.
    """
    tiny = torch.finfo(torch.float64).tiny
    ratio = radial_power_spectrum(recon)[1:].clamp_min(tiny) / radial_power_spectrum(image)[1:].clamp_min(tiny)
    return 10 * ratio.log10()
