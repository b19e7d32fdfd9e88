"""Pair shards: one tar of (image, features, latents, text) samples, written atomically and read without unpickling."""

from __future__ import annotations

import contextlib
import io
import json
import os
import re
import tarfile
from collections.abc import Iterable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from types import TracebackType

import numpy as np
import torch
from torch import Tensor

from inverter.config.parse import parse_json
from inverter.data.manifest import FEATURE_DTYPES, ShardInfo, stream_sha256
from inverter.data.origins import Origins, merge_origins, short_hash
from inverter.data.pair_codec import encode_pair, to_array
from inverter.data.statistics import FeatureStatistics
from inverter.run.files import write_text
from inverter.targets.shape import FeatureShape, from_lists, tensor_shape

KEY = re.compile(r"[A-Za-z0-9_-]{1,90}")


@dataclass(frozen=True)
class ShardRecord:
    """What is known of a finished shard; the sidecar ``pairs-000000.json`` holds it, so nothing is read twice.

    Args:
        info: Name, number of pairs and SHA-256.
        num_bytes: Size of the tar.
        statistics: Channel statistics of its features.
        feature_shape: Of one image's features.
        groups: Photos or clips that several pairs were cut from.
        num_ungrouped: Pairs that are their own source.
        num_texts: Pairs whose picture came with a text.
        origins: Hashes of its pictures and groups; None where a version wrote it that noted none.
        sent_bytes: Bytes that travelled for its pairs; None where nobody counted.
    """

    info: ShardInfo
    num_bytes: int
    statistics: FeatureStatistics
    feature_shape: FeatureShape
    groups: tuple[str, ...]
    num_ungrouped: int
    num_texts: int
    origins: Origins | None
    sent_bytes: int | None = None


def total(counts: Iterable[int | None]) -> int | None:
    """Sum of what was counted; None where one was not."""
    known = list(counts)
    return None if None in known else sum(known)  # type: ignore[arg-type]


def shard_name(index: int) -> str:
    """File name of shard ``index``."""
    return f"pairs-{index:06d}.tar"


