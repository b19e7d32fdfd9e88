"""``normalise``: features scaled to length 1, as vector stores keep them for cosine search."""

from __future__ import annotations

import torch
from torch import Tensor

from inverter.payloads.payload import PAYLOADS, Payload, Sent, each_image


class Normalise(Payload):
    """An image's features divided by their L2 norm; zeros stay zeros. The gradient is its own.

    Four bytes a number; behind ``truncate`` the numbers that are kept.
    """

    form = name = "normalise"
    knows = "all of it; how long the features were is lost"

    def forward(self, features: Tensor) -> Tensor:
        square = each_image(lambda numbers: numbers.square().sum(), features.float())
        return features / square.clamp_min(torch.finfo(torch.float32).tiny).sqrt().to(features.dtype)

    def transmit(self, sent: Sent) -> Sent:
        return Sent(self(sent.features), kept=sent.kept)


PAYLOADS.register("normalise", Normalise)
