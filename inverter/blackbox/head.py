"""The image head: what the autoencoder cannot hold."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from inverter.blackbox.grid import ResidualBlock


class ImageHead(nn.Module):
    """Residual on the decoded image, from the trunk and the image itself; starts at zero.

    Works at half the image's resolution and unfolds at the end (depth to space), which is cheap and loses no frequency.
    """

    def __init__(self, trunk_width: int, width: int, upsampling: int) -> None:
        super().__init__()
        if upsampling % 2:
            raise ValueError(f"upsampling is {upsampling}; the image head needs an even ratio of image to latent side")
        self.fold = upsampling // 2
        self.unfold = nn.Sequential(
            nn.Conv2d(trunk_width, width // 2 * self.fold**2, 1), nn.PixelShuffle(self.fold), nn.SiLU()
        )
        self.body = nn.Sequential(
            nn.Conv2d(width // 2 + 12, width, 3, padding=1),
            ResidualBlock(width),
            nn.GroupNorm(8, width),
            nn.SiLU(),
            nn.Conv2d(width, 12, 3, padding=1),
            nn.PixelShuffle(2),
        )
        last = self.body[-2]
        nn.init.zeros_(last.weight)  # type: ignore[arg-type]
        nn.init.zeros_(last.bias)  # type: ignore[arg-type]

    def forward(self, trunk: Tensor, image: Tensor) -> Tensor:
        folded = F.pixel_unshuffle(image, 2) * 2 - 1
        return self.body(torch.cat([self.unfold(trunk), folded.to(trunk.dtype)], 1))  # (B, 3, S, S)
