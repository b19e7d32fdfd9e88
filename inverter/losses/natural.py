"""Norms that natural pictures keep low; one value per image."""

import torch
from torch import Tensor

from inverter.losses.image import total_variation


def total_variation_norm(images: Tensor, beta: float = 1.0) -> Tensor:
    """Total variation with an exponent: ``beta`` 1 is :func:`total_variation`, more punishes edges more.

    Args:
        images: ``(B, C, H, W)``, any range.
        beta: At least 1. Above 1 it is the mean over pixels and channels of (down² + across²) ** (beta / 2), the last
            row and column left out.
    Returns:
        ``(B,)``; 0 for constant images.
    Raises:
        ValueError: ``beta`` is below 1.
    Source:
        Mahendran and Vedaldi, arXiv:1412.0035, section 2.2. Differs: mean in place of sum.
    """
    if beta < 1:
        raise ValueError(f"beta is {beta}; allowed: 1 or more")
    if beta == 1:
        return total_variation(images)
    down = (images[..., 1:, :-1] - images[..., :-1, :-1]).square()
    across = (images[..., :-1, 1:] - images[..., :-1, :-1]).square()
    squares = down + across
    return (squares if beta == 2 else (squares + 1e-12) ** (beta / 2)).flatten(1).mean(1)


def alpha_norm(images: Tensor, alpha: float = 6.0) -> Tensor:
    """Mean of |2 x - 1| ** alpha: little inside the range, much towards and beyond its ends.

    Args:
        images: ``(B, C, H, W)`` in [0, 1].
        alpha: Positive.
    Returns:
        ``(B,)``, in [0, 1] for images in [0, 1].
    Source:
        Mahendran and Vedaldi, arXiv:1412.0035, section 2.2. Differs: mean in place of sum, images centred at grey.
    """
    return (2 * images - 1).abs().pow(alpha).flatten(1).mean(1)


def mean_square(images: Tensor) -> Tensor:
    """Mean square of images ``(B, C, H, W)`` mapped to [-1, 1]: ``(B,)``; 0 for grey."""
    return torch.square(2 * images - 1).flatten(1).mean(1)
