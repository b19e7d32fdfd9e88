"""Frames of video files, with clip and frame number."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path

import av

from inverter.data.pattern import find_files
from inverter.data.sources.clips import read_frames, thin, to_picture
from inverter.data.sources.source import SequentialSource, SourceImage, unique_key

EXTENSIONS = (".mp4", ".m4v", ".mov", ".mkv", ".webm", ".avi", ".mpg", ".mpeg", ".ts", ".ogv", ".flv", ".gif")


class VideoSource(SequentialSource[tuple[str, int, av.VideoFrame]]):
    """Frames of clips, clip by clip in the order of their paths; the frames of a clip share its group.

    A clip is decoded as its frames are asked for and never held as a whole.

    Args:
        pattern: A file, a folder (with subfolders, by extension) or a glob.
        shard_size: Frames a shard.
        num_images: Take the first frames only; None takes all.
        stride: Take every so many-th frame.
        fps: Take this many frames a second instead, or all where a clip has fewer; None goes by ``stride``.
    Raises:
        ValueError: ``pattern`` matches no clip, or ``stride`` or ``fps`` is not allowed.
    """

    def __init__(
        self,
        pattern: str,
        shard_size: int,
        num_images: int | None = None,
        *,
        stride: int = 1,
        fps: float | None = None,
    ) -> None:
        super().__init__(shard_size, num_images)
        if stride < 1:
            raise ValueError(f"video.stride={stride}; allowed: 1 or more")
        if fps is not None and not (math.isfinite(fps) and fps > 0):
            raise ValueError(f"video.fps={fps}; allowed: a positive number, or null to go by video.stride")
        if fps is not None and stride != 1:
            raise ValueError(f"video.stride={stride} video.fps={fps}; allowed: one of the two")
        self.stride, self.fps = stride, fps
        self.clips = find_clips(pattern)

    def items(self) -> Iterator[tuple[str, int, av.VideoFrame]]:
        for clip, path in self.clips.items():
            for number, frame in thin(read_frames(path), self.stride, self.fps):
                yield clip, number, frame

    def decode(self, item: tuple[str, int, av.VideoFrame]) -> SourceImage:
        clip, number, frame = item
        return SourceImage(f"{clip}-{number:06d}", to_picture(frame), group=clip, clip=clip, frame=number)


def find_clips(pattern: str) -> dict[str, Path]:
    """Clips that a file, folder or glob names, by a key made of each path.

    Raises:
        ValueError: There is none.
    """
    path, root = Path(pattern), Path(pattern)
    if path.is_dir():
        found = sorted(p for p in path.rglob("*") if p.suffix.lower() in EXTENSIONS and p.is_file())
    else:
        root = path.parent
        found = [p for p in map(Path, find_files(pattern)) if p.is_file()]
    if not found:
        raise ValueError(
            f"source=video:{pattern} names no clip; allowed: a file, a glob, or a folder with {', '.join(EXTENSIONS)}"
        )
    used: set[str] = set()
    return {unique_key(_stem(p, root), used): p for p in found}


def _stem(path: Path, root: Path) -> str:
    inside = path.relative_to(root) if path.is_relative_to(root) else Path(path.name)
    return str(inside.with_suffix(""))
