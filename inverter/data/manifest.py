"""What a folder of pair shards holds: ``manifest.json``, read strictly and written atomically."""

from __future__ import annotations

import hashlib
import json
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, BinaryIO

from inverter.config.errors import one_line
from inverter.config.parse import parse_json
from inverter.data.url import is_url, open_url
from inverter.run.files import write_text
from inverter.targets.shape import num_channels
from inverter.targets.spec import TargetSpec

SCHEMA_VERSION = 1
SPLITS = ("train", "dev", "val")
FEATURE_DTYPES = ("float16", "float32")
MANIFEST = "manifest.json"
UNKNOWN = "unknown"
ADDED = ("precision", "origins_sha256", "sent_bytes")
"""Keys that older manifests lack."""

_SHARD_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*\.tar")
_SHA256 = re.compile(r"[0-9a-f]{64}")
_TYPES: dict[str, tuple[type, ...]] = {
    "schema_version": (int,),
    "split": (str,),
    "prior": (str, type(None)),
    "autoencoder_sha256": (str, type(None)),
    "source": (str,),
    "num_pairs": (int,),
    "num_sources": (int,),
    "resolution": (int,),
    "feature_dtype": (str,),
    "feature_mean": (list,),
    "feature_std": (list,),
    "latents": (bool,),
    "shards": (list,),
    "threat_model": (str,),
    "seed": (int,),
    "augment": (str,),
    "precision": (str,),
    "origins_sha256": (str, type(None)),
    "sent_bytes": (float, int, type(None)),
}


@dataclass(frozen=True)
class ShardInfo:
    """One shard: plain file name, number of pairs, SHA-256 of the file."""

    name: str
    count: int
    sha256: str


@dataclass(frozen=True)
class Manifest:
    """Contents of one split of pair shards.

    Args:
        split: ``train``, ``dev`` or ``val``.
        target: The network and layer that the features come from.
        prior: Name of the prior whose resolution and latents the pairs use; None when there was none.
        autoencoder_sha256: SHA-256 of the weights of that prior's autoencoder, which made the latents.
        source: Where the images come from, as given to ``prepare``.
        num_pairs: Pairs in all shards together.
        num_sources: Distinct photos or clips that the pairs were cut from.
        resolution: Side of the stored images in pixels.
        feature_dtype: ``float16`` or ``float32``, as stored.
        feature_mean: Mean of each channel over all pairs and positions; of joint layers one layer after the other.
        feature_std: Standard deviation of each channel, not less than 0.
        latents: Whether the prior's latents are stored beside the features.
        shards: The shards, in reading order.
        threat_model: What the attacker was given, in words.
        seed: Seed of everything random in ``prepare``.
        augment: ``none``, ``jitter`` or ``vary``.
        precision: What target and prior computed in, ``bf16`` or ``fp32``; ``unknown`` where nobody noted it, or the
            features were captured elsewhere.
        origins_sha256: SHA-256 of ``origins.json``, see :mod:`inverter.data.origins`; None where there is none.
        sent_bytes: Bytes per picture that travel, the mean over the pairs; None where nobody counted.
        schema_version: Version of this schema.
    Raises:
        ValueError: A field has another type or a value that is not allowed.
    """

    split: str
    target: TargetSpec
    prior: str | None
    autoencoder_sha256: str | None
    source: str
    num_pairs: int
    num_sources: int
    resolution: int
    feature_dtype: str
    feature_mean: list[float]
    feature_std: list[float]
    latents: bool
    shards: list[ShardInfo]
    threat_model: str
    seed: int
    augment: str
    precision: str = UNKNOWN
    origins_sha256: str | None = None
    sent_bytes: float | None = None
    schema_version: int = SCHEMA_VERSION

    def __post_init__(self) -> None:
        for name, kinds in _TYPES.items():
            _check_type(name, getattr(self, name), kinds)
        _check_choice("schema_version", self.schema_version, (SCHEMA_VERSION,))
        _check_choice("split", self.split, SPLITS)
        _check_choice("feature_dtype", self.feature_dtype, FEATURE_DTYPES)
        _check_choice("precision", self.precision, ("bf16", "fp32", UNKNOWN))
        if self.origins_sha256 is not None and not _SHA256.fullmatch(self.origins_sha256):
            raise ValueError(f"origins_sha256={self.origins_sha256!r}; allowed: 64 hexadecimal digits, or null")
        if self.sent_bytes is not None and not 0 < self.sent_bytes < math.inf:
            raise ValueError(f"sent_bytes={self.sent_bytes}; allowed: a positive number, or null")
        for name in ("num_pairs", "num_sources", "resolution"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name}={getattr(self, name)}; allowed: 1 or more")
        channels = num_channels(self.target.feature_shape)
        for name in ("feature_mean", "feature_std"):
            values = getattr(self, name)
            if len(values) != channels or not all(type(x) in (int, float) and math.isfinite(x) for x in values):
                raise ValueError(f"{name} must hold {channels} finite numbers, one a channel; got {len(values)} values")
        for shard in self.shards:
            check_shard_name(shard.name)
        if len({shard.name for shard in self.shards}) != len(self.shards):
            raise ValueError("shards: a name occurs twice")
        total = sum(shard.count for shard in self.shards)
        if total != self.num_pairs:
            raise ValueError(f"num_pairs={self.num_pairs}, but the shards hold {total}")

    @classmethod
    def load(cls, folder: str | Path) -> Manifest:
        """Read ``folder/manifest.json``; ``folder`` is a path or an fsspec URL.

        Raises:
            ValueError: The file is missing, is no JSON or breaks the schema; the message names file and value.
        """
        try:
            with open_member(folder, MANIFEST) as stream:
                return cls.from_dict(parse_json(stream.read()))
        except FileNotFoundError as error:
            raise ValueError(f"{folder} has no {MANIFEST}; write the pairs with `{_writes(folder)}` first") from error
        except (ValueError, OSError) as error:
            raise ValueError(f"{folder}/{MANIFEST}: {one_line(error)}") from error

    @classmethod
    def from_dict(cls, values: Any) -> Manifest:
        """Read what ``to_dict`` wrote; every key must be there, but for those that were ``ADDED``, and no other.

        Raises:
            ValueError: A key is missing or unknown, or a value breaks the schema.
        """
        values = _check_keys("manifest", values, cls, ADDED)
        target = TargetSpec.from_dict(values["target"])
        _check_type("shards", values["shards"], (list,))
        return cls(**{**values, "target": target, "shards": [_shard_info(entry) for entry in values["shards"]]})

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {**asdict(self), "target": self.target.to_dict()}

    def save(self, folder: str | Path) -> None:
        """Write ``folder/manifest.json``: either the whole new file is there afterwards or the old one."""
        write_text(Path(folder) / MANIFEST, json.dumps(self.to_dict(), indent=1) + "\n")

    def verify(self, folder: str | Path) -> None:
        """Compare every shard in ``folder`` with its SHA-256.

        Raises:
            ValueError: A shard is missing or its contents differ.
        """
        for shard in self.shards:
            try:
                with open_member(folder, shard.name) as stream:
                    found = stream_sha256(stream)
            except FileNotFoundError as error:
                raise ValueError(f"{folder}: shard {shard.name} of {MANIFEST} is missing") from error
            if found != shard.sha256:
                raise ValueError(
                    f"{folder}/{shard.name}: SHA-256 is {found}, {MANIFEST} says {shard.sha256}; "
                    "the shard is damaged or was replaced, write it again with `inverter prepare`"
                )


