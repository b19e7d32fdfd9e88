"""Metrics of a reconstructed clip: does it flicker, does it move as the original does."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

OCCLUSION = 0.1
"""Difference of the original's grey values, warped, above which a pixel was covered or uncovered and does not count."""


def flicker(recon: Tensor, original: Tensor) -> Tensor:
    """Mean absolute difference between how reconstruction and original change from frame to frame.

    Args:
        recon: ``(T, 3, H, W)`` in [0, 1].
        original: As ``recon``.
    Returns:
        ``(T - 1,)``, of mean |(r_i - r_(i-1)) - (o_i - o_(i-1))|; 0 where both change alike, whatever else is wrong.
    Raises:
        ValueError: Shapes differ.
    """
    _check(recon, original)
    return (recon.diff(dim=0) - original.diff(dim=0)).abs().flatten(1).mean(1)


def warping_error(recon: Tensor, original: Tensor) -> Tensor:
    """Mean squared difference between each reconstructed frame and the one before, moved as the original moves.

    The flow is TV-L1 on the grey original; pixels where the original itself, so moved, is off by more than 0.1 are
    left out.

    Args:
        recon: ``(T, 3, H, W)`` in [0, 1].
        original: As ``recon``.
    Returns:
        ``(T - 1,)``; NaN where no pixel counts, as at a cut.
    Raises:
        ValueError: Shapes differ.
    Source:
        Lai et al., arXiv:1808.00449, E_warp. Differs: TV-L1 flow, occlusion by brightness.
    """
    from skimage.registration import optical_flow_tvl1

    _check(recon, original)
    grey = original.double().mean(1).cpu().numpy()  # (T, H, W)
    pictures = recon.double().cpu().numpy()
    errors = []
    for i in range(1, len(recon)):
        down, across = optical_flow_tvl1(grey[i], grey[i - 1])
        visible = np.abs(_move(grey[i - 1], down, across) - grey[i]) <= OCCLUSION
        moved = np.stack([_move(channel, down, across) for channel in pictures[i - 1]])
        squares = np.square(moved - pictures[i])[:, visible]
        errors.append(float(squares.mean()) if squares.size else float("nan"))
    return torch.tensor(errors, dtype=torch.float64)


def _move(picture: np.ndarray, down: np.ndarray, across: np.ndarray) -> np.ndarray:
    """``picture`` sampled where each pixel comes from."""
    from skimage.transform import warp

    rows, columns = np.meshgrid(*(np.arange(side) for side in picture.shape), indexing="ij")
    return warp(picture, np.stack([rows + down, columns + across]), mode="edge", order=1)


def _check(recon: Tensor, original: Tensor) -> None:
    if recon.ndim != 4 or recon.shape != original.shape:
        raise ValueError(f"recon {tuple(recon.shape)} and original {tuple(original.shape)} must be one (T, 3, H, W)")
