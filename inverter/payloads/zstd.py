"""``zstd``: the bytes of the payload before it, by Zstandard."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.util import find_spec

from inverter.payloads.lossless import Lossless
from inverter.payloads.payload import PAYLOADS


class Zstd(Lossless):
    """By Zstandard (the package ``zstandard``) at its own level, 3, as one frame that does not say its length."""

    form = name = "zstd"

    def check(self, shape: Sequence[int]) -> None:
        if find_spec("zstandard") is None:
            raise ValueError("payload=zstd needs zstandard; install '.[zstd]' in the checkout")

    def compress(self, code: bytes) -> bytes:
        import zstandard

        return zstandard.ZstdCompressor(level=3, write_content_size=False).compress(code)


PAYLOADS.register("zstd", Zstd)
