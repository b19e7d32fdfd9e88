"""Pictures of WebDataset shards, on disk or behind an fsspec URL."""

from __future__ import annotations

import glob
import io
import logging
import unicodedata
import zlib
from collections import Counter
from collections.abc import Collection, Iterator
from pathlib import Path, PurePosixPath
from typing import Any

import braceexpand
from webdataset.tariterators import group_by_keys

from inverter.config.parse import parse_json
from inverter.data.files import is_hidden
from inverter.data.pattern import find_files, split_folder
from inverter.data.pictures import read_picture
from inverter.data.sources.folder import CONTAINERS, UNREAD
from inverter.data.sources.source import EXTENSIONS, SequentialSource, SourceImage, unique_key
from inverter.data.tar import DAMAGED, tar_members
from inverter.data.url import file_system, is_url, open_url

log = logging.getLogger(__name__)
SUFFIXES = (".tar", ".tar.gz", ".tgz")
PICTURE = "__picture__"
"""Where a sample holds the bytes of its picture, whatever their ending."""


def is_shards(name: str) -> bool:
    """Whether a path, glob or URL names image shards, by its ending in any case."""
    return name.lower().endswith(SUFFIXES)


class TarSource(SequentialSource[tuple[str, dict[str, Any]]]):
    """Pictures of WebDataset shards (``.tar``, ``.tar.gz``, ``.tgz``) with ``json``, ``txt`` or ``cls`` beside some.

    ``json`` may hold ``caption`` or ``text``, ``label`` (an integer, else that of ``cls``) and ``group``. Hidden
    members are left out.

    Args:
        pattern: Path, glob, braces, or an fsspec URL.
        shard_size: Pictures a shard.
        num_images: Take the first pictures only; None takes all.
        member: Ending of the pictures, such as ``jpg``, where a key has several; None: there is one.
    Raises:
        ValueError: ``pattern`` matches nothing or names a command (``pipe:``).
    """

    def __init__(
        self, pattern: str, shard_size: int, num_images: int | None = None, *, member: str | None = None
    ) -> None:
        super().__init__(shard_size, num_images)
        self.pattern, self.urls, self.member = pattern, expand_shards(pattern), member

    def listing(self) -> list[str]:
        paths = [Path(url.removeprefix("file://")) for url in self.urls]
        return [f"{path.name}:{path.stat().st_size}" if path.is_file() else path.name for path in paths]

    def items(self) -> Iterator[tuple[str, dict[str, Any]]]:
        used: set[str] = set()
        others: Counter[str] = Counter()
        dotted: list[str] = []
        order = KeyOrder()
        for sample in self._samples():
            key, url = sample["__key__"], sample["__url__"]
            picture = picture_member(sample, key, self.member)
            order.check(url, key, picture is not None, "json" in sample or "txt" in sample)
            if picture is not None:
                yield unique_key(key, used), {**sample, PICTURE: sample[picture]}
                continue
            names = [name for name in sample if not name.startswith("__")]
            dotted += [f"{key}.{name}" for name in names if name.endswith(EXTENSIONS)]
            others.update(name.rpartition(".")[2] for name in names)
        reason = f"; {dotted[0]!r} has a dot before its ending, where WebDataset ends the key" if dotted else ""
        if not used:
            allowed = ", ".join(EXTENSIONS) if self.member is None else f"dataset.image=null; now {self.member}"
            contents = f"; they hold {', '.join(f'{n} .{kind}' for kind, n in others.most_common(5))}" if others else ""
            raise ValueError(f"shards {self.pattern!r} hold no picture; allowed: {allowed}{reason or contents}")
        if dotted:
            log.warning("shards %r: %d picture(s) are left out%s", self.pattern, len(dotted), reason)
        if unread := {kind: number for kind, number in others.items() if f".{kind}" in (*UNREAD, *CONTAINERS)}:
            log.warning("shards %r: members of other kinds are left out: %s", self.pattern, unread)

    def decode(self, item: tuple[str, dict[str, Any]]) -> SourceImage:
        return _decode_sample(*item)

    def _samples(self) -> Iterator[dict[str, Any]]:
        try:
            yield from group_by_keys(self._members())
        except (*DAMAGED, EOFError, zlib.error) as error:
            reason = str(error.args[0]) if error.args else type(error).__name__
            raise ValueError(f"source=shards:{self.pattern} cannot be read: {reason}") from error

    def _members(self) -> Iterator[dict[str, Any]]:
        """Files of all shards as WebDataset groups them; an empty one ends a shard."""
        for url in self.urls:  # opened here rather than by WebDataset, which would also run `pipe:` commands
            with open_url(url) as stream:
                for name, data in tar_members(stream, f"shard {url}"):
                    if is_member(plain_name(name)):
                        yield {"fname": plain_name(name), "data": data, "__url__": url}
            yield {}