class ShardWriter:
    """Write one shard; the tar appears under its name only when the ``with`` block ends without an error.

    Args:
        folder: Folder of the shards; it must exist.
        index: Number of the shard, from 0.
        feature_dtype: ``float16`` or ``float32``.
        feature_shape: Of the features, which says what layers are joint; None is that of the first pair.
    Raises:
        ValueError: Another ``feature_dtype``, or a block that added nothing.
    """

    def __init__(
        self, folder: Path, index: int, feature_dtype: str = "float16", feature_shape: FeatureShape | None = None
    ) -> None:
        if feature_dtype not in FEATURE_DTYPES:
            raise ValueError(f"feature_dtype={feature_dtype!r}; allowed: {', '.join(FEATURE_DTYPES)}")
        self.path = folder / shard_name(index)
        self.feature_dtype = feature_dtype
        self.record: ShardRecord | None = None
        self._temporary = self.path.with_name(f".{self.path.name}.partial")
        self._statistics: FeatureStatistics | None = None
        self._feature_shape = feature_shape
        self._keys: set[str] = set()
        self._groups: set[str] = set()
        self._num_ungrouped = self._num_texts = 0
        self._origins: list[Origins] = []
        self._sent_bytes: list[int | None] = []

    def __enter__(self) -> ShardWriter:
        self._stream = self._temporary.open("wb")
        self._tar = tarfile.open(fileobj=self._stream, mode="w", format=tarfile.GNU_FORMAT)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if kind is None and self._statistics is not None:
                self._tar.close()
                self._stream.flush()
                os.fsync(self._stream.fileno())
                self._stream.close()
                self.record = self._finish(self._statistics)
        finally:
            with contextlib.suppress(OSError):  # on a full disk what is buffered fails once more
                self._stream.close()
            self._temporary.unlink(missing_ok=True)
        if kind is None and self._statistics is None:
            raise ValueError(f"shard {self.path.name}: no pair was added; allowed: 1 or more")

    def add(
        self,
        key: str,
        image: Tensor,
        features: Tensor,
        *,
        latents: Tensor | None = None,
        text: str = "",
        label: int = -1,
        group: str = "",
        clip: str = "",
        frame: int = -1,
        picture: str | None = None,
        origin: str | None = None,
        sent_bytes: int | None = None,
    ) -> None:
        """Append one pair.

        Args:
            key: Name of the pair: letters, digits, ``_`` and ``-``.
            image: ``(3, S, S)`` uint8.
            features: One image's features, finite.
            latents: ``(C, h, w)`` in the prior's scaled units, stored as float16.
            text: Caption; ``""`` is none.
            label: Class; -1 is none.
            group: Photo or clip that the image was cut from; ``""`` is the image itself.
            clip: Clip that the image is a frame of.
            frame: Number of that frame; -1 is none.
            picture: Hash of the picture that ``image`` was made of; None: of ``image``; ``""`` is none, which tells
                nothing.
            origin: Hash of ``group`` wherever it occurs; None: of its name.
            sent_bytes: Bytes that travelled for the features; None where nobody counted.
        Raises:
            ValueError: A key that is not allowed or was used before, another shape, or values that are not finite.
        """
        if not KEY.fullmatch(key) or key in self._keys:
            raise ValueError(f"key {key!r}; allowed: 1 to 90 letters, digits, '_' and '-', each key once in a shard")
        if image.dtype != torch.uint8 or image.ndim != 3 or image.shape[0] != 3:
            raise ValueError(f"image of {key!r} is {image.dtype} {tuple(image.shape)}; allowed: uint8 (3, S, S)")
        array = to_array(f"features of {key!r}", features, self.feature_dtype)
        shape = self._feature_shape or array.shape
        if array.shape != tensor_shape(shape):
            raise ValueError(f"features of {key!r} have shape {array.shape}; the pairs before: {tensor_shape(shape)}")
        stored = None if latents is None else to_array(f"latents of {key!r}", latents, "float16")
        meta = {"text": text, "label": label, "group": group or key, "clip": clip, "frame": frame}
        for member, data in encode_pair(image, array, stored, meta).items():
            entry = tarfile.TarInfo(f"{key}.{member}")  # mtime, uid and gid stay 0: same pairs, same bytes
            entry.size = len(data)
            self._tar.addfile(entry, io.BytesIO(data))
        statistics = FeatureStatistics.of(array, shape)
        self._statistics = statistics if self._statistics is None else self._statistics.merge(statistics)
        self._feature_shape = shape
        self._keys.add(key)
        if picture is None:
            picture = short_hash([image.cpu().numpy().tobytes()])
        self._origins.append(Origins.of(key, picture, group, origin))
        if group and group != key:
            self._groups.add(group)
        else:
            self._num_ungrouped += 1
        self._num_texts += bool(text)
        self._sent_bytes.append(sent_bytes)

    def _finish(self, statistics: FeatureStatistics) -> ShardRecord:
        with self._temporary.open("rb") as stream:
            sha256 = stream_sha256(stream)
        self._temporary.replace(self.path)
        record = ShardRecord(
            info=ShardInfo(self.path.name, len(self._keys), sha256),
            num_bytes=self.path.stat().st_size,
            statistics=statistics,
            feature_shape=self._feature_shape or (),
            groups=tuple(sorted(self._groups)),
            num_ungrouped=self._num_ungrouped,
            num_texts=self._num_texts,
            origins=merge_origins(self._origins),
            sent_bytes=total(self._sent_bytes),
        )
        origins = parse_json(record.origins.to_json()) if record.origins is not None else None
        plain = asdict(replace(record, origins=None)) | {"origins": origins}
        values = {**plain, "statistics": {k: np.asarray(v).tolist() for k, v in vars(statistics).items()}}
        write_text(self.path.with_suffix(".json"), json.dumps(values))
        return record


def read_record(folder: Path, index: int) -> ShardRecord | None:
    """Sidecar of shard ``index``; None unless it can be read and the shard was finished and still has its size."""
    path = folder / shard_name(index)
    try:
        values = parse_json(path.with_suffix(".json").read_bytes())
        statistics = values["statistics"]
        record = ShardRecord(
            info=ShardInfo(**values["info"]),
            num_bytes=values["num_bytes"],
            statistics=FeatureStatistics(
                np.array(statistics["count"])[()], np.array(statistics["mean"]), np.array(statistics["m2"])
            ),
            feature_shape=from_lists(values["feature_shape"]),
            groups=tuple(values["groups"]),
            num_ungrouped=values["num_ungrouped"],
            num_texts=values.get("num_texts", 0),
            origins=Origins.from_json(json.dumps(values["origins"])) if values.get("origins") else None,
            sent_bytes=values.get("sent_bytes"),
        )
        return record if record.num_bytes == path.stat().st_size else None
    except (OSError, ValueError, KeyError, TypeError):
        return None


def finished_shards(folder: Path) -> list[int]:
    """Numbers of the shards in a folder that are finished, whoever wrote them, in order."""
    numbers = sorted(int(path.stem.removeprefix("pairs-")) for path in folder.glob("pairs-[0-9]*.json"))
    return [number for number in numbers if read_record(folder, number) is not None]


def count_pairs(folder: Path) -> int:
    """Pairs in all finished shards of a folder."""
    records = [read_record(folder, number) for number in finished_shards(folder)]
    return sum(record.info.count for record in records if record is not None)


def drop_partial_shard(folder: Path, shard_size: int) -> None:
    """Remove the last shard where it holds fewer than ``shard_size`` pairs: it is to be written anew, with more."""
    numbers = finished_shards(folder)
    record = read_record(folder, numbers[-1]) if numbers else None
    if record is not None and record.info.count < shard_size:
        for path in (folder / record.info.name, (folder / record.info.name).with_suffix(".json")):
            path.unlink()
