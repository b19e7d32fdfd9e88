"""Pictures of image shards by number, augmented anew in each epoch."""

from __future__ import annotations

import io
import tarfile
from pathlib import PurePosixPath
from typing import Any

import torch
from torch.utils.data import Dataset

from inverter.config.errors import one_line
from inverter.data.pictures import jitter, read_picture, to_tensor
from inverter.data.ranges import RangeReader
from inverter.data.sources.source import EXTENSIONS
from inverter.data.sources.tar import expand_shards
from inverter.data.tar import tar_entries
from inverter.data.url import open_url
from inverter.run.seeds import derive_seed


class ImageShardDataset(Dataset[dict[str, Any]]):
    """Augmented pictures; picture n of epoch e is number ``e * len(dataset) + n``.

    Args:
        pattern: Uncompressed image shards: path, glob, braces or an fsspec URL.
        resolution: Side of the pictures in pixels.
        seed: Seed of the augmentation, which depends on it, the epoch and the picture alone.
        limit: Use the first pictures only; None uses all.
    Raises:
        ValueError: A shard is missing or no uncompressed tar, no picture is in them, or ``limit`` is below 1.
    """

    def __init__(self, pattern: str, resolution: int, seed: int = 0, limit: int | None = None) -> None:
        if limit is not None and limit < 1:
            raise ValueError(f"limit={limit}; allowed: 1 or more, or null for all pictures")
        files = expand_shards(pattern)
        self.resolution, self.seed = resolution, seed
        self._reader = RangeReader(files)
        self._spans: list[tuple[int, int, int]] = []
        for number, file in enumerate(files):
            if limit is None or len(self._spans) < limit:
                self._spans += [(number, offset, size) for offset, size in find_pictures(file)]
        if not self._spans:
            raise ValueError(f"shards {pattern!r} hold no picture; allowed: {', '.join(EXTENSIONS)}")
        self._spans = self._spans[:limit]

    def __len__(self) -> int:
        return len(self._spans)

    def __getitem__(self, number: int) -> dict[str, Any]:
        return self.__getitems__([number])[0]

    def __getitems__(self, numbers: list[int]) -> list[dict[str, Any]]:
        """Several at once, fetched together from where the shards lie: ``key`` and ``image`` uint8 ``(3, S, S)``."""
        files = self._reader.read([self._spans[number % len(self)] for number in numbers])
        return [self._augment(number, data) for number, data in zip(numbers, files, strict=True)]

    def _augment(self, number: int, data: bytes) -> dict[str, Any]:
        epoch, index = divmod(number, len(self))
        name = f"{index} of {self._reader.files[self._spans[index][0]]}"
        seed = derive_seed(self.seed, "online", epoch, index)
        picture = jitter(read_picture(io.BytesIO(data), name), self.resolution, seed)
        return {"key": f"{index:07d}", "image": to_tensor(picture)}


def find_pictures(file: str) -> list[tuple[int, int]]:
    """Offset and size of each picture in an image shard, in its order.

    Raises:
        ValueError: The file is no uncompressed tar.
    """
    try:
        with open_url(file) as stream:
            return [
                (entry.offset_data, entry.size)
                for entry in tar_entries(stream, f"shard {file}")
                if entry.type in (tarfile.REGTYPE, tarfile.AREGTYPE)
                and PurePosixPath(entry.name).suffix.lower() in EXTENSIONS
            ]
    except OSError as error:
        raise ValueError(f"shard {file} cannot be opened: {one_line(error)}") from error


def collate_pictures(pictures: list[dict[str, Any]]) -> dict[str, Any]:
    """Batch of pictures in [0, 1], float32, with the names of batches of pairs."""
    return {
        "key": [picture["key"] for picture in pictures],
        "image": torch.stack([picture["image"] for picture in pictures]).float() / 255,
    }
