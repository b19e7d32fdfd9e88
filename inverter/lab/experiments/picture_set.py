"""What is inverted: pictures that nothing was trained on, their sources and what is said of them."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path, PurePath

import torch
from torch import Tensor

from inverter.config import VideoConfig
from inverter.data.inputs import Input
from inverter.data.picture_cache import decode_sample
from inverter.data.pictures import square, to_tensor
from inverter.data.sources.photos import PHOTOS, PhotoSource, find_photo
from inverter.data.sources.tar import TarSource
from inverter.data.sources.video import VideoSource
from inverter.evaluation.judges import Gallery
from inverter.lab.experiments.config import PicturesConfig


@dataclass(frozen=True)
class Picture:
    """One picture.

    Args:
        key: Its name.
        image: ``(3, S, S)`` uint8.
        group: Photo or clip that it was cut from; intervals resample these.
        caption: What it shows; ``foreground`` and ``background`` are its parts. Each may be empty.
        block: Frames of a clip that are resampled together; empty elsewhere.
        shows: Its class, or the photo that it was cut from.
    """

    key: str
    image: Tensor
    group: str
    caption: str = ""
    foreground: str = ""
    background: str = ""
    block: str = ""
    shows: str = ""

    @property
    def input(self) -> Input:
        """As the white-box library takes it."""
        return Input(self.key, self.image)

    @property
    def sha256(self) -> str:
        """Of the pixels."""
        return hashlib.sha256(self.image.numpy().tobytes()).hexdigest()[:16]


@dataclass(frozen=True)
class PictureSet:
    """Pictures to invert, distractors that are not among them, and where both come from."""

    items: tuple[Picture, ...]
    gallery: Gallery | None
    source: str


def read_pictures(config: PicturesConfig, count: int, size: int) -> PictureSet:
    """The first ``count`` pictures at ``size`` pixels a side; the distractors are those behind them.

    Raises:
        ValueError: There are fewer pictures, or shards cannot be read.
    """
    stream = _from_shards(config.val, size) if config.val else _from_packages(size)
    items = tuple(islice(stream, count))
    if len(items) < count:
        raise ValueError(
            f"images is {count}, but {config.val or 'the packages'} hold {len(items)}; allowed: up to that"
        )
    others = list(islice(stream, config.num_distractors))
    gallery = None
    if others:
        gallery = Gallery(torch.stack([p.image for p in others]).float() / 255, tuple(p.group for p in others))
    source = PurePath(config.val).name if config.val else "photos and film frames that install with packages"
    return PictureSet(items, gallery, source)


def read_frames(clip: str, video: VideoConfig, count: int, block: int, size: int) -> list[Picture]:
    """The first frames of a clip: a file, or the name of one that a package ships.

    Raises:
        ValueError: There is no such clip, or it has fewer than two frames.
    """
    shipped = {photo.group: photo for photo in PHOTOS if photo.is_clip}
    path = find_photo(shipped[clip]) if clip in shipped else Path(clip)
    if not path.is_file():
        raise ValueError(f"clips: {clip!r} is no file; allowed: video files, {', '.join(shipped)}")
    source = VideoSource(str(path), max(count, 1), count, stride=video.stride, fps=video.fps)
    frames = [
        Picture(item.key, to_tensor(square(item.image, size)), item.group, block=f"{item.group}/{i // block}")
        for i, item in enumerate(source.shard(0))
    ]
    if len(frames) < 2:
        raise ValueError(f"clips: {clip!r} has {len(frames)} frame(s); allowed: two or more")
    return frames


def batches(items: Sequence[Picture], size: int) -> Iterator[list[Picture]]:
    """Groups of ``size``, the last smaller."""
    for first in range(0, len(items), size):
        yield list(items[first : first + size])


def _from_shards(pattern: str, size: int) -> Iterator[Picture]:
    for key, sample in TarSource(pattern, shard_size=1).items():
        decoded = decode_sample(sample, size)
        words = (decoded["caption"], decoded["foreground"] or decoded["caption"], decoded["background"])
        yield Picture(key, decoded["image"], decoded["group"] or key, *words, shows=decoded["wnid"] or words[0])


def _from_packages(size: int) -> Iterator[Picture]:
    for item in PhotoSource(shard_size=1 << 20, num_images=1 << 12).shard(0):
        yield Picture(item.key, to_tensor(square(item.image, size)), item.group, item.text, item.text, shows=item.group)
