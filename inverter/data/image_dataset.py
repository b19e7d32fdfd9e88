"""Pictures of image shards by number, augmented anew in each epoch."""

from __future__ import annotations

import io
import logging
import tarfile
from itertools import groupby
from typing import Any

import torch
from PIL import Image
from torch.utils.data import Dataset
from webdataset.tariterators import base_plus_ext

from inverter.config.errors import one_line
from inverter.data.origins import Origins, merge_origins, picture_hash
from inverter.data.pictures import jitter, mirrors, read_picture, swap_sides, to_tensor
from inverter.data.ranges import RangeReader
from inverter.data.sources.source import EXTENSIONS
from inverter.data.sources.tar import KeyOrder, expand_shards, is_member, picture_member, plain_name, read_annotations
from inverter.data.tar import tar_entries
from inverter.data.url import open_url
from inverter.run.progress import track
from inverter.run.seeds import derive_seed

log = logging.getLogger(__name__)
AT_ONCE = 64  # pictures
Members = tuple[tuple[str, int, int], ...]
"""Ending, offset and size of a picture, and of the ``json`` and ``txt`` beside it."""


class ImageShardDataset(Dataset[dict[str, Any]]):
    """Augmented pictures and their texts; picture n of epoch e is number ``e * len(dataset) + n``.

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
        self._places: list[tuple[int, Members]] = []
        for number, file in enumerate(files):
            if limit is None or len(self._places) < limit:
                self._places += [(number, members) for members in find_pictures(file)]
        if not self._places:
            raise ValueError(f"shards {pattern!r} hold no picture; allowed: {', '.join(EXTENSIONS)}")
        self._places = self._places[:limit]

    def __len__(self) -> int:
        return len(self._places)

    def origins(self) -> Origins:
        """Those of all pictures, each of which is read.

        Raises:
            ValueError: A picture cannot be read.
        """
        found = []
        for first in track(range(0, len(self), AT_ONCE), "compare pictures"):
            numbers = range(first, min(first + AT_ONCE, len(self)))
            for index, data in zip(numbers, self._reader.read([self._span(n) for n in numbers]), strict=True):
                picture, annotations = self._open(index, data)
                group = str(annotations.get("group") or "")
                found.append(Origins.of(f"{index:07d}", picture_hash(picture), group))
        return merge_origins(found)

    def __getitem__(self, number: int) -> dict[str, Any]:
        return self.__getitems__([number])[0]

    def __getitems__(self, numbers: list[int]) -> list[dict[str, Any]]:
        """Several at once, fetched together: ``key``, ``image`` uint8 ``(3, S, S)``, ``text``.

        The text of a mirrored picture changes sides.
        """
        blocks = self._reader.read([self._span(number % len(self)) for number in numbers])
        return [self._augment(number, data) for number, data in zip(numbers, blocks, strict=True)]

    def _span(self, index: int) -> tuple[int, int, int]:
        """Shard of a picture, and offset and size of what it and its text cover."""
        shard, members = self._places[index]
        begin = min(offset for _, offset, _ in members)
        return shard, begin, max(offset + size for _, offset, size in members) - begin

    def _augment(self, number: int, data: bytes) -> dict[str, Any]:
        epoch, index = divmod(number, len(self))
        picture, annotations = self._open(index, data)
        seed = derive_seed(self.seed, "online", epoch, index)
        picture = jitter(picture, self.resolution, seed)
        text = swap_sides(annotations["caption"]) if mirrors(seed) else annotations["caption"]
        return {"key": f"{index:07d}", "image": to_tensor(picture), "text": text}

    def _open(self, index: int, data: bytes) -> tuple[Image.Image, dict[str, Any]]:
        """A picture as it is in its shard, and what is said of it."""
        shard, begin, _ = self._span(index)
        file = self._reader.files[shard]
        members = {member: data[at - begin : at - begin + size] for member, at, size in self._places[index][1]}
        encoded = members.pop(self._places[index][1][0][0])
        picture = read_picture(io.BytesIO(encoded), f"{index} of {file}")
        return picture, read_annotations({"__key__": index, "__url__": file, **members})


def find_pictures(file: str) -> list[Members]:
    """Where the picture of each key of an image shard lies, first, and what is said of it, in the shard's order.

    Raises:
        ValueError: The file is no uncompressed tar, or a key has several pictures or members that do not lie together.
    """
    pictures: list[Members] = []
    dotted: list[str] = []
    order = KeyOrder()
    try:
        with open_url(file) as stream:
            entries = ((plain_name(entry.name), entry) for entry in tar_entries(stream, f"shard {file}"))
            files = ((n, e) for n, e in entries if e.type in (tarfile.REGTYPE, tarfile.AREGTYPE) and is_member(n))
            for key, group in groupby(files, lambda item: base_plus_ext(item[0])[0]):
                named = [(base_plus_ext(name)[1].lower(), (e.offset_data, e.size)) for name, e in group if key]
                members = dict(named)
                if len(members) < len(named):
                    raise ValueError(f"shard {file}: a member of key {key!r} occurs twice; allowed: once")
                picture = picture_member(members, key)
                dotted += [f"{key}.{name}" for name in members if picture is None and name.endswith(EXTENSIONS)]
                texts = [name for name in ("json", "txt") if name in members]
                order.check(file, key, picture is not None, bool(texts))
                if picture is not None:
                    pictures.append(tuple((name, *members[name]) for name in (picture, *texts)))
    except OSError as error:
        raise ValueError(f"shard {file} cannot be opened: {one_line(error)}") from error
    if dotted:
        reason = "has a dot before its ending, where WebDataset ends the key"
        log.warning("shard %s: %d picture(s) are left out; %r %s", file, len(dotted), dotted[0], reason)
    return pictures


def collate_pictures(pictures: list[dict[str, Any]]) -> dict[str, Any]:
    """Batch of pictures in [0, 1], float32, with the names of batches of pairs."""
    return {
        **{name: [picture[name] for picture in pictures] for name in ("key", "text")},
        "image": torch.stack([picture["image"] for picture in pictures]).float() / 255,
    }
