"""``channels``: few linear combinations of a layer's channels, bounded, and a linear map back."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from inverter.targets.cuts import CUTS, Cut
from inverter.targets.shape import Shape, channel_axis


class Channels(Cut):
    """Channels ``C`` to ``channels`` numbers between -1 and 1 at each position, and back.

    Args:
        shape: Of the layer's features of one image.
        channels: From 1 to C.
    Raises:
        ValueError: ``channels`` is outside.
    """

    def __init__(self, shape: Shape, channels: int) -> None:
        super().__init__()
        self.axis = channel_axis(shape) + 1
        width = shape[self.axis - 1]
        if not isinstance(channels, int) or not 1 <= channels <= width:
            raise ValueError(f"channels={channels}; allowed: 1 to {width}, the layer's")
        self.encode, self.decode = nn.Linear(width, channels), nn.Linear(channels, width)

    def send(self, features: Tensor) -> Tensor:
        return self._along(features, self.encode).tanh()

    def receive(self, arrived: Tensor) -> Tensor:
        return self._along(arrived, self.decode)

    def start(self, features: Tensor) -> None:
        """Begin with the principal components, so scaled that two deviations stay within -1 and 1."""
        rows = features.movedim(self.axis, -1).flatten(0, -2).double()
        mean = rows.mean(0)
        values, vectors = torch.linalg.eigh((rows - mean).T @ (rows - mean) / len(rows))
        count = len(self.encode.weight)
        basis, scale = vectors[:, -count:], 2 * values[-count:].clamp(min=1e-12).sqrt()
        weight = (basis / scale).T
        for layer, matrix, bias in ((self.encode, weight, -weight @ mean), (self.decode, basis * scale, mean)):
            layer.weight.copy_(matrix)
            layer.bias.copy_(bias)

    def _along(self, features: Tensor, layer: nn.Linear) -> Tensor:
        return layer(features.movedim(self.axis, -1)).movedim(-1, self.axis)


def build(shape: Shape, settings: Mapping[str, Any]) -> Channels:
    """Fresh ones."""
    return Channels(shape, **settings)


CUTS.register("channels", build)
