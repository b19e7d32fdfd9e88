"""``pruned``: channels that a small network chooses for each picture are sent, the others are zero."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import Tensor, nn

from inverter.payloads.payload import StraightThrough
from inverter.targets.cuts import CUTS, Cut
from inverter.targets.shape import Shape, channel_axis


class Pruned(Cut):
    """The channels with the highest scores, which a network gives from their means over the positions.

    Which are sent is decided; the gradient is that of a sigmoid around the score at the border.

    Args:
        shape: Of the layer's features of one image.
        ratio: Share of the channels that is pruned, at least one being kept.
        temperature: Of the sigmoid.
    Raises:
        ValueError: One of them is outside its range.
    """

    def __init__(self, shape: Shape, ratio: float, temperature: float) -> None:
        super().__init__()
        if not 0 < ratio < 1:
            raise ValueError(f"ratio={ratio}; allowed: between 0 and 1")
        if not 0 < temperature < float("inf"):
            raise ValueError(f"temperature={temperature}; allowed: above 0")
        self.axis, self.temperature = channel_axis(shape) + 1, temperature
        width = shape[self.axis - 1]
        if width < 2:
            raise ValueError(f"features {shape} have one channel; allowed: 2 or more to prune")
        self.num_kept = min(max(round((1 - ratio) * width), 1), width - 1)
        self.scores = nn.Sequential(nn.LayerNorm(width), nn.Linear(width, width), nn.ReLU(), nn.Linear(width, width))

    def send(self, features: Tensor) -> Tensor:
        return features * self.mask(features)

    def mask(self, features: Tensor) -> Tensor:
        """1 for channels that are sent and 0 for others, ``(B, ...)`` that broadcasts over features ``(B, ...)``."""
        rows = features.movedim(self.axis, -1)
        scores = self.scores(rows.flatten(1, -2).mean(1) if rows.ndim > 2 else rows).float()
        ranked = scores.sort(1, descending=True).values
        border = ranked[:, self.num_kept - 1 : self.num_kept + 1].mean(1, keepdim=True)
        soft = ((scores - border) / self.temperature).sigmoid()
        kept = StraightThrough.apply(soft, (scores > border).to(soft))
        shape = [1] * features.ndim
        shape[0], shape[self.axis] = kept.shape
        return kept.view(shape).to(features.dtype)


def build(shape: Shape, settings: Mapping[str, Any]) -> Pruned:
    """Fresh ones."""
    return Pruned(shape, **settings)


CUTS.register("pruned", build)
