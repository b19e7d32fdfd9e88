"""``mosaic-jpeg:Q``: features as a JPEG."""

from __future__ import annotations

from inverter.payloads.mosaic import Mosaic
from inverter.payloads.payload import PAYLOADS


class MosaicJpeg(Mosaic):
    """A grey baseline JPEG of quality ``Q``, its Huffman tables fitted to the picture."""

    label, form = "mosaic-jpeg", "mosaic-jpeg:Q"
    codec, longest, options = "JPEG", 65500, {"optimize": True}


PAYLOADS.register("mosaic-jpeg", MosaicJpeg)
