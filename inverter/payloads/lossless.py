"""The bytes of the payload before it, compressed without loss; ``zlib``: deflated."""

from __future__ import annotations

import zlib

from torch import Tensor

from inverter.payloads.payload import PAYLOADS, Payload, Sent


class Lossless(Payload):
    """What the payload before it sends, compressed: features arrive as they would. Alone it takes float32 numbers."""

    ends = whole = True

    def compress(self, code: bytes) -> bytes:
        """The bytes that travel in place of ``code``."""
        raise NotImplementedError

    def forward(self, features: Tensor) -> Tensor:
        return features

    def transmit(self, sent: Sent) -> Sent:
        return Sent(sent.features, lambda: [self.compress(code) for code in sent.codes()], sent.kept)


class Zlib(Lossless):
    """Deflated at level 9."""

    form = name = "zlib"

    def compress(self, code: bytes) -> bytes:
        return zlib.compress(code, 9)


PAYLOADS.register("zlib", Zlib)
