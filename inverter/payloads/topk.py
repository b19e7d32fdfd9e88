"""``topk:SHARE``: the largest numbers only."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from inverter.payloads.payload import PAYLOADS, Coding, Sent, StraightThrough, read_float, short


class TopK(Coding):
    """The share of each image's numbers that is largest in magnitude; the others arrive as 0.

    Values travel as float32, or as what follows codes them, and their places as a bit a number or as indices of 16 or
    32 bits, whichever is shorter. The gradient passes straight through: numbers that should be among the largest are
    pulled up.

    Args:
        share: Above 0 and below 1.
    """

    form = "topk:SHARE"
    knows = "all of it"

    def __init__(self, share: float) -> None:
        super().__init__()
        self.name, self.share = f"topk:{short(share)}", share

    @classmethod
    def from_argument(cls, argument: str | None, seed: int) -> TopK:
        share = read_float("SHARE", argument, 0, 1)
        if share == 1:
            raise ValueError("SHARE is 1, which keeps all; it must be below 1")
        return cls(share)

    def check(self, shape: Sequence[int]) -> None:
        if all(size == 1 for size in shape):
            raise ValueError(f"payload={self.name}: one number is always the largest; allowed: features of 2 or more")

    def transmit(self, sent: Sent) -> Sent:
        self.check(sent.features.shape[1:])
        flat = sent.features.detach().flatten(1)
        count = max(1, round(self.share * flat.shape[1]))
        places = flat.abs().topk(count, 1).indices
        kept: Tensor = torch.zeros_like(flat, dtype=torch.bool).scatter(1, places, True).view_as(sent.features)
        arrived = sent.features.detach().where(kept, 0.0)
        return Sent(StraightThrough.apply(sent.features, arrived), kept=kept)


PAYLOADS.register("topk", TopK)
