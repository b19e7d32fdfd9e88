"""Frames of a clip, one after the other: at no time are two of them in memory."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import av
from PIL import Image


def read_frames(path: Path) -> Iterator[tuple[int, av.VideoFrame]]:
    """Frames of a clip's first video stream with their numbers, from 0; one without a time gets that of its number.

    Raises:
        ValueError: The file is no clip, holds no picture, or breaks off.
    """
    try:  # `file:` and the whitelist: a name or a playlist is never taken for something on the network
        with av.open(f"file:{path}", options={"protocol_whitelist": "file"}) as container:
            if not container.streams.video:
                raise ValueError(f"clip {path} holds no video stream")
            rate = container.streams.video[0].average_rate
            for number, frame in enumerate(container.decode(video=0)):
                if frame.pts is None and rate:
                    frame.pts, frame.time_base = number, 1 / rate
                yield number, frame
    except (av.FFmpegError, OSError) as error:
        raise ValueError(f"clip {path} cannot be read: {error.strerror or error}") from error


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
    """RGB picture of a frame, turned as the clip says."""
    picture = frame.to_image()
    return picture.rotate(frame.rotation, expand=True) if frame.rotation else picture
