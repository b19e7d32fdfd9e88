"""``int8``: 8-bit quantisation."""

from __future__ import annotations

from functools import partial

import torch

from inverter.payloads.packing import pack_images
from inverter.payloads.payload import PAYLOADS, Coding, Sent, StraightThrough, per_image

LEVELS = 127


class Int8(Coding):
    """Symmetric 8-bit quantisation and back, one scale per image's tensor; the gradient passes straight through.

    A byte a number, and the scale as a float32.
    """

    form = name = "int8"
    knows = "all of it: the scale travels"

    def transmit(self, sent: Sent) -> Sent:
        exact = sent.features.detach().float()
        scale = exact.flatten(1).abs().amax(1) / LEVELS
        step = per_image(scale, exact).clamp_min(torch.finfo(torch.float32).tiny)
        codes = torch.round(exact / step).clamp(-LEVELS, LEVELS)
        arrived = StraightThrough.apply(sent.features, (codes * step).to(sent.features.dtype))
        return Sent(arrived, partial(_encode, codes, scale, sent.kept), sent.kept)


def _encode(codes: torch.Tensor, scale: torch.Tensor, kept: torch.Tensor | None) -> list[bytes]:
    heads = [number.tobytes() for number in scale.cpu().numpy()]
    return pack_images(codes, lambda numbers: numbers.astype("int8").tobytes(), heads, kept)


PAYLOADS.register("int8", Int8)
