"""Distances between images and regularisers of one; every function gives one value per image."""

import torch
import torch.nn.functional as F
from torch import Tensor

DISTANCES = ("l1", "mse")
NUM_SCALES = 3


def total_variation(images: Tensor) -> Tensor:
    """Anisotropic total variation: absolute differences of neighbours, down plus across, mean per pixel and channel.

    Args:
        images: ``(B, C, H, W)``, any range.
    Returns:
        ``(B,)``, in the unit of the pixels; 0 for constant images. torchmetrics gives the same sums, but white-box
        inversion, which minimises this, would import seconds of torchmetrics for it.
    """
    down, across = _differences(images)
    pixels = images[0].numel()
    return (down.abs().flatten(1).sum(1) + across.abs().flatten(1).sum(1)) / pixels


def image_distance(recon: Tensor, image: Tensor, distance: str = "l1") -> Tensor:
    """Mean distance per pixel and channel.

    Args:
        recon: ``(B, C, H, W)``.
        image: As ``recon``.
        distance: ``l1`` or ``mse``.
    Returns:
        ``(B,)``, 0 where the images agree.
    Raises:
        ValueError: Shapes differ, or the distance has another name.
    """
    _check_shapes(recon, image)
    difference = (recon - image).flatten(1)
    if distance == "l1":
        return difference.abs().mean(1)
    if distance == "mse":
        return difference.square().mean(1)
    raise ValueError(f"distance is {distance!r}; allowed: {', '.join(DISTANCES)}")


def multi_scale_distance(recon: Tensor, image: Tensor) -> Tensor:
    """Mean l1 distance over a pyramid of three levels, each half the size of the one before (2 x 2 means).

    Args:
        recon: ``(B, C, H, W)``, any sides.
        image: As ``recon``.
    Returns:
        ``(B,)``.
    Raises:
        ValueError: Shapes differ.
    """
    total = image_distance(recon, image)
    for _ in range(NUM_SCALES - 1):
        recon, image = (F.avg_pool2d(x, 2, ceil_mode=True, count_include_pad=False) for x in (recon, image))
        total = total + image_distance(recon, image)
    return total / NUM_SCALES


def gradient_distance(recon: Tensor, image: Tensor) -> Tensor:
    """Mean absolute difference of the images' finite differences, down plus across: edges count, brightness doesn't.

    Args:
        recon: ``(B, C, H, W)`` with sides of at least 2.
        image: As ``recon``.
    Returns:
        ``(B,)``.
    Raises:
        ValueError: Shapes differ.
    """
    _check_shapes(recon, image)
    down, across = _differences(recon - image)
    return down.abs().flatten(1).mean(1) + across.abs().flatten(1).mean(1)


def _differences(images: Tensor) -> tuple[Tensor, Tensor]:
    return torch.diff(images, dim=-2), torch.diff(images, dim=-1)


def _check_shapes(recon: Tensor, image: Tensor) -> None:
    if recon.ndim != 4 or recon.shape != image.shape:
        raise ValueError(f"recon {tuple(recon.shape)} and image {tuple(image.shape)} must have one shape (B, C, H, W)")
