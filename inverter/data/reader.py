"""Random access to pair shards: an index of offsets built once, then one plain read a sample."""

from __future__ import annotations

import tarfile
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset

from inverter.config.errors import one_line
from inverter.data.manifest import Manifest, ShardInfo, open_member
from inverter.data.pair_codec import LATENTS, MEMBERS, decode_pair
from inverter.data.ranges import RangeReader
from inverter.data.shards import KEY
from inverter.data.tar import tar_entries


class PairDataset(Dataset[dict[str, Any]]):
    """Pairs of a folder by number, in the order of the manifest.

    Args:
        folder: Folder with ``manifest.json`` and shards; a path or an fsspec URL.
        limit: Use the first pairs only; None uses all.
    Raises:
        ValueError: The manifest is invalid, a shard is missing or disagrees with it, or ``limit`` is below 1.
    """

    def __init__(self, folder: str | Path, limit: int | None = None) -> None:
        if limit is not None and limit < 1:
            raise ValueError(f"limit={limit}; allowed: 1 or more, or null for all pairs")
        self.folder = str(folder)
        self.manifest = Manifest.load(folder)
        self.num_pairs = min(limit or self.manifest.num_pairs, self.manifest.num_pairs)
        keys, spans = [], []
        self._starts = [0]
        for shard in self.manifest.shards:
            if self._starts[-1] >= self.num_pairs:
                break
            shard_keys, shard_spans = index_shard(self.folder, shard, self.manifest.latents)
            keys.append(shard_keys)
            spans.append(shard_spans)
            self._starts.append(self._starts[-1] + shard.count)
        self._keys, self._spans = np.concatenate(keys), np.concatenate(spans)
        self._reader = RangeReader([f"{self.folder.rstrip('/')}/{shard.name}" for shard in self.manifest.shards])

    def __len__(self) -> int:
        return self.num_pairs

    def __getitem__(self, number: int) -> dict[str, Any]:
        return self.__getitems__([number])[0]

    def __getitems__(self, numbers: list[int]) -> list[dict[str, Any]]:
        """Several pairs, each with one read; a loader asks for a batch, which URLs then give at once."""
        places = [self._locate(number) for number in numbers]
        blocks = self._reader.read(places)
        return [
            self._decode(number, shard, begin, data)
            for number, (shard, begin, _), data in zip(numbers, places, blocks, strict=True)
        ]

    def _locate(self, number: int) -> tuple[int, int, int]:
        """Shard of a pair, and offset and size of what its members cover."""
        if not 0 <= number < self.num_pairs:
            raise IndexError(f"pair {number} of {self.num_pairs}")
        shard = int(np.searchsorted(self._starts, number, side="right")) - 1
        spans = [(offset, size) for offset, size in self._spans[number].tolist() if size]
        begin = min(offset for offset, _ in spans)
        return shard, begin, max(offset + size for offset, size in spans) - begin

    def _decode(self, number: int, shard: int, begin: int, data: bytes) -> dict[str, Any]:
        spans = zip(MEMBERS, self._spans[number].tolist(), strict=True)
        members = {name: data[offset - begin : offset - begin + size] for name, (offset, size) in spans if size}
        key, name = self._keys[number].decode(), self.manifest.shards[shard].name
        return decode_pair(key, members, name, self.manifest)


def index_shard(folder: str, shard: ShardInfo, latents: bool) -> tuple[np.ndarray, np.ndarray]:
    """Keys ``(N,)`` and, for each member of ``MEMBERS``, offset and size ``(N, 4, 2)``; size 0 where there is none.

    Raises:
        ValueError: The shard is missing or no tar, a sample misses a member or has it twice, a key is no plain name, or
            the number of samples is another.
    """
    needed = [member for member in MEMBERS if latents or member != LATENTS]
    samples: dict[str, dict[str, tuple[int, int]]] = {}
    try:
        with open_member(folder, shard.name) as stream:
            for entry in tar_entries(stream, f"{folder}/{shard.name}"):
                key, member = _split(entry.name)
                if member is not None and entry.type in (tarfile.REGTYPE, tarfile.AREGTYPE):
                    offsets = samples.setdefault(key, {})
                    if not KEY.fullmatch(key) or member in offsets:
                        raise ValueError(
                            f"shard {shard.name}: member {entry.name!r}; allowed: KEY.{member} once a pair, "
                            "KEY of letters, digits, '_' and '-'"
                        )
                    offsets[member] = (entry.offset_data, entry.size)
    except FileNotFoundError as error:
        raise ValueError(f"{folder}: shard {shard.name} of the manifest is missing") from error
    except OSError as error:
        raise ValueError(f"{folder}/{shard.name} cannot be opened: {one_line(error)}") from error
    for key, members in samples.items():
        absent = [member for member in needed if not members.get(member, (0, 0))[1]]
        if absent:
            raise ValueError(f"shard {shard.name}: sample {key!r} has no {', '.join(absent)}; needed: {needed}")
    if len(samples) != shard.count:
        raise ValueError(f"shard {shard.name} holds {len(samples)} samples; the manifest says {shard.count}")
    spans = [[members.get(member, (0, 0)) for member in MEMBERS] for members in samples.values()]
    return np.array([key.encode() for key in samples]), np.array(spans, dtype=np.int64)


def collate_pairs(pairs: list[dict[str, Any]]) -> dict[str, Any]:
    """Batch of decoded pairs: images in [0, 1], features and latents in float32, words in lists."""
    batch: dict[str, Any] = {name: [pair[name] for pair in pairs] for name in ("key", "text", "group")}
    batch["image"] = torch.stack([pair["image"] for pair in pairs]).float() / 255
    batch["label"] = torch.tensor([pair["label"] for pair in pairs], dtype=torch.long)
    batch["features"] = _stack("features", pairs)
    if "latents" in pairs[0]:
        batch["latents"] = _stack("latents", pairs)
    return batch


def _split(name: str) -> tuple[str, str | None]:
    """Key and member that a file of a shard stands for; no member where it is something else."""
    member = next((member for member in MEMBERS if name.endswith(f".{member}")), None)
    return (name, None) if member is None else (name[: -len(member) - 1], member)


def _stack(name: str, pairs: list[dict[str, Any]]) -> Tensor:
    arrays = [pair[name] for pair in pairs]
    for pair, array in zip(pairs, arrays, strict=True):
        if array.shape != arrays[0].shape:
            raise ValueError(f"{name} of {pair['key']!r} have shape {array.shape}; others: {arrays[0].shape}")
    return torch.from_numpy(np.stack(arrays)).float()
