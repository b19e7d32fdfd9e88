"""The conditioner: features of any shape to latents, and to control for a prior's denoiser."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from einops import rearrange
from torch import Tensor, nn
from torch.nn import functional as F

from inverter.blackbox.grid import ResidualBlock, Standardise, lay_out, natural_side
from inverter.priors.control import Control, ControlShape, num_tokens
from inverter.targets.shape import FeatureShape

LARGEST = 8.0
"""Standardised features are cut here: what a rare outlier says beyond it no network should follow."""
MOST_TOKENS = 16**2


@dataclass(frozen=True)
class Encoding:
    """What features say: ``latents`` ``(B, c, S, S)``, ``control``, and the ``trunk`` ``(B, width, S, S)``."""

    latents: Tensor
    control: Control
    trunk: Tensor


class Conditioner(nn.Module):
    """Two maps of the features, one at the latents' side (fine) and a wider one at half of it or less (coarse).

    Features of few positions pass the coarse map first and at their own side, those of many the fine one. From the fine
    map come the latents (their squared error is the aligner's), the hint, and the residuals of the denoiser's finest
    level; from the coarse map the other residuals and one token a position, with one for the whole. Everything that
    reaches the denoiser starts at zero.

    Args:
        feature_shape: ``(C, h, w)``, ``(N, D)`` or ``(D,)``; of joint layers one such shape each.
        latent_shape: ``(c, S, S)`` of the prior.
        control_shape: Of the prior's denoiser.
        width: Channels of the fine map, a multiple of 8.
        coarse_width: Channels of the coarse map, a multiple of 8.
        depth: Residual blocks of the map that comes first; the other has half as many.
        dropout: Share of channels dropped in the blocks while training.
        standardise: By the statistics of the features; None leaves them as they are.
        compact: Lay wide features out within a budget of weights.
    """

    def __init__(
        self,
        feature_shape: FeatureShape,
        latent_shape: tuple[int, int, int],
        control_shape: ControlShape,
        *,
        width: int = 128,
        coarse_width: int = 192,
        depth: int = 4,
        dropout: float = 0.0,
        standardise: Standardise | None = None,
        compact: bool = True,
    ) -> None:
        super().__init__()
        self.shape, self.side = control_shape, latent_shape[1]
        self.stride = max(2, math.ceil(self.side / math.isqrt(MOST_TOKENS)))
        half, own = self.side // self.stride, natural_side(feature_shape)
        self.coarse_first = own <= half
        self.coarse_side = own if self.coarse_first else half
        self.standardise = standardise or Standardise(feature_shape)
        first, kernel = (coarse_width, 1) if self.coarse_first else (width, 3)
        side = self.coarse_side if self.coarse_first else self.side
        self.grid = lay_out(feature_shape, side, first * kernel**2 if compact else None)
        self.stem = nn.Conv2d(self.grid.out_channels, first, kernel, padding="same")
        self.null = nn.Parameter(torch.zeros(first, 1, 1))
        self.noise = nn.Sequential(nn.Linear(1, first), nn.SiLU(), nn.Linear(first, first))
        depths = (depth, (depth + 1) // 2) if self.coarse_first else ((depth + 1) // 2, depth)
        self.coarse = nn.Sequential(*(ResidualBlock(coarse_width, dropout) for _ in range(depths[0])))
        self.fine = nn.Sequential(*(ResidualBlock(width, dropout) for _ in range(depths[1])))
        if self.coarse_first:
            self.between = nn.Conv2d(coarse_width, width, 1)
        else:
            self.between = nn.Conv2d(width, coarse_width, self.stride, stride=self.stride)
        self.to_latents = nn.Sequential(
            nn.GroupNorm(8, width), nn.SiLU(), nn.Conv2d(width, latent_shape[0], 3, padding=1)
        )
        self.to_hint = nn.Conv2d(width + latent_shape[0], control_shape.hint[0], 3, padding=1)
        self.maps = [*control_shape.residuals, *([control_shape.middle] if control_shape.middle else [])]
        self.is_fine = [shape[1] > self.coarse_side for shape in self.maps]
        self.from_fine = nn.Conv2d(width, self._channels(fine=True), 1)
        self.from_coarse = nn.Conv2d(coarse_width, self._channels(fine=False), 1)
        self.places = nn.Parameter(torch.zeros(self.coarse_side**2 + 1, coarse_width))
        self.num_tokens = num_tokens(len(self.places), control_shape.tokens[0])
        self.to_tokens = nn.Sequential(
            nn.LayerNorm(coarse_width),
            nn.Linear(coarse_width, 2 * coarse_width),
            nn.SiLU(),
            nn.Linear(2 * coarse_width, control_shape.tokens[1]),
        )
        nn.init.normal_(self.places, std=0.02)
        for layer in (self.noise[-1], self.to_hint, self.from_fine, self.from_coarse, self.to_tokens[-1]):
            nn.init.zeros_(layer.weight)  # type: ignore[arg-type]
            nn.init.zeros_(layer.bias)  # type: ignore[arg-type]

    def forward(self, features: Tensor, noise_level: Tensor | None = None, keep: Tensor | None = None) -> Encoding:
        """Encode features ``(B, *feature_shape)``, ``(B, D)`` of joint layers.

        Args:
            features: As the target gives them.
            noise_level: Deviation ``(B,)`` of the noise in standardised features; None is none. In training it is
                added here, on top of what a payload of the pairs adds; at use nothing is added, and none is told.
            keep: ``(B,)`` bool, False for images whose features are to be replaced by the learned null; None keeps all.
        """
        standardised = self.standardise(features).clamp(-LARGEST, LARGEST)
        if noise_level is None:
            noise_level = features.new_zeros(len(features))
        elif self.training:
            shaped = noise_level.view(-1, *[1] * (features.ndim - 1))
            standardised = standardised + shaped * torch.randn_like(standardised)
        x = self.stem(self.grid(standardised.to(self.stem.weight.dtype)))  # (B, first, s, s)
        x = x + self.noise(noise_level[:, None].to(x.dtype))[:, :, None, None]
        if keep is not None:
            x = torch.where(rearrange(keep, "b -> b 1 1 1"), x, self.null.to(x.dtype))
        return self._read(x)

    def null_control(self, batch_size: int) -> Control:
        """Control of a denoiser that knows nothing of the features, for guidance."""
        side = self.coarse_side if self.coarse_first else self.side
        return self._read(self.null.expand(1, -1, side, side)).control.expand(batch_size)

    def _read(self, x: Tensor) -> Encoding:
        if self.coarse_first:
            coarse = self.coarse(x)
            size = (self.side, self.side)
            fine = self.fine(F.interpolate(self.between(coarse), size=size, mode="bilinear", align_corners=False))
        else:
            fine = self.fine(x)
            coarse = self.coarse(self.between(fine))
        latents = self.to_latents(fine)
        return Encoding(latents, self._control(fine, coarse, latents), fine)

    def _control(self, fine: Tensor, coarse: Tensor, latents: Tensor) -> Control:
        hint = self.to_hint(torch.cat([fine, latents.detach().to(fine.dtype)], 1))
        maps: list[Tensor] = [hint] * len(self.maps)
        for is_fine, source in ((True, self.from_fine(fine)), (False, self.from_coarse(coarse))):
            places = [n for n, each in enumerate(self.is_fine) if each == is_fine]
            parts = source.split([self.maps[n][0] for n in places], 1) if places else ()
            for place, part in zip(places, parts, strict=True):
                maps[place] = resize(part, self.maps[place][1])
        flat = rearrange(coarse, "b c h w -> b (h w) c")
        flat = torch.cat([flat, flat.mean(1, keepdim=True)], 1) + self.places  # (B, s * s + 1, coarse_width)
        tokens = F.pad(self.to_tokens(flat), (0, 0, 0, self.num_tokens - flat.shape[1]))
        residuals = tuple(maps[: len(self.shape.residuals)])
        middle = maps[-1] if self.shape.middle else None
        return Control(resize(hint, self.shape.hint[1]), residuals, middle, tokens)

    def _channels(self, fine: bool) -> int:
        channels = sum(shape[0] for shape, is_fine in zip(self.maps, self.is_fine, strict=True) if is_fine == fine)
        return max(channels, 1)  # a layer without outputs cannot be built


def resize(maps: Tensor, side: int) -> Tensor:
    """Maps ``(B, C, h, w)`` at another side: means when it is smaller, bilinear when it is larger."""
    if maps.shape[-1] == side:
        return maps
    if maps.shape[-1] > side:
        return F.adaptive_avg_pool2d(maps, side)
    return F.interpolate(maps, size=(side, side), mode="bilinear", align_corners=False)
