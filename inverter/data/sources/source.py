"""What every image source is: pictures in a fixed order, read shard by shard so that a stopped run goes on."""

from __future__ import annotations

import re
import unicodedata
from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import sha256
from typing import Generic, TypeVar

from PIL import Image
from torch import Tensor

from inverter.targets.spec import TargetSpec

Item = TypeVar("Item")
EXTENSIONS = (".png", ".jpg", ".jpeg", ".webp", ".bmp")


@dataclass(frozen=True)
class SourceImage:
    """A picture on its way into a pair shard.

    Args:
        key: Letters, digits, ``_`` and ``-``; unique in its source.
        image: RGB, any size.
        text: Caption; ``""`` is none.
        label: Class; -1 is none.
        group: Photo or clip that it was cut from; ``""`` is the picture itself.
        clip: Clip that it is a frame of; ``""`` is none.
        frame: Number of that frame; -1 is none.
        features: Features captured with it; None where the target computes them.
        origin: Hash of the file that ``group`` is; None: groups of one name are the same.
    """

    key: str
    image: Image.Image
    text: str = ""
    label: int = -1
    group: str = ""
    clip: str = ""
    frame: int = -1
    features: Tensor | None = None
    origin: str | None = None


class ImageSource(ABC):
    """Pictures in a fixed order, handed out one shard at a time, any shard first.

    Args:
        shard_size: Pictures a shard.
        num_images: Pictures in all; None is not known until the source ends.
    """

    captured: str | None = None
    """What an attacker has who is given its pairs; None where the target makes the features."""
    spec: TargetSpec
    """Of the features, where they are given."""

    def __init__(self, shard_size: int, num_images: int | None) -> None:
        for name, value in (("shard_size", shard_size), ("pairs", num_images)):
            if value is not None and value < 1:
                raise ValueError(f"{name}={value}; allowed: 1 or more")
        self.shard_size, self.num_images = shard_size, num_images

    @abstractmethod
    def shard(self, index: int) -> Iterator[SourceImage]:
        """Pictures of shard ``index``, the same ones each time; none behind the end."""

    def listing(self) -> list[str] | None:
        """What the pictures are read from, in order, a word each; None where that cannot change.

        A source whose listing only became longer gives the same pictures as before, and then others.
        """
        return None

    def numbers(self, index: int) -> range:
        """Numbers of the pictures in shard ``index``, as far as the length is known."""
        stop = (index + 1) * self.shard_size
        return range(index * self.shard_size, stop if self.num_images is None else min(stop, self.num_images))


class SequentialSource(ImageSource, Generic[Item]):
    """Pictures that are read one after the other.

    Going forward skips without decoding, going back starts again.
    """

    def __init__(self, shard_size: int, num_images: int | None) -> None:
        super().__init__(shard_size, num_images)
        self._items: Iterator[Item] | None = None
        self._position = 0

    @abstractmethod
    def items(self) -> Iterator[Item]:
        """What stands for each picture, all from the first on."""

    @abstractmethod
    def decode(self, item: Item) -> SourceImage:
        """The picture that an item stands for."""

    def shard(self, index: int) -> Iterator[SourceImage]:
        numbers = self.numbers(index)
        if not numbers:
            return
        if self._items is None or self._position > numbers.start:
            self._items, self._position = self.items(), 0
        for item in self._items:
            self._position += 1
            if self._position > numbers.start:
                yield self.decode(item)
            if self._position >= numbers.stop:
                return


def unique_key(name: str, used: set[str]) -> str:
    """Key of a name: other characters become ``_``; a key that was used before, or a long one, ends in a hash.

    Composed and decomposed Unicode give the same key.
    Keys differ in more than case, so that files named after them can lie in one folder anywhere.
    """
    name = unicodedata.normalize("NFC", name)
    key = re.sub(r"[^A-Za-z0-9_-]", "_", name)
    attempt = 0
    while len(key) > 80 or key.lower() in used:
        key = f"{key[:60]}-{sha256(f'{name}/{attempt}'.encode()).hexdigest()[:8]}"
        attempt += 1
    used.add(key.lower())
    return key
