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
ADVICE = "in common; take pictures of its own for each"
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

    @classmethod
    def of(cls, key: str, picture: str, group: str = "", origin: str | None = None) -> Origins:
        """Those of one picture.

        Args:
            key: Its name.
            picture: Its hash; ``""`` is none, which tells nothing.
            group: Photo or clip that it was cut from; ``""`` is itself.
            origin: Hash of ``group`` wherever it occurs; None: of its name.
        """
        pictures = {picture: key} if picture else {}
        if group and group != key:
            return cls(pictures, {origin or short_hash([group.encode()]): group})
        return cls(pictures, ungrouped=frozenset({picture or short_hash([key.encode()])}))

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


def merge_origins(parts: Iterable[Origins]) -> Origins:
    """Origins of several pictures or shards together."""
    pictures: dict[str, str] = {}
    groups: dict[str, str] = {}
    ungrouped: set[str] = set()
    for part in parts:
        for known, more in ((pictures, part.pictures), (groups, part.groups)):
            for digest, name in more.items():
                known.setdefault(digest, name)
        ungrouped |= part.ungrouped
    return Origins(pictures, groups, frozenset(ungrouped))


def load_origins(folder: str | Path, sha256: str | None) -> Origins | None:
    """Origins that lie in ``folder``, a path or URL; None where there are none, or they are gone.

    Args:
        folder: Of a split, or of a trained defence.
        sha256: Of ``origins.json``, as what lies beside it says; None: there are none.
    Raises:
        ValueError: ``origins.json`` is another one.
    """
    if sha256 is None:
        return None
    try:
        with open_member(folder, ORIGINS) as stream:
            data = stream.read()
    except OSError:
        return None
    if hashlib.sha256(data).hexdigest() != sha256:
        raise ValueError(f"{folder}/{ORIGINS} is not the one that was written there; make the folder again")
    try:
        return Origins.from_json(data)
    except ValueError as error:
        raise ValueError(f"{folder}/{ORIGINS}: {one_line(error)}") from error


def copy_origins(folder: str | Path, output: Path) -> None:
    """Write the origins of a split, where they are known, to a folder that has its manifest."""
    if (origins := load_origins(folder, Manifest.load(output).origins_sha256)) is not None:
        origins.save(output)


def check_disjoint(one: str | Path, other: str | Path) -> bool:
    """Compare two folders of pairs by shards, pictures, and the photos or clips that these were cut from.

    Where a folder has no origins, that its pictures cannot be compared is logged.

    Returns:
        Whether their pictures could be compared.
    Raises:
        ValueError: They have something in common; the message says how much, and names some of it.
    """
    first, second = Manifest.load(one), Manifest.load(other)
    if shared := {shard.sha256 for shard in first.shards} & {shard.sha256 for shard in second.shards}:
        raise ValueError(f"{one} and {other} have {len(shared)} shard(s) {ADVICE}")
    here, there = load_origins(one, first.origins_sha256), load_origins(other, second.origins_sha256)
    return check_unshared(one, here, other, there)


def check_unshared(one: object, here: Origins | None, other: object, there: Origins | None) -> bool:
    """Compare pictures, and the photos or clips that these were cut from, as :func:`check_disjoint` does.

    Args:
        one: What the one set of pictures is called.
        here: Its origins; None: not known.
        other: Likewise.
        there: Likewise.
    Returns:
        Whether both are known.
    """
    if here is None or there is None:
        unknown, known = (one, other) if here is None else (other, one)
        log.warning("%s has no %s: whether %s shares a picture with it was not checked", unknown, ORIGINS, known)
        return False
    in_common = [
        f"{len(shared)} {name} ({_named(shared, mine, others)})"
        for name, mine, others in (
            ("picture(s)", here.pictures, there.pictures),
            ("photo(s) or clip(s)", here.groups, there.groups),
        )
        if (shared := mine.keys() & others.keys())
    ]
    if in_common:
        raise ValueError(f"{one} and {other} have {' and '.join(in_common)} {ADVICE}")
    return True


def picture_hash(picture: Image.Image, *, in_clip: bool = False) -> str:
    """Short hash of size and pixels of an RGB picture.

    ``""`` for a frame of a clip that has one colour alone, as many a first one: it tells nothing of its origin.
    """
    if in_clip and picture.getcolors(1) is not None:
        return ""
    return short_hash([repr(picture.size).encode(), picture.tobytes()])


def short_hash(parts: Iterable[bytes]) -> str:
    """16 hexadecimal digits of bytes that come in parts."""
    digest = hashlib.blake2b(digest_size=8)
    for part in parts:
        digest.update(part)
    return digest.hexdigest()


def _named(shared: set[str], mine: Mapping[str, str], others: Mapping[str, str]) -> str:
    pairs = sorted((mine[digest], others[digest]) for digest in shared)
    names = [a if a == b else f"{a} there, {b} here" for a, b in pairs[:NUM_NAMED]]
    return ", ".join([*names, *(["..."] if len(pairs) > NUM_NAMED else [])])
