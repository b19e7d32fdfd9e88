"""``gaussian:STD``: noise as a defence."""

from __future__ import annotations

import torch
from torch import Tensor

from inverter.payloads.payload import PAYLOADS, Drawing, each_image, read_float, short


class Gaussian(Drawing):
    """Normal noise, its deviation ``std`` times that of each image's features; the gradient passes unchanged.

    Every image draws from the payload's own generator in turn, so the noise differs between images and calls, a batch
    gets what its images would have got one by one, and a target loaded anew with the same seed repeats it.

    Args:
        std: Deviation of the noise relative to that of the features, positive and at most 1e6.
        seed: Seeds the generator.
    """

    form = "gaussian:STD"
    knows = "that normal noise of this relative deviation was added, not the noise"

    def __init__(self, std: float, seed: int = 0) -> None:
        super().__init__(seed)
        self.name, self.std = f"gaussian:{short(std)}", std

    @classmethod
    def from_argument(cls, argument: str | None, seed: int) -> Gaussian:
        return cls(read_float("STD", argument, 0, 1e6), seed)

    def forward(self, features: Tensor) -> Tensor:
        deviation = each_image(lambda numbers: numbers.std(correction=0), features.detach().float())
        noise = self.draw(features, lambda shape, generator: torch.randn(shape, generator=generator))
        return features + (self.std * deviation * noise).to(features.dtype)


PAYLOADS.register("gaussian", Gaussian)
