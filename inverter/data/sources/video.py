"""Frames of video files, with clip and frame number."""

from __future__ import annotations

import functools
import math
from collections.abc import Iterator
from pathlib import Path

import av

from inverter.data.files import extension, is_hidden, visible_files
from inverter.data.origins import short_hash
from inverter.data.pattern import find_files, split_folder
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

    def listing(self) -> list[str]:
        return [f"{clip}:{path.stat().st_size}" for clip, path in self.clips.items()]

    def items(self) -> Iterator[tuple[str, int, av.VideoFrame]]:
        for clip, path in self.clips.items():
            for number, frame in thin(read_frames(path), self.stride, self.fps):
                yield clip, number, frame

    def decode(self, item: tuple[str, int, av.VideoFrame]) -> SourceImage:
        clip, number, frame = item
        picture, key = to_picture(frame), f"{clip}-{number:06d}"
        return SourceImage(key, picture, group=clip, clip=clip, frame=number, origin=file_hash(self.clips[clip]))


@functools.cache
def file_hash(path: Path) -> str:
    """Short hash of a file: a clip is the same one under another name."""
    with path.open("rb") as stream:
        return short_hash(iter(lambda: stream.read(1 << 20), b""))


def find_clips(pattern: str) -> dict[str, Path]:
    """Clips that a file, folder or glob names, by a key made of each path; hidden ones are left out.

    Raises:
        ValueError: There is none.
    """
    path, root = Path(pattern), Path(pattern)
    if path.is_dir():
        clips = [p for p in visible_files(path) if extension(p) in EXTENSIONS]
    else:
        root = path.parent
        clips = [p for p in map(Path, find_files(pattern)) if p.is_file()]
        asked, _ = split_folder(pattern)  # what is hidden above it was asked for
        clips = [p for p in clips if p == path or not is_hidden(_inside(p, Path(asked)))]
    if not clips:
        raise ValueError(
            f"source=video:{pattern} names no clip; allowed: a file, a glob, or a folder with {', '.join(EXTENSIONS)}"
        )
    used: set[str] = set()
    return {unique_key(_stem(p, root), used): p for p in clips}


def _inside(path: Path, root: Path) -> Path:
    return path.relative_to(root) if path.is_relative_to(root) else Path(path.name)


def _stem(path: Path, root: Path) -> str:
    return str(_inside(path, root).with_suffix(""))
