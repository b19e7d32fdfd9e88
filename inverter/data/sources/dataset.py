"""Datasets by name, in their own order or a shuffled one."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator, Sized
from typing import Any

import torch

from inverter.data.sources.source import ImageSource, SourceImage, unique_key


class DatasetSource(ImageSource):
    """Pictures of a dataset with random access, in its own order or in a fixed shuffled one.

    Args:
        name: Name for keys.
        dataset: Knows its length.
        shard_size: Pictures a shard.
        num_images: How many pictures to take; None takes all.
        start: Number of the first picture to take, in the order used.
        shuffle: Take pictures in an order that depends on the dataset's length alone.
    Raises:
        ValueError: ``start`` lies behind the end.
    """

    def __init__(
        self, name: str, dataset: Sized, shard_size: int, num_images: int | None, *, start: int, shuffle: bool
    ) -> None:
        total = len(dataset)
        if not 0 <= start < total:
            raise ValueError(f"dataset.start={start}; allowed: 0 to {total - 1}, the dataset has {total} samples")
        super().__init__(shard_size, total - start if num_images is None else min(num_images, total - start))
        self.name, self.total, self.shuffle = unique_key(name, set()), total, shuffle
        generator = torch.Generator().manual_seed(0)
        self.order = (torch.randperm(total, generator=generator) if shuffle else torch.arange(total))[start:]

    def listing(self) -> list[str]:
        if self.shuffle:  # the order depends on the length
            return [f"{self.name}: {self.total}"]
        return [f"{self.name}: {number}" for number in self.order[: self.num_images].tolist()]

    @abstractmethod
    def read(self, number: int, key: str) -> SourceImage:
        """Sample ``number`` of the dataset."""

    def shard(self, index: int) -> Iterator[SourceImage]:
        for position in self.numbers(index):
            number = int(self.order[position])
            yield self.read(number, f"{self.name}-{number:07d}")


def class_name(classes: Any, label: int) -> str:
    """Name of a class where the dataset has names, else ``""``."""
    if not isinstance(classes, list) or not 0 <= label < len(classes):
        return ""
    return classes[label] if isinstance(classes[label], str) else ""
