"""``zlib``: the bytes of the payload before it, deflated."""

from __future__ import annotations

import zlib

from torch import Tensor

from inverter.payloads.payload import PAYLOADS, Payload, Sent


class Zlib(Payload):
    """What the payload before it sends, alone 4 bytes a number, deflated at level 9: features arrive as they would."""

    form = name = "zlib"
    ends = whole = True

    def forward(self, features: Tensor) -> Tensor:
        return features

    def transmit(self, sent: Sent) -> Sent:
        return Sent(sent.features, lambda: [zlib.compress(code, 9) for code in sent.codes()], sent.kept)


PAYLOADS.register("zlib", Zlib)
