"""``dropout:P``: numbers lost at random."""

from __future__ import annotations

import torch
from torch import Tensor

from inverter.payloads.payload import PAYLOADS, Drawing, read_float, short


class Dropout(Drawing):
    """Each number is 0 with probability ``p``, the others are sent as they are; only these pass a gradient on.

    Four bytes a number, zeros too.

    Args:
        p: Above 0 and at most 0.999.
        seed: Seeds the generator.
    """

    form = "dropout:P"
    knows = "the probability, and of numbers that are never exactly 0 which were dropped"

    def __init__(self, p: float, seed: int = 0) -> None:
        super().__init__(seed)
        self.name, self.p = f"dropout:{short(p)}", p

    @classmethod
    def from_argument(cls, argument: str | None, seed: int) -> Dropout:
        return cls(read_float("P", argument, 0, 0.999), seed)

    def forward(self, features: Tensor) -> Tensor:
        kept = self.draw(features, lambda shape, generator: torch.rand(shape, generator=generator) >= self.p)
        return features * kept


PAYLOADS.register("dropout", Dropout)
