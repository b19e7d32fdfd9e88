"""Clips whose frames say by their shade which they are."""

from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

WriteClip = Callable[..., Path]


@pytest.fixture
def write_clip(tmp_path: Path) -> WriteClip:
    """Function that writes a clip in which frame n has the shade ``10 * n``, at ``rate`` frames a second."""

    def write(name: str, count: int = 7, codec: str = "mpeg4", rate: int = 10) -> Path:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        with av.open(str(path), "w") as container:
            stream = container.add_stream(codec, rate=rate)
            stream.width, stream.height, stream.pix_fmt = 32, 16, "yuvj420p" if codec == "mjpeg" else "yuv420p"
            for number in range(count):
                frame = av.VideoFrame.from_ndarray(
                    np.full((16, 32, 3), min(10 * number, 255), np.uint8), format="rgb24"
                )
                frame.pts, frame.time_base = number, Fraction(1, rate)
                container.mux(stream.encode(frame))
            container.mux(stream.encode())
        return path

    return write
