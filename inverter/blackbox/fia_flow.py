"""FIA-Flow, rebuilt as a baseline: features aligned to the latents, then one step of a tuned denoiser towards them."""

from __future__ import annotations

import itertools

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from inverter.blackbox.grid import ResidualBlock, Standardise, lay_out
from inverter.targets.shape import FeatureShape


class SpaceAlignment(nn.Module):
    """LFSAM: features to latents by a U-shaped network whose levels are also fused by a second path.

    Features are folded or unfolded to the latents' grid, pass a U-shape of three levels with skip connections and
    self-attention at its bottom, and a projection of every level of its way down is added before the last layer.

    Args:
        feature_shape: ``(C, h, w)``, ``(N, D)`` or ``(D,)``; of joint layers one such shape each.
        latent_shape: ``(c, S, S)`` of the prior.
        width: Channels at the latents' side, a multiple of 8; twice as many below.
        feature_mean: Mean of each feature channel.
        feature_std: Deviation of each feature channel.
    """

    def __init__(
        self,
        feature_shape: FeatureShape,
        latent_shape: tuple[int, int, int],
        *,
        width: int = 96,
        feature_mean: list[float] | None = None,
        feature_std: list[float] | None = None,
    ) -> None:
        super().__init__()
        self.standardise = Standardise(feature_shape, feature_mean, feature_std)
        self.grid = lay_out(feature_shape, latent_shape[1])
        widths = (width, 2 * width, 2 * width)
        self.stem = nn.Conv2d(self.grid.out_channels, width, 3, padding=1)
        self.down = nn.ModuleList(ResidualBlock(each) for each in widths)
        self.smaller = nn.ModuleList(nn.Conv2d(a, b, 3, stride=2, padding=1) for a, b in itertools.pairwise(widths))
        self.norm = nn.GroupNorm(8, widths[-1])
        self.attention = nn.MultiheadAttention(widths[-1], 4, batch_first=True)
        self.up = nn.ModuleList(ResidualBlock(each) for each in widths)
        self.larger = nn.ModuleList(nn.Conv2d(b, a, 1) for a, b in itertools.pairwise(widths))
        self.levels = nn.ModuleList(nn.Conv2d(each, width, 1) for each in widths)
        self.fuse = nn.Conv2d(len(widths) * width, width, 1)
        self.to_latents = nn.Conv2d(width, latent_shape[0], 3, padding=1)

    def forward(self, features: Tensor) -> Tensor:
        """Latents ``(B, c, S, S)`` of features ``(B, *feature_shape)``."""
        x = self.stem(self.grid(self.standardise(features).to(self.stem.weight.dtype)))
        seen = []
        for number, block in enumerate(self.down):
            x = block(x)
            seen.append(x)
            if number < len(self.smaller):
                x = self.smaller[number](x)
        flat = self.norm(x).flatten(2).transpose(1, 2)  # (B, h * w, C)
        x = x + self.attention(flat, flat, flat, need_weights=False)[0].transpose(1, 2).reshape(x.shape)
        x = self.up[-1](x)
        for number in reversed(range(len(self.larger))):
            x = F.interpolate(self.larger[number](x), size=seen[number].shape[-2:], mode="nearest") + seen[number]
            x = self.up[number](x)
        size = x.shape[-2:]
        fused = [
            F.interpolate(level(each), size=size, mode="nearest") for level, each in zip(self.levels, seen, strict=True)
        ]
        return self.to_latents(x + self.fuse(torch.cat(fused, 1)))
