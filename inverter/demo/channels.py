"""Features of one image as pictures: the channels that vary most, in colour."""

from __future__ import annotations

import math

import matplotlib
import torch
from einops import rearrange
from torch import Tensor

NUM_CHANNELS = 8
COLOURS = "viridis"


def channel_pictures(features: Tensor, number: int = NUM_CHANNELS) -> list[tuple[str, Tensor]]:
    """Channels of one layer with their names, ``(3, h, w)`` in [0, 1], each from its smallest number (dark) on.

    Args:
        features: Of one image, ``(C, h, w)``, ``(N, D)`` or ``(D,)``. Tokens are laid out in rows, without those in
            front that fill no square (the class's, registers). A vector, or a map of one position, is one picture.
        number: Of channels of a map, or of tokens, at most.
    """
    features = features.detach().float().cpu()
    if features.ndim == 1 or (features.ndim == 3 and features.shape[1:].numel() == 1):
        return [("all numbers, in rows", _coloured(_rows(features.flatten())[None])[0])]
    if features.ndim == 2:
        side = math.isqrt(len(features))
        features = rearrange(features[len(features) - side**2 :], "(h w) c -> c h w", h=side)
    varies = features.flatten(1).std(1, correction=0)
    chosen = varies.topk(min(number, len(features))).indices.sort().values
    names = [f"channel {place}" for place in chosen.tolist()]
    return list(zip(names, _coloured(features[chosen]), strict=True))


def _rows(vector: Tensor) -> Tensor:
    """A vector on about four times as many columns as rows, the rest filled with its smallest number."""
    rows = max(1, math.isqrt(len(vector) // 4))
    columns = math.ceil(len(vector) / rows)
    filled = torch.cat([vector, vector.min().expand(rows * columns - len(vector))])
    return filled.view(rows, columns)


def _coloured(maps: Tensor) -> Tensor:
    """``(C, 3, h, w)`` of maps ``(C, h, w)``, each from its smallest to its largest number; a constant one is dark."""
    low, high = maps.amin((1, 2), keepdim=True), maps.amax((1, 2), keepdim=True)
    shares = ((maps - low) / (high - low).clamp(min=1e-12)).numpy()
    return rearrange(torch.from_numpy(matplotlib.colormaps[COLOURS](shares)[..., :3]), "c h w rgb -> c rgb h w").float()