class KeyOrder:
    """Whether the members of each key lie side by side, as WebDataset wants them; keys of one shard are kept."""

    def __init__(self) -> None:
        self._url = ""
        self._pictures: set[str] = set()
        self._texts: set[str] = set()

    def check(self, url: str, key: str, picture: bool, text: bool) -> None:
        """Note what lies together under a key of a shard.

        Raises:
            ValueError: The shard held members of this key before, and others in between.
        """
        if url != self._url:
            self._url, self._pictures, self._texts = url, set(), set()
        if (key in self._pictures and (picture or text)) or (key in self._texts and picture):
            raise ValueError(
                f"shard {url}: members of key {key!r} do not lie side by side, or occur twice; write it anew from "
                "its files with `tar --sort=name`"
            )
        if picture:
            self._pictures.add(key)
        elif text:
            self._texts.add(key)


def plain_name(name: str) -> str:
    """Name of a member without a leading ``./``, in Unicode's composed form."""
    return unicodedata.normalize("NFC", name.removeprefix("./"))


def is_member(name: str) -> bool:
    """Whether a member of a shard is meant: hidden ones are not."""
    return not is_hidden(PurePosixPath(name))


def picture_member(members: Collection[str], key: str, wanted: str | None = None) -> str | None:
    """Ending of the picture among a key's members; None where there is none.

    Args:
        members: Endings of the members, in lower case, without a dot.
        key: For the message.
        wanted: Ending that is the picture; None: the only one that can be.
    Raises:
        ValueError: There are several.
    """
    if wanted is not None:
        return wanted if wanted in members and f".{wanted}".endswith(EXTENSIONS) else None
    pictures = [extension[1:] for extension in EXTENSIONS if extension[1:] in members]
    if len(pictures) > 1:
        choices = " or ".join(f"dataset.image={name}" for name in pictures)
        raise ValueError(
            f"key {key!r} has pictures {', '.join(pictures)}; allowed: one a key, or prepare with {choices}"
        )
    return pictures[0] if pictures else None


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
        matches = _glob_url(part) if is_url(part) else find_files(part)
        if not matches:
            raise ValueError(f"shards {pattern!r}: {part!r} matches no file")
        urls += matches
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
    annotations = read_annotations(sample)
    label, number = annotations.get("label"), sample.get("cls", b"").strip()
    if label is None and number.isdigit():
        label = int(number)
    return SourceImage(
        key,
        read_picture(io.BytesIO(sample[PICTURE]), f"{sample['__url__']}: {sample['__key__']}"),
        text=annotations["caption"],
        label=label if type(label) is int else -1,
        group=str(annotations.get("group") or ""),
    )


def read_annotations(sample: dict[str, Any]) -> dict[str, Any]:
    """What a WebDataset sample says of its picture.

    Returns:
        Its ``json``; ``caption`` is that, else ``text``, else the sample's ``txt``, else ``""``.
    Raises:
        ValueError: ``json`` or ``txt`` cannot be read, ``json`` is no object, or its caption no text.
    """
    name = f"{sample.get('__url__', 'sample')}: {sample.get('__key__')}"
    try:
        annotations = parse_json(sample.get("json", b"{}"))
        text = sample.get("txt", b"").decode("utf-8-sig").strip()
    except ValueError as error:
        raise ValueError(f"{name}: json or txt cannot be read: {error}") from error
    if not isinstance(annotations, dict):
        raise ValueError(f"{name}: json is a {type(annotations).__name__}; allowed: an object")
    caption = annotations.get("caption") or annotations.get("text") or text
    if isinstance(caption, list | dict):
        raise ValueError(f"{name}: json says caption or text {caption!r}; allowed: one text")
    return {**annotations, "caption": str(caption)}
