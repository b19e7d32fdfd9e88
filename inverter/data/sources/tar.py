"""Pictures of WebDataset shards, on disk or behind an fsspec URL."""

from __future__ import annotations

import glob
import io
import logging
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import braceexpand
from webdataset.tariterators import group_by_keys, tar_file_expander

from inverter.data.pattern import find_files, split_folder
from inverter.data.pictures import read_picture
from inverter.data.sources.source import EXTENSIONS, SequentialSource, SourceImage, unique_key
from inverter.data.tar import DAMAGED
from inverter.data.url import file_system, is_url, open_url
from inverter.run.parse import parse_json

log = logging.getLogger(__name__)
SUFFIXES = (".tar", ".tar.gz")


class TarSource(SequentialSource[tuple[str, dict[str, Any]]]):
    """Pictures of WebDataset shards (``.tar``, ``.tar.gz``) with optional ``json`` or ``txt`` beside each.

    ``json`` may hold ``caption`` or ``text``, ``label`` (an integer) and ``group``.

    Args:
        pattern: Path, glob, braces, or an fsspec URL.
        shard_size: Pictures a shard.
        num_images: Take the first pictures only; None takes all.
    Raises:
        ValueError: ``pattern`` matches nothing or names a command (``pipe:``).
    """

    def __init__(self, pattern: str, shard_size: int, num_images: int | None = None) -> None:
        super().__init__(shard_size, num_images)
        self.pattern, self.urls = pattern, expand_shards(pattern)

    def items(self) -> Iterator[tuple[str, dict[str, Any]]]:
        used: set[str] = set()
        dotted: list[str] = []
        try:
            for sample in group_by_keys(tar_file_expander(self._streams())):
                if any(extension[1:] in sample for extension in EXTENSIONS):
                    yield unique_key(sample["__key__"], used), sample
                else:
                    dotted += [f"{sample['__key__']}.{name}" for name in sample if name.endswith(EXTENSIONS)]
        except (*DAMAGED, EOFError, zlib.error) as error:
            first = error.args[0] if error.args else None  # WebDataset adds the stream behind it
            reason = first.partition(" @ ")[0] if isinstance(first, str) else type(error).__name__
            raise ValueError(f"source=shards:{self.pattern} cannot be read: {reason}") from error
        reason = f"; {dotted[0]!r} has a dot before its ending, where WebDataset ends the key" if dotted else ""
        if not used:
            raise ValueError(f"shards {self.pattern!r} hold no picture; allowed: {', '.join(EXTENSIONS)}{reason}")
        if dotted:
            log.warning("shards %r: %d picture(s) are left out%s", self.pattern, len(dotted), reason)

    def decode(self, item: tuple[str, dict[str, Any]]) -> SourceImage:
        return _decode_sample(*item)

    def _streams(self) -> Iterator[dict[str, Any]]:
        for url in self.urls:  # opened here rather than by WebDataset, which would also run `pipe:` commands
            with open_url(url) as stream:
                yield {"url": url, "stream": stream}


def expand_shards(pattern: str) -> list[str]:
    """Shards that a path or URL names, with globs and braces, in order; a file of that very name comes before these.

    Raises:
        ValueError: A ``pipe:`` command, or nothing matches.
    """
    if "pipe:" in pattern and any(map(_is_command, braceexpand.braceexpand(pattern))):
        raise ValueError(f"shards {pattern!r} name a command; allowed: a path, glob, braces or URL")
    if Path(pattern).is_file():
        return [pattern]
    folder, rest = split_folder(pattern)
    urls: list[str] = []
    for part in map(folder.__add__, braceexpand.braceexpand(rest)):
        found = _glob_url(part) if is_url(part) else find_files(part)
        if not found:
            raise ValueError(f"shards {pattern!r}: {part!r} matches no file")
        urls += found
    return urls


def _is_command(part: str) -> bool:
    return part.lstrip().startswith("pipe:") or "::pipe:" in part


def _glob_url(url: str) -> list[str]:
    if not glob.has_magic(url):
        return [url]
    files, pattern = file_system(url)
    if files.exists(pattern):
        return [url]
    return sorted(files.unstrip_protocol(path) for path in files.glob(pattern))


def _decode_sample(key: str, sample: dict[str, Any]) -> SourceImage:
    data = next(sample[extension[1:]] for extension in EXTENSIONS if extension[1:] in sample)
    said = read_said(sample)
    label = said.get("label")
    return SourceImage(
        key,
        read_picture(io.BytesIO(data), f"{sample['__url__']}: {sample['__key__']}"),
        text=said["caption"],
        label=label if type(label) is int else -1,
        group=str(said.get("group") or ""),
    )


def read_said(sample: dict[str, Any]) -> dict[str, Any]:
    """What a WebDataset sample says of its picture.

    Returns:
        Its ``json``; ``caption`` is that, else ``text``, else the sample's ``txt``, else ``""``.
    Raises:
        ValueError: ``json`` or ``txt`` cannot be read, or ``json`` is no object.
    """
    name = f"{sample.get('__url__', 'sample')}: {sample.get('__key__')}"
    try:
        said = parse_json(sample.get("json", b"{}"))
        text = sample.get("txt", b"").decode().strip()
    except ValueError as error:
        raise ValueError(f"{name}: json or txt cannot be read: {error}") from error
    if not isinstance(said, dict):
        raise ValueError(f"{name}: json is a {type(said).__name__}; allowed: an object")
    return {**said, "caption": str(said.get("caption") or said.get("text") or text)}
