"""Features of any shape on a square grid: maps resized and folded, tokens laid out, vectors spread."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from einops import rearrange
from torch import Tensor, nn
from torch.nn import functional as F

from inverter.losses.deviation import floor_deviation
from inverter.targets.shape import (
    FeatureShape,
    Shape,
    along_channels,
    is_joint,
    layer_shapes,
    num_channels,
    split_channels,
    split_features,
    tensor_shape,
)

SPREAD = 128
"""Channels that features without a place in the picture, and those of joint layers, are projected to."""
MOST_CHANNELS = 512
WEIGHTS = 2**20
"""Budget of a layout and what reads it: with it an inverter of the default sizes has less than 5 million weights."""


class Standardise(nn.Module):
    """Subtract the mean and divide by the deviation of each feature channel, as the pairs' manifest gives them.

    Deviations have the floor of :func:`floor_deviation`; a channel that never varied gives 0.
    """

    def __init__(
        self, feature_shape: FeatureShape, mean: list[float] | None = None, std: list[float] | None = None
    ) -> None:
        super().__init__()
        self.shape = tensor_shape(feature_shape)
        channels = num_channels(feature_shape)
        for name, values in (("mean", mean), ("std", std)):
            if values is not None and len(values) != channels:
                raise ValueError(f"feature_{name} has {len(values)} values; features {feature_shape} need {channels}")
        deviation = torch.tensor(std or [1.0] * channels)
        floored = torch.cat([floor_deviation(part) for part in split_channels(deviation, feature_shape)])
        scale = torch.where(deviation > 0, floored.reciprocal(), 0.0)
        means = torch.tensor(mean or [0.0] * channels)
        self.register_buffer("mean", along_channels(means, feature_shape), persistent=False)
        self.register_buffer("scale", along_channels(scale, feature_shape), persistent=False)  # never in half precision

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> Standardise:
        """Follow to another device or to double precision; half precision would round the statistics."""
        kept = {name: getattr(self, name) for name in ("mean", "scale")}
        super()._apply(fn, recurse)
        for name, values in kept.items():
            moved = getattr(self, name)
            if moved.dtype in (torch.float16, torch.bfloat16):
                setattr(self, name, values.to(moved.device))
        return self

    def forward(self, features: Tensor) -> Tensor:
        if tuple(features.shape[1:]) != self.shape:
            raise ValueError(f"features has shape {tuple(features.shape)}; this inverter takes (B, {self.shape})")
        return (features.float() - self.mean) * self.scale

    def undo(self, standardised: Tensor) -> Tensor:
        """Features of what :meth:`forward` made of them; where they never varied, their mean."""
        deviation = torch.where(self.scale > 0, self.scale.reciprocal(), 0.0)
        return standardised * deviation + self.mean


class FeatureGrid(nn.Module):
    """Bring features of one layer to a map ``(B, out_channels, side, side)``.

    - A map finer than ``side`` is resized to the next multiple of ``side`` and folded (space to depth); a coarser one
      is resized up.
    - Of N tokens the last s x s, s = floor(sqrt(N)), are laid out as a map in rows; those before them (class and
      register tokens) are projected together to channels that are the same everywhere.
    - A vector, and a map or tokens of one position, is projected to a 4 x 4 map and resized.

    Under a budget a vector is projected to channels, each weighted anew and shifted at each of the 4 x 4 positions, and
    channels of maps and tokens that would exceed it are projected to fewer first.

    Args:
        feature_shape: ``(C, h, w)``, ``(N, D)`` or ``(D,)``.
        side: Of the map.
        cost: Weights that each channel costs what reads the map; None is no budget.
        budget: Weights here and in what reads the map together, about.
    """

    def __init__(self, feature_shape: Shape, side: int, cost: int | None = None, budget: int = WEIGHTS) -> None:
        super().__init__()
        self.feature_shape, self.side, self.compact = tuple(feature_shape), side, cost is not None
        if not 1 <= len(feature_shape) <= 3:
            raise ValueError(f"feature_shape is {feature_shape}; allowed: (C, h, w), (N, D) or (D,)")
        channels = num_channels(feature_shape)
        self.is_vector = math.prod(feature_shape) == channels
        self.narrow: nn.Linear | None = None
        if self.is_vector and cost is None:
            self.out_channels = SPREAD
            self.spread = nn.Linear(channels, SPREAD * 16)
            return
        if self.is_vector:
            self.out_channels = max(1, min(MOST_CHANNELS, budget // (channels + cost)))  # type: ignore[operator]
            self.spread = nn.Linear(channels, self.out_channels)
            self.weight = nn.Parameter(torch.randn(self.out_channels, 4, 4))
            self.shift = nn.Parameter(0.02 * torch.randn(self.out_channels, 4, 4))
            return
        self.num_extra, extra_channels = 0, 0
        if len(feature_shape) == 2:
            self.grid = math.isqrt(feature_shape[0])
            self.num_extra = feature_shape[0] - self.grid**2
            side_of_map = self.grid
        else:
            side_of_map = max(feature_shape[1:])
        if self.num_extra:
            inputs = self.num_extra * channels
            extra_channels = SPREAD if cost is None else max(1, min(SPREAD, budget // 8 // inputs))
            self.spread = nn.Linear(inputs, extra_channels)
            budget -= extra_channels * (inputs + (cost or 0))
        fold = self._fold(side_of_map) ** 2
        if cost is not None and channels * fold * cost > budget:
            fewer = max(1, min(budget // (2 * cost * fold), budget // (2 * channels)))
            self.narrow = nn.Linear(channels, fewer)
            channels = fewer
        self.out_channels = channels * fold + extra_channels

    def forward(self, features: Tensor) -> Tensor:
        if self.is_vector:
            return self._resize(self._spread(features.flatten(1)))
        if features.ndim == 4:
            return self._resize(self._narrow(features))
        extra, patches = features[:, : self.num_extra], features[:, self.num_extra :]
        grid = self._resize(self._narrow(rearrange(patches, "b (h w) d -> b d h w", h=self.grid)))
        if not self.num_extra:
            return grid
        everywhere = self.spread(extra.flatten(1))[:, :, None, None].expand(-1, -1, self.side, self.side)
        return torch.cat([grid, everywhere.to(grid.dtype)], 1)

    def _spread(self, vectors: Tensor) -> Tensor:
        spread = self.spread(vectors)
        if self.compact:
            return spread[:, :, None, None] * self.weight + self.shift  # (B, out_channels, 4, 4)
        return rearrange(spread, "b (c h w) -> b c h w", h=4, w=4)

    def _narrow(self, grid: Tensor) -> Tensor:
        if self.narrow is None:
            return grid
        return rearrange(self.narrow(rearrange(grid, "b c h w -> b h w c")), "b h w c -> b c h w")

    def _fold(self, size: int) -> int:
        return max(1, math.ceil(size / self.side))

    def _resize(self, grid: Tensor) -> Tensor:
        fold = self._fold(max(grid.shape[-2:]))
        size = (self.side * fold, self.side * fold)
        if grid.shape[-2:] != size:
            grid = F.interpolate(grid, size=size, mode="bilinear", align_corners=False)
        return F.pixel_unshuffle(grid, fold) if fold > 1 else grid


class JointGrid(nn.Module):
    """Bring features of joint layers to one map: each laid out and projected on its own, resized, and added up.

    Args:
        feature_shape: One shape a layer.
        side: Of the map.
        budget: Weights of all layers together, about.
    """

    def __init__(self, feature_shape: FeatureShape, side: int, budget: int = WEIGHTS) -> None:
        super().__init__()
        self.feature_shape, self.side, self.out_channels = feature_shape, side, SPREAD
        shapes = layer_shapes(feature_shape)
        share = budget // len(shapes)
        self.grids = nn.ModuleList(
            FeatureGrid(shape, min(side, natural_side(shape)), SPREAD, share) for shape in shapes
        )
        self.projections = nn.ModuleList(nn.Conv2d(int(grid.out_channels), SPREAD, 1) for grid in self.grids)

    def forward(self, features: Tensor) -> Tensor:
        x = features.new_zeros(())
        for part, grid, project in zip(
            split_features(features, self.feature_shape), self.grids, self.projections, strict=True
        ):
            laid = project(grid(part))
            size = (self.side, self.side)
            x = x + (laid if laid.shape[-2:] == size else F.interpolate(laid, size, mode="bilinear"))
        return x


def lay_out(feature_shape: FeatureShape, side: int, cost: int | None = None) -> FeatureGrid | JointGrid:
    """What brings features of a shape to a map; see :class:`FeatureGrid` and :class:`JointGrid`."""
    if is_joint(feature_shape):
        return JointGrid(feature_shape, side)
    return FeatureGrid(layer_shapes(feature_shape)[0], side, cost)


def natural_side(feature_shape: FeatureShape) -> int:
    """Side of the square grid on which features lie without loss of place: 4 for those that have none.

    Raises:
        ValueError: They are no map, tokens or vector.
    """
    sides = []
    for shape in layer_shapes(feature_shape):
        if not 1 <= len(shape) <= 3:
            raise ValueError(f"feature_shape is {shape}; allowed: (C, h, w), (N, D) or (D,)")
        if math.prod(shape) == num_channels(shape):
            sides.append(4)
        else:
            sides.append(max(shape[1:]) if len(shape) == 3 else math.isqrt(shape[0]))
    return max(sides)


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
