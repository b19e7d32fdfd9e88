"""``mosaic-video:QP``: features of a clip as a video."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import av
import numpy as np

from inverter.payloads.mosaic import Mosaic
from inverter.payloads.payload import PAYLOADS, read_int

ENCODER = "keyint=infinite:scenecut=0:threads=1"
"""One intra frame, the first; what follows refers to what came before."""


class MosaicVideo(Mosaic):
    """The pictures of :class:`Mosaic`, in the order in which they are sent, as frames of one H.264 stream.

    Frames are coded without delay, each from those before it, so that what stays the same costs next to nothing. A
    stream is a session: it begins where noise would begin anew, with every shard of `prepare` and every picture of
    `invert`, and with features of another shape. Frames of clips that follow each other in a shard share its stream.
    Bytes are those of each frame's packet, the parameters of the stream in the first, without the encoder's remarks;
    and the range as two float32. Sides are made even and at least 16 by repeating the last row and column.

    Args:
        qp: Quantisation parameter, from 1 to 51; 42 is MPEG's example for features.
    """

    label, form = "mosaic-video", "mosaic-video:QP"
    codec, longest = "H.264", 4096
    knows = "all of it: the stream travels, of which each frame is coded from those before it"

    def __init__(self, qp: int) -> None:
        super().__init__(qp)
        self._stream: _Stream | None = None

    @classmethod
    def from_argument(cls, argument: str | None, seed: int) -> MosaicVideo:
        return cls(read_int("QP", argument, 1, 51))

    @property
    def known(self) -> str:
        """Nothing: what an attack tries is no frame of the stream."""
        return "identity"

    def restart(self, seed: int) -> None:
        self._stream = None

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_stream": None}  # a copy begins its own

    def _code_picture(self, levels: np.ndarray) -> tuple[np.ndarray, bytes]:
        height, width = levels.shape
        pad = (max(16, height + height % 2) - height, max(16, width + width % 2) - width)
        padded = np.pad(levels, [(0, size) for size in pad], mode="edge")
        if self._stream is None or self._stream.shape != padded.shape:
            self._stream = _Stream(padded.shape, self.quality)
        arrived, code = self._stream.send(padded)
        return arrived[:height, :width], code


class _Stream:
    """Encoder and decoder of grey frames of one size."""

    def __init__(self, shape: tuple[int, ...], qp: int) -> None:
        self.shape, self.count = shape, 0
        self.encoder: Any = av.CodecContext.create("libx264", "w")
        self.encoder.height, self.encoder.width = shape
        self.encoder.pix_fmt, self.encoder.time_base, self.encoder.framerate = "yuv420p", Fraction(1, 25), Fraction(25)
        self.encoder.options = {"qp": str(qp), "tune": "zerolatency", "x264-params": ENCODER}
        self.decoder: Any = av.CodecContext.create("h264", "r")
        self.decoder.thread_count = 1  # more would hold frames back

    def send(self, levels: np.ndarray) -> tuple[np.ndarray, bytes]:
        """What arrives of a frame, and its packet."""
        grey = np.concatenate([levels, np.full((levels.shape[0] // 2, levels.shape[1]), 128, np.uint8)])
        frame = av.VideoFrame.from_ndarray(grey, format="yuv420p")
        frame.pts, self.count = self.count, self.count + 1
        (packet,) = self.encoder.encode(frame)
        code = _without_remarks(bytes(packet))
        (decoded,) = self.decoder.decode(av.Packet(code))
        return decoded.to_ndarray()[: levels.shape[0]].copy(), code


def _without_remarks(code: bytes) -> bytes:
    """An Annex B packet without SEI units, in which x264 says how it was built."""
    units = code.replace(b"\0\0\0\1", b"\0\0\1").split(b"\0\0\1")[1:]
    return b"".join(b"\0\0\1" + unit for unit in units if unit[0] & 31 != 6)


PAYLOADS.register("mosaic-video", MosaicVideo)
