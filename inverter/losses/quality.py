"""Agreement of a reconstruction with its image on the 8-bit pictures, one value an image."""

from __future__ import annotations

import torch
from torch import Tensor

MAX_PSNR = 60.0
"""Decibels given to pictures that agree to 8 bits, and the most that any pair gets."""

MIN_SSIM_SIDE = 11
"""Pixels of the Gaussian window: the smallest picture that has a structural similarity."""


def quantise(images: Tensor) -> Tensor:
    """Clamp to [0, 1] and round to the 256 levels of an 8-bit picture; a new float32 tensor, still in [0, 1].

    Raises:
        ValueError: A pixel is not finite.
    """
    if not torch.isfinite(images).all():
        raise ValueError("images hold values that are not finite (NaN or infinity)")
    return images.float().clamp(0, 1).mul(255).round().div(255)


def to_bytes(images: Tensor) -> Tensor:
    """The same 8-bit picture as uint8 in 0 to 255, on the CPU."""
    return (quantise(images) * 255).round().to(torch.uint8).cpu()


def mse_to_psnr(mse: Tensor) -> Tensor:
    """Decibels of mean squared errors between images in [0, 1], capped at 60.

    torchmetrics gives the same of pairs of images, to 2e-6 dB, but takes no errors, of which nearest pictures are told.
    """
    return (-10 * mse.clamp(min=10 ** (-MAX_PSNR / 10)).log10()).clamp(max=MAX_PSNR)


def psnr(recon: Tensor, image: Tensor) -> Tensor:
    """Peak signal-to-noise ratio of each image after clamping and rounding both to 8 bits.

    Args:
        recon: ``(B, 3, H, W)``, clamped to [0, 1].
        image: As ``recon``.
    Returns:
        ``(B,)`` decibels, at most 60.
    Raises:
        ValueError: Shapes differ, or a pixel is not finite.
    """
    _check_shapes(recon, image)
    return mse_to_psnr((quantise(recon) - quantise(image)).square().flatten(1).mean(1))


def ssim(recon: Tensor, image: Tensor) -> Tensor:
    """Structural similarity of each image (Gaussian window of 11 pixels, sigma 1.5), on the same 8-bit pictures.

    Borders are mirrored and count, as torchmetrics does it. Libraries that leave them out, as scikit-image does,
    give other values on small pictures: 0.220 for 0.235 on reconstructions at 64 px of 14.8 dB.

    Args:
        recon: ``(B, 3, H, W)``, clamped to [0, 1]; sides of at least 11 pixels.
        image: As ``recon``.
    Returns:
        ``(B,)``, at most 1.
    Raises:
        ValueError: Shapes differ, a pixel is not finite, or the images are too small.
    """
    from torchmetrics.functional.image import structural_similarity_index_measure  # slow: for what measures alone

    _check_shapes(recon, image)
    if min(image.shape[-2:]) < MIN_SSIM_SIDE:
        raise ValueError(f"images are {tuple(image.shape[-2:])}; SSIM needs sides of at least {MIN_SSIM_SIDE}")

    similarity = structural_similarity_index_measure(quantise(recon), quantise(image), data_range=1.0, reduction="none")
    return torch.as_tensor(similarity).reshape(len(image))


def _check_shapes(recon: Tensor, image: Tensor) -> None:
    if recon.ndim != 4 or recon.shape != image.shape:
        raise ValueError(f"recon {tuple(recon.shape)} and image {tuple(image.shape)} must have one shape (B, 3, H, W)")
