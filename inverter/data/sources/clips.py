"""Frames of a clip, one after the other: at no time are two of them in memory."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path

import av
import av.logging
from av.container import InputContainer
from PIL import Image

from inverter.data.pictures import to_rgb

log = logging.getLogger(__name__)
COMPLETE = 0.9
"""Share of the frames that a clip promises below which it breaks off; some containers promise a few too many."""
TRANSPARENT = {"vp8": "libvpx", "vp9": "libvpx-vp9"}
"""Decoders of the codecs whose usual one drops transparency."""


def read_frames(path: Path) -> Iterator[tuple[int, av.VideoFrame]]:
    """Frames of a clip's first video stream with their numbers, from 0; one without a time gets that of its number.

    Packets that cannot be decoded are left out; that there were some, or that the clip breaks off, is logged.

    Raises:
        ValueError: The file is no clip, or holds no picture.
    """
    count, faults = 0, Counter[str]()
    try:  # `file:` and the whitelist: a name or a playlist is never taken for something on the network
        with av.open(f"file:{path}", options={"protocol_whitelist": "file"}) as container:
            if not container.streams.video:
                raise ValueError(f"clip {path} holds no video stream")
            stream = container.streams.video[0]
            rate, promised = stream.average_rate, stream.frames
            for frame in _decode(container, faults):
                if frame.pts is None and rate:
                    frame.pts, frame.time_base = count, 1 / rate
                yield count, frame
                count += 1
    except (av.FFmpegError, OSError) as error:
        raise ValueError(f"clip {path} cannot be read: {error.strerror or error}") from error
    if not count:
        reason = next(iter(faults), "no frame in its video stream")
        raise ValueError(f"clip {path} cannot be read: {reason}")
    if promised > max(count / COMPLETE, count + 2):
        faults[f"{count} of {promised} frames are there"] += 1
    if faults:
        summary = ", ".join(
            f"{fault} ({times} times)" if times > 1 else fault for fault, times in faults.most_common(3)
        )
        log.warning("clip %s is damaged, %d frame(s) were read: %s", path, count, summary)


def _decode(container: InputContainer, faults: Counter[str]) -> Iterator[av.VideoFrame]:
    """Frames of the first video stream; what its decoder complains of is counted."""
    stream = container.streams.video[0]
    decoder = TRANSPARENT.get(stream.codec_context.name) if stream.metadata.get("alpha_mode") == "1" else None
    own = av.CodecContext.create(decoder, "r") if decoder in av.codecs_available else None
    packets = container.demux(stream)
    while True:
        frames: list[av.VideoFrame] = []
        with _complaints(faults):
            if (packet := next(packets, None)) is None:
                return
            frames = packet.decode() if own is None else own.decode(packet if packet.size else None)  # type: ignore
        faults.update("corrupt frame" for frame in frames if frame.is_corrupt)
        yield from frames


@contextmanager
def _complaints(faults: Counter[str]) -> Iterator[None]:
    """Count errors of FFmpeg, raised or only logged, by their text."""
    level = av.logging.get_level()
    av.logging.set_level(av.logging.ERROR)
    try:
        with av.logging.Capture(local=False) as messages:
            try:
                yield
            except av.InvalidDataError as error:
                faults[str(error.strerror)] += 1
        faults.update(message.strip() for _, _, message in messages)
    finally:
        av.logging.set_level(level)


def thin(
    frames: Iterator[tuple[int, av.VideoFrame]], stride: int = 1, fps: float | None = None
) -> Iterator[tuple[int, av.VideoFrame]]:
    """Every ``stride``-th frame, or the first frame in each 1 / ``fps`` seconds from the first frame on.

    Raises:
        ValueError: ``fps`` is asked of frames without a time.
    """
    start, taken = None, -1
    for number, frame in frames:
        if fps is None:
            if number % stride == 0:
                yield number, frame
            continue
        if frame.pts is None or frame.time_base is None:
            raise ValueError(
                f"video.fps={fps}, but frame {number} has no time and its clip no frame rate; allowed: null, which "
                "goes by video.stride"
            )
        time = frame.pts * frame.time_base
        start = time if start is None else start
        if (turn := int((time - start) * Fraction(fps))) > taken:
            taken = turn
            yield number, frame


def to_picture(frame: av.VideoFrame) -> Image.Image:
    """RGB picture of a frame, turned as the clip says; a transparent one is laid on white."""
    if any(component.is_alpha for component in frame.format.components) or frame.format.has_palette:
        picture = to_rgb(Image.fromarray(frame.to_ndarray(format="rgba")))
    else:
        picture = frame.to_image()
    return picture.rotate(frame.rotation, expand=True) if frame.rotation else picture
