"""How much two sets of numbers tell of each other, over a batch."""

from __future__ import annotations

import torch
from torch import Tensor


def distance_correlation(one: Tensor, other: Tensor) -> Tensor:
    """Distance correlation of two batches ``(B, ...)``, from 0 (independent) to 1; the sample's, Euclidean.

    0 where either is the same throughout the batch.

    Source:
        Szekely et al., arXiv:0803.4101.
    """
    first, second = (_centred_distances(values.flatten(1).float()) for values in (one, other))
    variances = (first.square().mean() * second.square().mean()).sqrt()
    correlation = (first * second).mean() / variances.clamp(min=1e-12)
    return correlation.clamp(min=1e-12).sqrt()


def _centred_distances(values: Tensor) -> Tensor:
    """Distances ``(B, B)`` between rows, with means of rows and columns taken away."""
    distances = _distances(values)
    return distances - distances.mean(0) - distances.mean(1, keepdim=True) + distances.mean()


def contrastive_loss(features: Tensor, same: Tensor, margin: float) -> Tensor:
    """Squared distance of pairs that belong together, and squared shortfall from the margin of those that do not.

    Args:
        features: ``(B, ...)``; distances are root mean squares over their numbers.
        same: Which pairs belong together, bool ``(B, B)``; the diagonal is not looked at.
        margin: Distance at which others are far enough apart.
    Returns:
        The mean over pairs that belong together plus that over others, either 0 where there are none.
    Raises:
        ValueError: ``same`` is not of that shape.
    Source:
        Hadsell et al., CVPR 2006.
    """
    count = len(features)
    if tuple(same.shape) != (count, count):
        raise ValueError(f"same of shape {tuple(same.shape)} must be ({count}, {count}): one entry a pair")
    flat = features.flatten(1).float()
    distances = _distances(flat) / flat.shape[1] ** 0.5
    off = ~torch.eye(count, dtype=torch.bool, device=same.device)
    shortfall = (margin - distances).clamp(min=0)
    return _mean(distances.square(), same & off) + _mean(shortfall.square(), ~same & off)


def _distances(rows: Tensor) -> Tensor:
    """Euclidean distances ``(B, B)``; the shorter way, by products, loses those that are near."""
    return torch.cdist(rows, rows, compute_mode="donot_use_mm_for_euclid_dist")


def _mean(values: Tensor, chosen: Tensor) -> Tensor:
    return (values * chosen).sum() / chosen.sum().clamp(min=1)
