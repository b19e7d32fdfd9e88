"""Smoothing over the frames of a clip, pure functions."""

import torch
from torch import Tensor

STILL = 1e-6  # distance of features up to which frames count as the same: what rounding leaves of none
STEEPNESS = 6
"""Exponent of the fall of a pair's weight: movement up to 1.5 medians keeps most of it, a cut at 3 medians none."""


def smoothing(latents: Tensor, weights: Tensor, before: Tensor | None = None) -> Tensor:
    """Weighted mean squared difference of each frame's latents from those of the frame before.

    Args:
        latents: ``(T, ...)``, one entry a frame, in order.
        weights: ``(T,)``: weight of the pair that ends with frame i; the first counts only where ``before`` is given.
        before: Latents ``(...)`` of the frame before the first, held fixed; None where there is none.
    Returns:
        ``(T,)``: the term of each frame; 0 for the first without ``before``.
    Source:
        arXiv:2412.10448: mean over consecutive frames of ||z_i - z_(i-1)||^2. Differs: mean over the latents' numbers,
        not their sum.
    """
    earlier = torch.cat([latents[:1].detach() if before is None else before[None].to(latents), latents[:-1]])
    return weights.to(latents) * (latents - earlier).square().flatten(1).mean(1)


def pair_weights(distances: Tensor, scale: float | None) -> Tensor:
    """Weight of each pair of consecutive frames: 1, or less the further their features are apart.

    exp(-(d / (scale * median d))^6), the median over pairs that move at all; where fewer than two in five do, those are
    cuts. In films a cut is 2.5 medians and more away, the fastest movement 1.8: with a scale of 2 the median pair keeps
    98 % of its weight, that movement half, a cut at 3 medians nothing.

    Args:
        distances: Distance of each frame's features from those of the frame before, ``(P,)``, not negative.
        scale: Medians at which the weight is 1/e; None weighs all pairs alike.
    Returns:
        ``(P,)`` in [0, 1].
    """
    if scale is None or len(distances) == 0:
        return torch.ones_like(distances)
    moving = distances[distances > STILL]
    unit = scale * moving.median() if len(moving) >= 0.4 * len(distances) else STILL
    return torch.exp(-((distances / unit) ** STEEPNESS))
