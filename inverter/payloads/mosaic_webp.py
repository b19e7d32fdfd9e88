"""``mosaic-webp:Q``: features as a lossy WebP."""

from __future__ import annotations

from inverter.payloads.mosaic import Mosaic
from inverter.payloads.payload import PAYLOADS


class MosaicWebp(Mosaic):
    """A lossy WebP of quality ``Q``; its planes of colour, which it always has, are empty."""

    label, form = "mosaic-webp", "mosaic-webp:Q"
    codec, longest = "WEBP", 16383


PAYLOADS.register("mosaic-webp", MosaicWebp)
