"""``int8``: 8-bit quantisation."""

from __future__ import annotations

import torch
from torch import Tensor

from inverter.payloads.payload import PAYLOADS, Payload, StraightThrough, per_image

LEVELS = 127


class Int8(Payload):
    """Symmetric 8-bit quantisation and back, one scale per image's tensor; the gradient passes straight through."""

    form = name = "int8"

    def forward(self, features: Tensor) -> Tensor:
        exact = features.detach().float()
        scale = per_image(exact.flatten(1).abs().amax(1), exact) / LEVELS
        scale = scale.clamp_min(torch.finfo(torch.float32).tiny)
        sent = torch.round(exact / scale).clamp(-LEVELS, LEVELS) * scale
        return StraightThrough.apply(features, sent.to(features.dtype))


PAYLOADS.register("int8", Int8)