def check_shard_name(name: str) -> None:
    """Refuse everything but a plain relative file name.

    Raises:
        ValueError: ``name`` has a slash, ``..``, a protocol or ``pipe:``, or does not end in ``.tar``.
    """
    if not isinstance(name, str) or not _SHARD_NAME.fullmatch(name) or ".." in name:
        raise ValueError(
            f"shard name {name!r}; allowed: a plain file name ending in .tar (no folder, no URL, no pipe:)"
        )


def open_member(folder: str | Path, name: str) -> BinaryIO:
    """Open ``folder/name`` for reading, by path or, where ``folder`` is a URL, by fsspec."""
    if not is_url(folder):
        return (Path(folder) / name).open("rb")
    return open_url(f"{str(folder).rstrip('/')}/{name}")


def stream_sha256(stream: BinaryIO) -> str:
    """Hexadecimal SHA-256 of what is left of a stream."""
    digest = hashlib.sha256()
    while block := stream.read(1 << 20):
        digest.update(block)
    return digest.hexdigest()


def _writes(folder: str | Path) -> str:
    """Command that writes the pairs of a folder, which is named after its split."""
    data, _, split = str(folder).rstrip("/").rpartition("/")
    if split not in SPLITS:
        return "inverter prepare"
    files = "prepare.yaml" if split == "train" else f"prepare.yaml prepare_{split}.yaml"
    return f"inverter prepare {files} target.layer=... output={data}"


def _shard_info(values: Any) -> ShardInfo:
    values = _check_keys("shards", values, ShardInfo)
    for name, kind in (("name", str), ("count", int), ("sha256", str)):
        _check_type(f"shards.{name}", values[name], (kind,))
    if values["count"] < 1:
        raise ValueError(f"shards.count={values['count']}; allowed: 1 or more")
    if not _SHA256.fullmatch(values["sha256"]):
        raise ValueError(f"shards.sha256={values['sha256']!r}; allowed: 64 hexadecimal digits")
    return ShardInfo(**values)


def _check_keys(what: str, values: Any, schema: type, optional: Sequence[str] = ()) -> dict[str, Any]:
    if not isinstance(values, Mapping):
        raise ValueError(f"{what} is a {type(values).__name__}; allowed: an object")
    allowed = {entry.name for entry in fields(schema)}
    missing, unknown = sorted(allowed - {*values, *optional}), sorted(set(values) - allowed)
    if missing or unknown:
        raise ValueError(f"{what}: missing keys {missing}, unknown keys {unknown}; allowed: {sorted(allowed)}")
    return dict(values)


def _check_type(name: str, value: Any, kinds: tuple[type, ...]) -> None:
    if type(value) not in kinds:
        allowed = " or ".join("null" if kind is type(None) else kind.__name__ for kind in kinds)
        raise ValueError(f"{name}={value!r} is a {type(value).__name__}; allowed: {allowed}")


def _check_choice(name: str, value: Any, choices: tuple[Any, ...]) -> None:
    if value not in choices:
        raise ValueError(f"{name}={value!r}; allowed: {', '.join(map(str, choices))}")
