"""The surrogate: pictures to the features that the target would send, learned from the attacker's pairs."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from inverter.blackbox.grid import ResidualBlock, Standardise, natural_side
from inverter.data.manifest import num_channels

LEAST_SIDE = 4


class Surrogate(nn.Module):
    """Halve a picture's side while it stays that of the features or more, then residual blocks and a projection.

    Args:
        feature_shape: ``(C, h, w)``, ``(N, D)`` or ``(D,)``; of tokens, those before the square are one projection of
            the mean.
        resolution: Side of the pictures in pixels.
        width: Channels at the last side, a multiple of 16; half as many before.
        depth: Residual blocks there.
        feature_mean: Mean of each feature channel.
        feature_std: Deviation of each feature channel.
    """

    def __init__(
        self,
        feature_shape: tuple[int, ...],
        resolution: int,
        *,
        width: int = 128,
        depth: int = 4,
        feature_mean: list[float] | None = None,
        feature_std: list[float] | None = None,
    ) -> None:
        super().__init__()
        self.feature_shape, channels = tuple(feature_shape), num_channels(feature_shape)
        self.standardise = Standardise(feature_shape, feature_mean, feature_std)
        self.has_places = math.prod(feature_shape) != channels
        halvings = max(1, int(math.log2(resolution / max(natural_side(feature_shape), LEAST_SIDE))))
        layers: list[nn.Module] = []
        inside = 3
        for number in range(halvings):
            outside = width if number == halvings - 1 else width // 2
            layers += [nn.Conv2d(inside, outside, 4, stride=2, padding=1), ResidualBlock(outside)]
            inside = outside
        blocks = [ResidualBlock(width) for _ in range(depth)]
        self.body = nn.Sequential(*layers, *blocks, nn.GroupNorm(8, width), nn.SiLU())
        self.to_features = nn.Conv2d(width, channels, 1)
        self.num_extra = 0
        if self.has_places and len(feature_shape) == 2:
            self.num_extra = feature_shape[0] - math.isqrt(feature_shape[0]) ** 2
        self.to_extra = nn.Linear(width, self.num_extra * channels) if self.num_extra else None

    def forward(self, images: Tensor) -> Tensor:
        """Standardised features ``(B, *feature_shape)`` of images ``(B, 3, S, S)`` in [0, 1]."""
        x = self.body(2 * images - 1)
        if not self.has_places:
            return self.to_features(x.mean((2, 3), keepdim=True)).float().reshape(len(x), *self.feature_shape)
        tokens = len(self.feature_shape) == 2
        size = (math.isqrt(self.feature_shape[0]),) * 2 if tokens else self.feature_shape[1:]
        found = self.to_features(_resize(x, size)).float()
        if not tokens:
            return found
        places = found.flatten(2).transpose(1, 2)  # (B, h * w, D)
        if self.to_extra is None:
            return places
        extra = self.to_extra(x.mean((2, 3))).float().unflatten(1, (self.num_extra, -1))
        return torch.cat([extra, places], 1)

    def predict(self, images: Tensor) -> Tensor:
        """Features ``(B, *feature_shape)`` as the target would send them, in its own units."""
        return self.standardise.undo(self(images))


def _resize(maps: Tensor, size: tuple[int, ...]) -> Tensor:
    if tuple(maps.shape[-2:]) == tuple(size):
        return maps
    return F.interpolate(maps, size=tuple(size), mode="bilinear", align_corners=False, antialias=True)
