"""The decoder that a defence is trained against, and how its error reaches both sides in one step."""

from __future__ import annotations

import math

import torch
from einops.layers.torch import Rearrange
from torch import Tensor, nn
from torch.nn import functional as F

from inverter.targets.shape import Shape

TOKEN_SIDE, VECTOR_SIDE = 8, 4


class Adversary(nn.Module):
    """Pictures from what arrives: features laid out in a map, convolutions, doublings of the side.

    Batch normalisation at its input leaves a defence nothing to win by scaling features.

    Args:
        shape: Of what arrives of one image: ``(C, h, w)``, ``(N, D)`` or ``(D,)``.
        resolution: Side of the pictures in pixels.
        width: Channels.
    Raises:
        ValueError: ``width`` is below 1.
    """

    def __init__(self, shape: Shape, resolution: int, width: int) -> None:
        super().__init__()
        if width < 1:
            raise ValueError(f"defence.decoder_width={width}; allowed: 1 or more")
        side = max(shape[1:]) if len(shape) == 3 else {2: TOKEN_SIDE, 1: VECTOR_SIDE}[len(shape)]
        doublings = max(1, math.floor(math.log2(max(resolution / side, 1))))
        self.resolution, self.side = resolution, max(resolution >> doublings, 1)
        self.lay_out = _lay_out(shape, width, halve=side >= 2 * self.side)
        layers: list[nn.Module] = [nn.Conv2d(width, width, 3, padding=1), nn.ReLU()]
        for _ in range(doublings):
            layers += [nn.Upsample(scale_factor=2), nn.Conv2d(width, width, 3, padding=1), nn.ReLU()]
        self.layers = nn.Sequential(*layers, nn.Conv2d(width, 3, 3, padding=1))

    def forward(self, features: Tensor) -> Tensor:
        """Pictures ``(B, 3, S, S)`` in [0, 1] of features ``(B, *shape)``."""
        grid = F.interpolate(self.lay_out(features), (self.side, self.side), mode="bilinear")
        pictures = self.layers(grid)
        if pictures.shape[-1] != self.resolution:
            pictures = F.interpolate(pictures, (self.resolution, self.resolution), mode="bilinear")
        return pictures.sigmoid()

    def error(self, features: Tensor, images: Tensor) -> Tensor:
        """Mean squared error, relative to that of the batch's mean picture."""
        variance = (images - images.mean(0)).square().mean().clamp(min=1e-6)
        return (self(features).float() - images).square().mean() / variance


def _lay_out(shape: Shape, width: int, halve: bool) -> nn.Module:
    """Features as a map of ``width`` channels."""
    if len(shape) == 3:
        kernel = {"kernel_size": 4, "stride": 2, "padding": 1} if halve else {"kernel_size": 3, "padding": 1}
        return nn.Sequential(nn.BatchNorm2d(shape[0]), nn.Conv2d(shape[0], width, **kernel), nn.ReLU())  # type: ignore[arg-type]
    if len(shape) == 2:
        return nn.Sequential(
            Rearrange("b n d -> b d n"),
            nn.BatchNorm1d(shape[1]),
            nn.Linear(shape[0], TOKEN_SIDE**2),
            Rearrange("b d (h w) -> b d h w", h=TOKEN_SIDE),
            nn.Conv2d(shape[1], width, 1),
            nn.ReLU(),
        )
    return nn.Sequential(
        nn.BatchNorm1d(shape[0]),
        nn.Linear(shape[0], width * VECTOR_SIDE**2),
        Rearrange("b (c h w) -> b c h w", h=VECTOR_SIDE, w=VECTOR_SIDE),
        nn.ReLU(),
    )


class _Reverse(torch.autograd.Function):
    @staticmethod
    def forward(ctx: torch.autograd.function.FunctionCtx, features: Tensor, weight: float) -> Tensor:
        ctx.weight = weight  # type: ignore[attr-defined]
        return features.view_as(features)

    @staticmethod
    def backward(ctx: torch.autograd.function.FunctionCtx, *grads: Tensor) -> tuple[Tensor, None]:
        return -ctx.weight * grads[0], None  # type: ignore[attr-defined]


def reverse_gradient(features: Tensor, weight: float) -> Tensor:
    """The same features, whose gradient is turned round and weighted: what reads them learns, what made them unlearns.

    Source:
        Ganin and Lempitsky, arXiv:1409.7495.
    """
    return _Reverse.apply(features, weight)
