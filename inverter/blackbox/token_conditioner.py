"""The conditioner without places: features reach the denoiser as a few tokens in the place of the text's."""

from __future__ import annotations

import torch
from einops import rearrange
from torch import Tensor, nn
from torch.nn import functional as F

from inverter.blackbox.conditioner import Encoding
from inverter.blackbox.grid import ResidualBlock, Standardise, lay_out
from inverter.priors.control import Control
from inverter.targets.shape import FeatureShape


class TokenConditioner(nn.Module):
    """Map features to latents on the prior's grid and to conditioning tokens for its denoiser.

    Args:
        feature_shape: ``(C, h, w)``, ``(N, D)`` or ``(D,)``; of joint layers one such shape each.
        latent_shape: ``(c, side, side)`` of the prior.
        conditioning_shape: ``(K, D)`` of the prior.
        width: Channels of the trunk, a multiple of 8.
        depth: Residual blocks of the trunk.
        num_tokens: How many of the K conditioning tokens depend on the features.
        dropout: Share of the trunk's channels dropped while training.
        standardise: By the statistics of the features; None leaves them as they are.
        compact: Lay wide features out within a budget of weights.
    """

    def __init__(
        self,
        feature_shape: FeatureShape,
        latent_shape: tuple[int, int, int],
        conditioning_shape: tuple[int, int],
        *,
        width: int = 128,
        depth: int = 4,
        num_tokens: int = 8,
        dropout: float = 0.0,
        standardise: Standardise | None = None,
        compact: bool = True,
    ) -> None:
        super().__init__()
        if num_tokens > conditioning_shape[0]:
            raise ValueError(f"num_tokens is {num_tokens}; the prior takes {conditioning_shape[0]} at most")
        self.num_tokens = num_tokens
        self.standardise = standardise or Standardise(feature_shape)
        self.grid = lay_out(feature_shape, latent_shape[1], 9 * width if compact else None)
        self.stem = nn.Conv2d(self.grid.out_channels, width, 3, padding=1)
        self.trunk = nn.Sequential(*(ResidualBlock(width, dropout) for _ in range(depth)))
        self.to_latents = nn.Sequential(
            nn.GroupNorm(8, width), nn.SiLU(), nn.Conv2d(width, latent_shape[0], 3, padding=1)
        )
        self.to_tokens = nn.Sequential(
            nn.LayerNorm(width),
            nn.Linear(width, 2 * width),
            nn.SiLU(),
            nn.Linear(2 * width, num_tokens * conditioning_shape[1]),
        )
        nn.init.zeros_(self.to_tokens[-1].weight)
        nn.init.zeros_(self.to_tokens[-1].bias)
        self.base = nn.Parameter(torch.zeros(conditioning_shape))  # set to the empty prompt before training

    def forward(self, features: Tensor, noise_level: Tensor | None = None, keep: Tensor | None = None) -> Encoding:
        """Encode features ``(B, *feature_shape)``; it knows neither noise nor a null, which guidance needs."""
        standardised = self.standardise(features).to(self.stem.weight.dtype)
        trunk = self.trunk(self.stem(self.grid(standardised)))
        latents = self.to_latents(trunk)
        shift = rearrange(self.to_tokens(trunk.mean((2, 3))), "b (k d) -> b k d", k=self.num_tokens)
        shift = F.pad(shift, (0, 0, 0, self.base.shape[0] - self.num_tokens))
        return Encoding(latents, Control(None, (), None, self.base + shift, in_place_of_text=True), trunk)

    def null_control(self, batch_size: int) -> None:
        """None: the empty prompt takes the place of what features said."""
