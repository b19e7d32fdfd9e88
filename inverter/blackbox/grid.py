"""Features of any shape on a square grid: maps resized and folded, tokens laid out, vectors spread."""

from __future__ import annotations

import math

import torch
from einops import rearrange
from torch import Tensor, nn
from torch.nn import functional as F

from inverter.data.manifest import num_channels

SPREAD = 128
"""Channels that features without a place in the picture are projected to."""


class Standardise(nn.Module):
    """Subtract the mean and divide by the deviation of each feature channel, as the pairs' manifest gives them."""

    def __init__(self, feature_shape: tuple[int, ...], mean: list[float] | None, std: list[float] | None) -> None:
        super().__init__()
        self.feature_shape = tuple(feature_shape)
        channels = num_channels(feature_shape)
        for name, values in (("mean", mean), ("std", std)):
            if values is not None and len(values) != channels:
                raise ValueError(f"feature_{name} has {len(values)} values; features {feature_shape} need {channels}")
        shape = {1: (-1,), 2: (1, -1), 3: (-1, 1, 1)}[len(feature_shape)]
        deviation = torch.tensor(std or [1.0] * channels)
        scale = torch.where(deviation > 1e-6, deviation.reciprocal(), 0.0)  # what never varied says nothing
        self.register_buffer("mean", torch.tensor(mean or [0.0] * channels).view(shape), persistent=False)
        self.register_buffer("scale", scale.view(shape), persistent=False)  # given anew, never in half precision

    def forward(self, features: Tensor) -> Tensor:
        if tuple(features.shape[1:]) != self.feature_shape:
            raise ValueError(
                f"features has shape {tuple(features.shape)}; this inverter takes (B, {self.feature_shape})"
            )
        return (features.float() - self.mean) * self.scale

    def undo(self, standardised: Tensor) -> Tensor:
        """Features of what :meth:`forward` made of them; where they never varied, their mean."""
        deviation = torch.where(self.scale > 0, self.scale.reciprocal(), 0.0)
        return standardised * deviation + self.mean


class FeatureGrid(nn.Module):
    """Bring features to a map ``(B, out_channels, side, side)``.

    - A map finer than ``side`` is resized to the next multiple of ``side`` and folded (space to depth); a coarser one
      is resized up.
    - Of N tokens the last s x s, s = floor(sqrt(N)), are laid out as a map in rows; those before them (class and
      register tokens) are projected together to channels that are the same everywhere.
    - A vector, and a map or tokens of one position, is projected to a 4 x 4 map and resized.
    """

    def __init__(self, feature_shape: tuple[int, ...], side: int) -> None:
        super().__init__()
        self.feature_shape, self.side = tuple(feature_shape), side
        if not 1 <= len(feature_shape) <= 3:
            raise ValueError(f"feature_shape is {feature_shape}; allowed: (C, h, w), (N, D) or (D,)")
        self.is_vector = math.prod(feature_shape) == num_channels(feature_shape)
        if self.is_vector:
            self.out_channels = SPREAD
            self.spread = nn.Linear(num_channels(feature_shape), SPREAD * 16)
        elif len(feature_shape) == 3:
            self.out_channels = feature_shape[0] * self._fold(max(feature_shape[1:])) ** 2
        else:
            tokens, width = feature_shape
            self.grid = math.isqrt(tokens)
            self.num_extra = tokens - self.grid**2
            self.out_channels = width * self._fold(self.grid) ** 2
            if self.num_extra:
                self.out_channels += SPREAD
                self.spread = nn.Linear(self.num_extra * width, SPREAD)

    def forward(self, features: Tensor) -> Tensor:
        if self.is_vector:
            return self._resize(self.spread(features.flatten(1)).unflatten(1, (SPREAD, 4, 4)))
        if features.ndim == 4:
            return self._resize(features)
        extra, patches = features[:, : self.num_extra], features[:, self.num_extra :]
        grid = self._resize(rearrange(patches, "b (h w) d -> b d h w", h=self.grid))
        if not self.num_extra:
            return grid
        everywhere = self.spread(extra.flatten(1))[:, :, None, None].expand(-1, -1, self.side, self.side)
        return torch.cat([grid, everywhere.to(grid.dtype)], 1)

    def _fold(self, size: int) -> int:
        return max(1, math.ceil(size / self.side))

    def _resize(self, grid: Tensor) -> Tensor:
        fold = self._fold(max(grid.shape[-2:]))
        size = (self.side * fold, self.side * fold)
        if grid.shape[-2:] != size:
            grid = F.interpolate(grid, size=size, mode="bilinear", align_corners=False)
        return F.pixel_unshuffle(grid, fold) if fold > 1 else grid


def natural_side(feature_shape: tuple[int, ...]) -> int:
    """Side of the square grid on which features lie without loss of place: 4 for those that have none.

    Raises:
        ValueError: They are no map, tokens or vector.
    """
    if not 1 <= len(feature_shape) <= 3:
        raise ValueError(f"feature_shape is {feature_shape}; allowed: (C, h, w), (N, D) or (D,)")
    if math.prod(feature_shape) == num_channels(feature_shape):
        return 4
    return max(feature_shape[1:]) if len(feature_shape) == 3 else math.isqrt(feature_shape[0])


class ResidualBlock(nn.Module):
    """Two 3x3 convolutions with group normalisation; the branch starts at zero."""

    def __init__(self, channels: int, dropout: float = 0.0) -> None:
        super().__init__()
        self.branch = nn.Sequential(
            nn.GroupNorm(8, channels),
            nn.SiLU(),
            nn.Conv2d(channels, channels, 3, padding=1),
            nn.GroupNorm(8, channels),
            nn.SiLU(),
            nn.Dropout2d(dropout),
            nn.Conv2d(channels, channels, 3, padding=1),
        )
        nn.init.zeros_(self.branch[-1].weight)
        nn.init.zeros_(self.branch[-1].bias)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.branch(x)
