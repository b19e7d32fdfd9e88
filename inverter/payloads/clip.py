"""``clip:RMS``: features scaled down to a largest norm."""

from __future__ import annotations

import torch
from torch import Tensor

from inverter.payloads.payload import PAYLOADS, Payload, each_image, read_float, short


class Clip(Payload):
    """An image's features, scaled down where their root mean square is above ``rms``; the gradient is its own.

    The L2 norm is then at most ``rms * sqrt(n)``, n the numbers of an image. Four bytes a number.

    Args:
        rms: Positive.
    """

    form = "clip:RMS"
    knows = "all of it; how long the features were is lost"

    def __init__(self, rms: float) -> None:
        super().__init__()
        self.name, self.rms = f"clip:{short(rms)}", rms

    @classmethod
    def from_argument(cls, argument: str | None, seed: int) -> Clip:
        return cls(read_float("RMS", argument, 0))

    def forward(self, features: Tensor) -> Tensor:
        square = each_image(lambda numbers: numbers.square().mean(), features.float())
        rms = square.clamp_min(torch.finfo(torch.float32).tiny).sqrt()
        return features * (self.rms / rms).clamp_max(1.0).to(features.dtype)


PAYLOADS.register("clip", Clip)
