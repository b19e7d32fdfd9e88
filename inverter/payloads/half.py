"""``fp16`` and ``bf16``: two bytes a number."""

from __future__ import annotations

from functools import partial

import torch

from inverter.payloads.packing import pack_images
from inverter.payloads.payload import PAYLOADS, Coding, Sent, StraightThrough


class Half(Coding):
    """Features in a 16-bit floating-point format; the gradient passes straight through.

    Two bytes a number. What the format cannot hold, 65520 and more in fp16, which would round above 65504, arrives as
    infinity, and is an error where features are sent.
    """

    dtype: torch.dtype

    def transmit(self, sent: Sent) -> Sent:
        codes = sent.features.detach().to(self.dtype)
        arrived = StraightThrough.apply(sent.features, codes.to(sent.features.dtype))
        return Sent(arrived, partial(_encode, codes, sent.kept), sent.kept)


class Float16(Half):
    """IEEE half precision: 11 significant bits, up to 65504."""

    form = name = "fp16"
    dtype = torch.float16


class BFloat16(Half):
    """bfloat16: 8 significant bits, the range of float32."""

    form = name = "bf16"
    dtype = torch.bfloat16


def _encode(codes: torch.Tensor, kept: torch.Tensor | None) -> list[bytes]:
    return pack_images(codes.view(torch.int16), lambda numbers: numbers.astype("<i2").tobytes(), kept=kept)


PAYLOADS.register("fp16", Float16)
PAYLOADS.register("bf16", BFloat16)
