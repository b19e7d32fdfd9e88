"""What a folder of pair shards holds: ``manifest.json``, read strictly and written atomically."""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import asdict, replace
from pathlib import Path
from typing import Annotated, Any, BinaryIO, Literal, get_args

from pydantic import AfterValidator, Field

from inverter.config.errors import one_line
from inverter.config.parse import parse_json
from inverter.config.strict import Count, Sha256, read_strictly, strict_dataclass
from inverter.data.url import is_url, open_url
from inverter.run.files import write_text
from inverter.targets.shape import num_channels
from inverter.targets.spec import TargetSpec

Split = Literal["train", "dev", "val"]
FeatureDtype = Literal["float16", "float32"]
SPLITS, FEATURE_DTYPES = get_args(Split), get_args(FeatureDtype)
MANIFEST = "manifest.json"
UNKNOWN = "unknown"

_SHARD_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*\.tar")


def check_shard_name(name: str) -> str:
    """The name itself, which must be a plain relative file name.

    Raises:
        ValueError: ``name`` has a slash, ``..``, a protocol or ``pipe:``, or does not end in ``.tar``.
    """
    if not _SHARD_NAME.fullmatch(name) or ".." in name:
        raise ValueError(
            f"shard name {name!r}; allowed: a plain file name ending in .tar (no folder, no URL, no pipe:)"
        )
    return name


@strict_dataclass
class ShardInfo:
    """One shard: plain file name, number of pairs, SHA-256 of the file."""

    name: Annotated[str, AfterValidator(check_shard_name)]
    count: Count
    sha256: Sha256


@strict_dataclass
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

    split: Split
    target: TargetSpec
    prior: str | None
    autoencoder_sha256: str | None
    source: str
    num_pairs: Count
    num_sources: Count
    resolution: Count
    feature_dtype: FeatureDtype
    feature_mean: list[float]
    feature_std: list[float]
    latents: bool
    shards: list[ShardInfo]
    threat_model: str
    seed: int
    augment: str
    precision: Literal["bf16", "fp32", "unknown"] = "unknown"
    origins_sha256: Sha256 | None = None
    sent_bytes: Annotated[float, Field(gt=0)] | None = None
    schema_version: Literal[1] = 1

    def __post_init__(self) -> None:
        channels = num_channels(self.target.feature_shape)
        for name in ("feature_mean", "feature_std"):
            if (count := len(getattr(self, name))) != channels:
                raise ValueError(f"{name} holds {count} values; needed: {channels}, one a channel")
        if len({shard.name for shard in self.shards}) != len(self.shards):
            raise ValueError("shards: a name occurs twice")
        total = sum(shard.count for shard in self.shards)
        if total != self.num_pairs:
            raise ValueError(f"num_pairs={self.num_pairs}, but the shards hold {total}")

    @classmethod
    def load(cls, folder: str | Path) -> Manifest:
        """Read ``folder/manifest.json``, and codebooks of the payload that lie beside it.

        ``folder`` is a path or an fsspec URL.

        Raises:
            ValueError: The file is missing, is no JSON or breaks the schema; the message names file and value.
        """
        try:
            with open_member(folder, MANIFEST) as stream:
                manifest = cls.from_dict(parse_json(stream.read()))
        except FileNotFoundError as error:
            raise ValueError(f"{folder} has no {MANIFEST}; write the pairs with `{_writes(folder)}` first") from error
        except (ValueError, OSError) as error:
            raise ValueError(f"{folder}/{MANIFEST}: {one_line(error)}") from error
        if "pq:" in manifest.target.payload:
            from inverter.payloads.codebooks import load_codebooks  # and torch, which what lists manifests does without

            load_codebooks(manifest.target.payload, lambda name: open_member(folder, name))
        return manifest

    @classmethod
    def from_dict(cls, values: Any) -> Manifest:
        """Read what ``to_dict`` wrote; every key must be there, but for those that older ones lack, and no other.

        Raises:
            ValueError: A key is missing or unknown, or a value breaks the schema.
        """
        return read_strictly("manifest", cls, values, optional=("precision", "origins_sha256", "sent_bytes"))

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {**asdict(self), "target": self.target.to_dict()}

    def save(self, folder: str | Path) -> None:
        """Write ``folder/manifest.json``: either the whole new file is there afterwards or the old one."""
        write_text(Path(folder) / MANIFEST, json.dumps(self.to_dict(), indent=1) + "\n")

    def same_pairs(self, other: Manifest) -> bool:
        """Whether another one is of the same pairs, whatever it says of the threat model and the bytes that travel.

        One that notes no origins, as older ones, may be.
        """
        noted = (self.origins_sha256, other.origins_sha256)
        origins = self.origins_sha256 if None in noted else other.origins_sha256
        same = {"threat_model": self.threat_model, "sent_bytes": self.sent_bytes, "origins_sha256": origins}
        return self == replace(other, **same)  # type: ignore[arg-type]

    def verify(self, folder: str | Path) -> None:
        """Compare every shard in ``folder`` with its SHA-256.

        Raises:
            ValueError: A shard is missing or its contents differ.
        """
        for shard in self.shards:
            try:
                with open_member(folder, shard.name) as stream:
                    digest = stream_sha256(stream)
            except FileNotFoundError as error:
                raise ValueError(f"{folder}: shard {shard.name} of {MANIFEST} is missing") from error
            if digest != shard.sha256:
                raise ValueError(
                    f"{folder}/{shard.name}: SHA-256 is {digest}, {MANIFEST} says {shard.sha256}; "
                    "the shard is damaged or was replaced, write it again with `inverter prepare`"
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


def file_sha256(path: Path) -> str:
    """Hexadecimal SHA-256 of a file."""
    with path.open("rb") as stream:
        return stream_sha256(stream)


def _writes(folder: str | Path) -> str:
    """Command that writes the pairs of a folder, which is named after its split."""
    data, _, split = str(folder).rstrip("/").rpartition("/")
    if split not in SPLITS:
        return "inverter prepare"
    files = "prepare.yaml" if split == "train" else f"prepare.yaml prepare_{split}.yaml"
    return f"inverter prepare {files} target.layer=... output={data}"
