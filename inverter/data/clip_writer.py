"""Pictures to an MP4 file, and the frame rate of a clip."""

from __future__ import annotations

import io
from fractions import Fraction
from pathlib import Path

import av
import torch.nn.functional as F
from einops import rearrange
from torch import Tensor

from inverter.run.files import write_bytes

DEFAULT_RATE = Fraction(25)


def frame_rate(path: Path, stride: int = 1, fps: float | None = None) -> Fraction:
    """Frames a second of a clip once thinned; 25 where it does not say.

    Args:
        path: The clip.
        stride: Every so many-th frame was taken.
        fps: Or this many a second, or all where the clip has fewer.
    """
    with av.open(f"file:{path}", options={"protocol_whitelist": "file"}) as container:
        rate = container.streams.video[0].average_rate
    if fps is not None:
        wanted = Fraction(fps).limit_denominator(1000)
        return min(wanted, rate or wanted)
    return (rate or DEFAULT_RATE) / stride


def write_clip(path: Path, frames: Tensor, rate: Fraction = DEFAULT_RATE) -> None:
    """Write an MP4 (H.264, nearly lossless); odd sides get one more row or column, repeated.

    Args:
        path: Of the file; there in whole or not at all.
        frames: ``(T, 3, H, W)`` uint8, at least one.
        rate: Frames a second.
    """
    pad = (0, frames.shape[-1] % 2, 0, frames.shape[-2] % 2)
    padded = F.pad(frames.float(), pad, mode="replicate").byte() if any(pad) else frames
    stream = io.BytesIO()
    with av.open(stream, "w", format="mp4") as container:
        video = container.add_stream("libx264", rate=rate.limit_denominator(65535), options={"crf": "10"})
        video.width, video.height, video.pix_fmt = padded.shape[-1], padded.shape[-2], "yuv420p"
        for picture in rearrange(padded, "t c h w -> t h w c").contiguous().numpy():
            container.mux(video.encode(av.VideoFrame.from_ndarray(picture)))
        container.mux(video.encode())
    write_bytes(path, stream.getvalue())
