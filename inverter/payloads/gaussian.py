"""``gaussian:STD``: noise as a defence."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from inverter.payloads.payload import PAYLOADS, Payload, per_image


class Gaussian(Payload):
    """Normal noise, its deviation ``std`` times that of each image's features; the gradient passes unchanged.

    Every image draws from the payload's own generator in turn, so the noise differs between images and calls, a batch
    gets what its images would have got one by one, and a target loaded anew with the same seed repeats it.

    Args:
        std: Deviation of the noise relative to that of the features, positive.
        seed: Seeds the generator.
    """

    form = "gaussian:STD"
    knows = "that normal noise of this relative deviation was added, not the noise"
    draws = True

    def __init__(self, std: float, seed: int = 0) -> None:
        super().__init__()
        if not (math.isfinite(std) and std > 0):
            raise ValueError("STD must be positive and finite, such as gaussian:0.1")
        self.name, self.std = f"gaussian:{std:g}", std
        self.generator = torch.Generator().manual_seed(seed)

    @classmethod
    def from_argument(cls, argument: str | None, seed: int) -> Gaussian:
        try:
            std = float(argument or "")
        except ValueError as error:
            raise ValueError("STD must be positive and finite, such as gaussian:0.1") from error
        return cls(std, seed)

    def forward(self, features: Tensor) -> Tensor:
        # drawn on the CPU, one image at a time: the same numbers on every device and for every batch size
        noise = torch.stack([torch.randn(features.shape[1:], generator=self.generator) for _ in range(len(features))])
        exact = features.detach().float()
        deviation = per_image(exact.flatten(1).std(1, correction=0), exact)
        return features + (self.std * deviation * noise.to(exact.device)).to(features.dtype)


PAYLOADS.register("gaussian", Gaussian)
