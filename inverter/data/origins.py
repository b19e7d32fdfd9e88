"""Which pictures and which photos or clips a split was made of: short hashes, by which splits are kept apart."""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Iterable, Mapping
from dataclasses import field
from pathlib import Path
from typing import Annotated

from PIL import Image
from pydantic import Field

from inverter.config.errors import one_line
from inverter.config.parse import parse_json
from inverter.config.strict import read_strictly, strict_dataclass
from inverter.data.manifest import Manifest, open_member
from inverter.run.files import write_text

log = logging.getLogger(__name__)
ORIGINS = "origins.json"
NUM_NAMED = 3
Digest = Annotated[str, Field(pattern=r"^[0-9a-f]{16}$")]


@strict_dataclass
class Origins:
    """Names of pictures and of what they were cut from, by hash; ``origins.json`` beside the manifest holds them.

    Args:
        pictures: Hash of each picture, as it was before crops and augmentation, to the key of its first pair.
        groups: Hash of each photo or clip that several pairs may be cut from, to its name.
        ungrouped: Hashes of the pictures that are no part of such a group.
    """

    pictures: dict[Digest, str] = field(default_factory=dict)
    groups: dict[Digest, str] = field(default_factory=dict)
    ungrouped: frozenset[Digest] = frozenset()

    @property
    def num_sources(self) -> int:
        """Distinct photos and clips; a picture that was taken twice counts once."""
        return len(self.groups) + len(self.ungrouped)

    def to_json(self) -> str:
        named = {"pictures": dict(sorted(self.pictures.items())), "groups": dict(sorted(self.groups.items()))}
        return json.dumps({**named, "ungrouped": sorted(self.ungrouped)})

    @classmethod
    def from_json(cls, text: str | bytes) -> Origins:
        """Read what ``to_json`` wrote.

        Raises:
            ValueError: It is something else.
        """
        return read_strictly(ORIGINS, cls, parse_json(text))

    def save(self, folder: Path) -> None:
        """Write ``folder/origins.json``."""
        write_text(folder / ORIGINS, self.to_json())

    def sha256(self) -> str:
        """SHA-256 of ``origins.json``."""
        return hashlib.sha256(self.to_json().encode()).hexdigest()


def merge_origins(parts: Iterable[Origins | None]) -> Origins | None:
    """Origins of several shards together; None where those of one are not known."""
    pictures: dict[str, str] = {}
    groups: dict[str, str] = {}
    ungrouped: set[str] = set()
    for part in parts:
        if part is None:
            return None
        pictures, groups = {**part.pictures, **pictures}, {**part.groups, **groups}
        ungrouped |= part.ungrouped
    return Origins(pictures, groups, frozenset(ungrouped))


def load_origins(folder: str | Path, manifest: Manifest) -> Origins | None:
    """Origins of a split, whose ``folder`` is a path or URL; None where its manifest knows of none, or they are gone.

    Raises:
        ValueError: ``origins.json`` is not the manifest's.
    """
    if manifest.origins_sha256 is None:
        return None
    try:
        with open_member(folder, ORIGINS) as stream:
            data = stream.read()
    except OSError:
        return None
    if hashlib.sha256(data).hexdigest() != manifest.origins_sha256:
        raise ValueError(f"{folder}/{ORIGINS} is not that of the manifest beside it; prepare the split again")
    try:
        return Origins.from_json(data)
    except ValueError as error:
        raise ValueError(f"{folder}/{ORIGINS}: {one_line(error)}") from error


def copy_origins(folder: str | Path, output: Path) -> None:
    """Write the origins of a split, where they are known, to a folder that has its manifest."""
    if (origins := load_origins(folder, Manifest.load(output))) is not None:
        origins.save(output)


def check_disjoint(one: str | Path, other: str | Path) -> None:
    """Compare two folders of pairs by shards, pictures, and the photos or clips that these were cut from.

    Where a folder has no origins, that its pictures cannot be compared is logged.

    Raises:
        ValueError: They have something in common; the message says how much, and names some of it.
    """
    first, second = Manifest.load(one), Manifest.load(other)
    what, advice = f"{one} and {other} have", "in common; prepare each split from pictures of its own"
    if shared := {shard.sha256 for shard in first.shards} & {shard.sha256 for shard in second.shards}:
        raise ValueError(f"{what} {len(shared)} shard(s) {advice}")
    a, b = load_origins(one, first), load_origins(other, second)
    if a is None or b is None:
        log.warning("%s has no %s: whether %s shares a picture with it was not checked", *_unknown(one, other, a))
        return
    pictures, groups = a.pictures.keys() & b.pictures.keys(), a.groups.keys() & b.groups.keys()
    in_common = [
        f"{len(shared)} {name} ({_named(shared, mine, others)})"
        for name, shared, mine, others in (
            ("picture(s)", pictures, a.pictures, b.pictures),
            ("photo(s) or clip(s)", groups, a.groups, b.groups),
        )
        if shared
    ]
    if in_common:
        raise ValueError(f"{what} {' and '.join(in_common)} {advice}")


def picture_hash(picture: Image.Image) -> str:
    """Short hash of size and pixels of an RGB picture."""
    return short_hash([repr(picture.size).encode(), picture.tobytes()])


def is_flat(picture: Image.Image) -> bool:
    """Whether a picture has one colour alone, as the first frame of many a clip: it tells nothing of its origin."""
    return picture.getcolors(1) is not None


def short_hash(parts: Iterable[bytes]) -> str:
    """16 hexadecimal digits of bytes that come in parts."""
    digest = hashlib.blake2b(digest_size=8)
    for part in parts:
        digest.update(part)
    return digest.hexdigest()


def _unknown(one: str | Path, other: str | Path, first: Origins | None) -> tuple[str | Path, str, str | Path]:
    return (one, ORIGINS, other) if first is None else (other, ORIGINS, one)


def _named(shared: set[str], mine: Mapping[str, str], others: Mapping[str, str]) -> str:
    pairs = sorted((mine[digest], others[digest]) for digest in shared)
    names = [a if a == b else f"{a} there, {b} here" for a, b in pairs[:NUM_NAMED]]
    return ", ".join([*names, *(["..."] if len(pairs) > NUM_NAMED else [])])
