"""``mosaic-video:QP``: features of a clip as a video."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, cast

import av
import numpy as np

from inverter.payloads.mosaic import Mosaic
from inverter.payloads.payload import PAYLOADS, read_int


@dataclass(frozen=True)
class Codec:
    """A video codec as PyAV calls it.

    Args:
        encoder: Library that encodes.
        decoder: What decodes.
        options: Of the encoder, ``{qp}`` standing for the quantisation parameter: one intra frame, the first, what
            follows refers to what came before; one thread.
        side: Least number of pixels a side.
    """

    encoder: str
    decoder: str
    options: dict[str, str]
    side: int


CODECS = {
    "h264": Codec("libx264", "h264", {"qp": "{qp}", "x264-params": "keyint=infinite:scenecut=0:threads=1"}, 16),
    "hevc": Codec(
        "libx265",
        "hevc",
        {"x265-params": "qp={qp}:keyint=-1:scenecut=0:pools=none:frame-threads=1:wpp=0:info=0:log-level=none"},
        66,  # two coding units: of one across, x265 reads memory that was never written, and codes what it finds
    ),
}


class MosaicVideo(Mosaic):
    """The pictures of :class:`Mosaic`, in the order in which they are sent, as frames of one H.264 or HEVC stream.

    Frames are coded without delay, each from those before it, so that what stays the same costs next to nothing. A
    stream is a session: it begins where noise would begin anew, with every shard of `prepare` and every picture of
    `invert`, and with features of another shape. Frames of clips that follow each other in a shard share its stream.
    Bytes are those of each frame's packet, the parameters of the stream in the first, without the encoder's remarks;
    and the range as two float32. Sides are made even and at least 16, of HEVC 66, by repeating the last row and column.

    Args:
        qp: Quantisation parameter, from 1 to 51; 42 is MPEG's example for features.
        codec: Of :data:`CODECS`.
    """

    label, form = "mosaic-video", "mosaic-video:QP or mosaic-video:QP:hevc"
    longest = 4096
    knows = "all of it: the stream travels, of which each frame is coded from those before it"

    def __init__(self, qp: int, codec: str = "h264") -> None:
        super().__init__(qp)
        self.video = CODECS[codec]
        if codec != "h264":
            self.name = f"{self.name}:{codec}"
        self._stream: _Stream | None = None

    @classmethod
    def from_argument(cls, argument: str | None, seed: int) -> MosaicVideo:
        qp, separator, codec = (argument or "").partition(":")
        if separator and codec not in CODECS:
            raise ValueError(f"codec is {codec!r}; it must be one of {', '.join(CODECS)}")
        return cls(read_int("QP", qp, 1, 51), codec or "h264")

    def check(self, shape: Sequence[int]) -> None:
        super().check(shape)
        if self.video.encoder not in av.codecs_available:
            raise ValueError(
                f"payload={self.name} needs {self.video.encoder}, which PyAV {av.__version__} has not here; install "
                "the wheel of 'av' from PyPI"
            )

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
        least = self.video.side
        pad = (max(least, height + height % 2) - height, max(least, width + width % 2) - width)
        padded = np.pad(levels, [(0, size) for size in pad], mode="edge")
        if self._stream is None or self._stream.shape != padded.shape:
            self._stream = _Stream(padded.shape, self.video, self.quality)
        arrived, code = self._stream.send(padded)
        return arrived[:height, :width], code


class _Stream:
    """Encoder and decoder of grey frames of one size."""

    def __init__(self, shape: tuple[int, ...], codec: Codec, qp: int) -> None:
        self.shape, self.count = shape, 0
        self.encoder = cast(Any, av.CodecContext.create(codec.encoder, "w"))
        self.encoder.height, self.encoder.width = shape
        self.encoder.pix_fmt, self.encoder.time_base, self.encoder.framerate = "yuv420p", Fraction(1, 25), Fraction(25)
        options = {name: value.format(qp=qp) for name, value in codec.options.items()}
        self.encoder.options = {"tune": "zerolatency", **options}
        self.decoder: Any = av.CodecContext.create(codec.decoder, "r")
        self.clean = _without_remarks if codec.decoder == "h264" else bytes  # x265 is told to leave them out
        self.decoder.thread_count = 1  # more would hold frames back

    def send(self, levels: np.ndarray) -> tuple[np.ndarray, bytes]:
        """What arrives of a frame, and its packet."""
        grey = np.concatenate([levels, np.full((levels.shape[0] // 2, levels.shape[1]), 128, np.uint8)])
        frame = av.VideoFrame.from_ndarray(grey, format="yuv420p")
        frame.pts, self.count = self.count, self.count + 1
        (packet,) = self.encoder.encode(frame)
        code = self.clean(bytes(packet))
        (decoded,) = self.decoder.decode(av.Packet(code))
        return decoded.to_ndarray()[: levels.shape[0]].copy(), code


def _without_remarks(code: bytes) -> bytes:
    """An Annex B packet without SEI units, in which x264 says how it was built."""
    units = code.replace(b"\0\0\0\1", b"\0\0\1").split(b"\0\0\1")[1:]
    return b"".join(b"\0\0\1" + unit for unit in units if unit[0] & 31 != 6)


PAYLOADS.register("mosaic-video", MosaicVideo)
