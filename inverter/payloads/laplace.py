"""``laplace:B``: Laplace noise as a defence."""

from __future__ import annotations

import torch
from torch import Tensor

from inverter.payloads.payload import PAYLOADS, Drawing, each_image, read_float, short


class Laplace(Drawing):
    """Laplace noise of scale ``b`` times the deviation of each image's features; the gradient passes unchanged.

    Its deviation is ``b * sqrt(2)``. Four bytes a number. No privacy parameter follows from it: nothing is clipped.

    Args:
        b: Positive and at most 1e6.
        seed: Seeds the generator.
    """

    form = "laplace:B"
    knows = "that Laplace noise of this relative scale was added, not the noise"

    def __init__(self, b: float, seed: int = 0) -> None:
        super().__init__(seed)
        self.name, self.b = f"laplace:{short(b)}", b

    @classmethod
    def from_argument(cls, argument: str | None, seed: int) -> Laplace:
        return cls(read_float("B", argument, 0, 1e6), seed)

    def forward(self, features: Tensor) -> Tensor:
        deviation = each_image(lambda numbers: numbers.std(correction=0), features.detach().float())
        return features + (self.b * deviation * self.draw(features, _laplace)).to(features.dtype)


def _laplace(shape: torch.Size, generator: torch.Generator) -> Tensor:
    """Scale 1: the difference of two exponential variables, which no draw makes infinite."""
    one, other = torch.empty(2, *shape).exponential_(generator=generator)
    return one - other


PAYLOADS.register("laplace", Laplace)
