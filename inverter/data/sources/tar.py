"""Pictures of WebDataset shards, on disk or behind an fsspec URL."""

from __future__ import annotations

import glob
import io
import json
from collections.abc import Iterator
from typing import Any

import braceexpand
import fsspec
from webdataset.tariterators import group_by_keys, tar_file_expander

from inverter.data.manifest import is_url
from inverter.data.pictures import read_picture
from inverter.data.sources.source import EXTENSIONS, ImageSource, SourceImage, unique_key


class TarSource(ImageSource):
    """Pictures of WebDataset shards (``.tar``, ``.tar.gz``) with optional ``json`` or ``txt`` beside each.

    ``json`` may hold ``caption`` or ``text``, ``label`` (an integer) and ``group``. Going forward skips by counting,
    without decoding; going back starts again.

    Args:
        pattern: Path, glob, braces, or an fsspec URL.
        shard_size: Pictures a shard.
        num_images: Take the first pictures only; None takes all.
    Raises:
        ValueError: ``pattern`` matches nothing or names a command (``pipe:``).
    """

    def __init__(self, pattern: str, shard_size: int, num_images: int | None = None) -> None:
        super().__init__(shard_size, num_images)
        self.urls = expand_shards(pattern)
        self._samples: Iterator[dict[str, Any]] | None = None
        self._position = 0
        self._used: set[str] = set()

    def shard(self, index: int) -> Iterator[SourceImage]:
        numbers = self.numbers(index)
        if not numbers:
            return
        if self._samples is None or self._position > numbers.start:
            self._samples, self._position, self._used = self._open(), 0, set()
        for sample in self._samples:
            key = unique_key(sample["__key__"], self._used)
            self._position += 1
            if self._position > numbers.start:
                yield _decode_sample(key, sample)
            if self._position >= numbers.stop:
                return

    def _open(self) -> Iterator[dict[str, Any]]:
        for sample in group_by_keys(tar_file_expander(self._streams())):
            if any(extension[1:] in sample for extension in EXTENSIONS):
                yield sample

    def _streams(self) -> Iterator[dict[str, Any]]:
        for url in self.urls:  # opened here rather than by WebDataset, which would also run `pipe:` commands
            with fsspec.open(url, "rb") as stream:
                yield {"url": url, "stream": stream}


def expand_shards(pattern: str) -> list[str]:
    """Shards that a path, glob, brace pattern or URL names, in order.

    Raises:
        ValueError: A ``pipe:`` command, or nothing matches.
    """
    urls: list[str] = []
    for part in braceexpand.braceexpand(pattern):
        if part.lstrip().startswith("pipe:") or "::pipe:" in part:
            raise ValueError(f"shards {pattern!r} name a command; allowed: a path, glob, braces or URL")
        found = [part] if is_url(part) else sorted(glob.glob(part, recursive=True))  # noqa: PTH207 (Path.glob takes no absolute pattern)
        if not found:
            raise ValueError(f"shards {pattern!r}: {part!r} matches no file")
        urls += found
    return urls


def _decode_sample(key: str, sample: dict[str, Any]) -> SourceImage:
    name = f"{sample['__url__']}: {sample['__key__']}"
    data = next(sample[extension[1:]] for extension in EXTENSIONS if extension[1:] in sample)
    try:
        meta = json.loads(sample.get("json", b"{}"))
        text = sample.get("txt", b"").decode().strip()
    except ValueError as error:
        raise ValueError(f"{name}: json or txt cannot be read: {error}") from error
    if not isinstance(meta, dict):
        raise ValueError(f"{name}: json is a {type(meta).__name__}; allowed: an object")
    label = meta.get("label")
    return SourceImage(
        key,
        read_picture(io.BytesIO(data), name),
        text=str(meta.get("caption") or meta.get("text") or text),
        label=label if type(label) is int else -1,
        group=str(meta.get("group") or ""),
    )
