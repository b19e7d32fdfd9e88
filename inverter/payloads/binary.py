"""``binary``: the sign of each number, 32 times smaller than float32."""

from __future__ import annotations

from functools import partial

import torch

from inverter.payloads.packing import pack_bits, pack_images
from inverter.payloads.payload import PAYLOADS, Coding, Sent, StraightThrough


class Binary(Coding):
    """1 where a number is above 0, else -1; the gradient passes straight through.

    A bit a number. Features that are never negative, such as those behind a ReLU, keep only which of them are 0.
    """

    form = name = "binary"
    knows = "all of it; how large numbers were is lost"

    def transmit(self, sent: Sent) -> Sent:
        exact = sent.features.detach()
        above = exact > 0
        arrived = (2.0 * above - 1).to(exact.dtype).masked_fill(~exact.isfinite(), torch.nan)
        if sent.kept is not None:
            arrived = arrived * sent.kept
        encode = partial(pack_images, above, lambda bits: pack_bits(bits, 1), kept=sent.kept)
        return Sent(StraightThrough.apply(sent.features, arrived), encode, sent.kept)


PAYLOADS.register("binary", Binary)
