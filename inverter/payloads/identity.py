"""``identity``: the features as they are."""

from __future__ import annotations

from torch import Tensor

from inverter.payloads.payload import PAYLOADS, Payload


class Identity(Payload):
    """The features, untouched."""

    form = name = "identity"

    def forward(self, features: Tensor) -> Tensor:
        return features


PAYLOADS.register("identity", Identity)
