"""Images alone, shuffled and augmented: what the autoencoder and the second judge are trained on."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any

import lightning as L
from torch import Tensor
from torch.nn import functional as F
from torch.utils.data import DataLoader, Dataset

from inverter.config import ImageDataConfig
from inverter.data.datamodule import EpochSampler, PairLoader, ShareSampler
from inverter.data.picture_cache import PictureCache, collate
from inverter.data.workers import start_server
from inverter.run.processes import rank, world_size
from inverter.run.seeds import derive_seed

Augment = Callable[[Tensor, Random], Tensor]


class ImageShardModule(L.LightningDataModule):
    """Pictures of image shards, drawn from (seed, epoch, picture), and squares of larger photos mixed in.

    A batch holds ``image`` ``(B, 3, S, S)`` float32 in [0, 1], ``label`` and the words of :class:`PictureCache`.
    Training goes on exactly where a stopped run was.

    Args:
        config: Shards, photos, batch size.
        resolution: Side S of the pictures in pixels.
        output: Folder of the run, which holds the decoded pictures unless ``config.cache`` says another.
        augment: Changes a training picture ``(3, S, S)`` uint8; None shifts by up to ``config.crop`` and mirrors.
        seed: Seed of order and augmentation.
    Raises:
        ValueError: A share or side outside its range.
    """

    def __init__(
        self, config: ImageDataConfig, resolution: int, output: Path, augment: Augment | None = None, seed: int = 0
    ) -> None:
        super().__init__()
        check_photos(config)
        if config.num_workers:
            start_server(__name__)
        self.config, self.resolution, self.seed = config, resolution, seed
        self.cache = picture_folder(config, output)
        self.augment: Augment = augment or ShiftAndMirror(config.crop)

    def prepare_data(self) -> None:
        for pattern in (self.config.shards, self.config.dev):
            PictureCache(pattern, self.resolution, self.cache)
        open_photos(self.config, self.cache)

    def train_dataloader(self) -> PairLoader:
        pictures = PictureCache(self.config.shards, self.resolution, self.cache)
        photos = open_photos(self.config, self.cache)
        dataset = AugmentedPictures(pictures, self.augment, self.seed, photos, self.config)
        size = self.config.batch_size
        sampler = EpochSampler(len(dataset), size, seed=self.seed, rank=rank(), world_size=world_size())
        return PairLoader(dataset, sampler, self.config.num_workers, collate)

    def val_dataloader(self) -> DataLoader:
        return picture_loader(PictureCache(self.config.dev, self.resolution, self.cache), self.config.batch_size)


class AugmentedPictures(Dataset[dict[str, Any]]):
    """Training pictures; number n of epoch e is ``e * len(dataset) + n``. Behind the pictures come squares of photos.

    Args:
        pictures: Pictures at the resolution that is trained on.
        augment: Changes a picture.
        seed: Seed of the augmentation, which depends on it, the epoch and the number alone.
        photos: Larger photos, or None.
        config: Share of the photos and least side of their squares.
    """

    def __init__(
        self, pictures: PictureCache, augment: Augment, seed: int, photos: PictureCache | None, config: ImageDataConfig
    ) -> None:
        self.pictures, self.augment, self.seed, self.photos = pictures, augment, seed, photos
        self.photo_crop = config.photo_crop
        self.num_squares = num_squares(len(pictures), config) if photos is not None else 0

    def __len__(self) -> int:
        return len(self.pictures) + self.num_squares

    def __getitem__(self, number: int) -> dict[str, Any]:
        epoch, index = divmod(number, len(self))
        random = Random(derive_seed(self.seed, "picture", epoch, index))
        if index < len(self.pictures) or self.photos is None:
            sample = self.pictures[index]
            return {**sample, "image": self.augment(sample["image"], random)}
        sample = self.photos[(index - len(self.pictures)) % len(self.photos)]
        side = self.pictures.resolution
        return {**sample, "image": random_view(sample["image"], side, self.photo_crop, random)}


@dataclass(frozen=True)
class ShiftAndMirror:
    """:func:`shift_and_mirror` by up to ``pixels``, as an augmentation that reading processes can be handed."""

    pixels: int

    def __call__(self, image: Tensor, random: Random) -> Tensor:
        return shift_and_mirror(image, self.pixels, random)


@dataclass(frozen=True)
class RandomView:
    """:func:`random_view` at one resolution, as an augmentation that reading processes can be handed."""

    resolution: int
    least_side: float

    def __call__(self, image: Tensor, random: Random) -> Tensor:
        return random_view(image, self.resolution, self.least_side, random)


def check_photos(config: ImageDataConfig) -> None:
    """Raise ValueError unless share and side of photos are in their ranges."""
    if not 0 < config.photo_share < 1:
        raise ValueError(f"data.photo_share is {config.photo_share}; allowed: between 0 and 1")
    if not 0 < config.photo_crop <= 1:
        raise ValueError(f"data.photo_crop is {config.photo_crop}; allowed: above 0, at most 1")


def picture_folder(config: ImageDataConfig, output: Path) -> Path:
    """Folder of the decoded pictures."""
    return Path(config.cache) if config.cache else output / "pictures"


def open_photos(config: ImageDataConfig, cache: Path) -> PictureCache | None:
    """The larger photos, where there are some."""
    return PictureCache(config.photos, config.photo_size, cache) if config.photos else None


def num_squares(num_pictures: int, config: ImageDataConfig) -> int:
    """Squares of photos in an epoch, so that they are ``photo_share`` of it."""
    return max(round(num_pictures * config.photo_share / (1 - config.photo_share)), 1)


def picture_loader(pictures: PictureCache, batch_size: int) -> DataLoader:
    """Every picture once, in order, shared by the processes."""
    sampler = ShareSampler(len(pictures), rank(), world_size(), 1)
    return DataLoader(pictures, batch_size, sampler=sampler, collate_fn=collate)


def shift_and_mirror(image: Tensor, pixels: int, random: Random) -> Tensor:
    """Shift an image ``(3, S, S)`` uint8 by up to ``pixels`` (edges repeated) and mirror it half of the time."""
    side = image.shape[-1]
    top, left = random.randint(0, 2 * pixels), random.randint(0, 2 * pixels)
    if pixels:
        padded = F.pad(image[None].float(), (pixels,) * 4, mode="replicate")[0].to(image.dtype)
        image = padded[:, top : top + side, left : left + side]
    return image.flip(-1) if random.random() < 0.5 else image


def random_view(
    image: Tensor, resolution: int, least_side: float, random: Random, mirror: bool | None = None
) -> Tensor:
    """Random square of an image ``(3, H, H)`` uint8, resized to ``resolution`` and mirrored.

    Args:
        image: Square picture, not smaller than 2 pixels.
        resolution: Side of the view in pixels.
        least_side: Least side of the square as a share of H, in (0, 1]; a square below ``resolution`` is only cut
            where the picture has no more pixels.
        random: Source of side, place and mirror.
        mirror: Whether it is mirrored; None lets ``random`` decide.
    """
    side = image.shape[-1]
    least = min(max(round(least_side * side), resolution), side) if side > resolution else round(least_side * side)
    cut = random.randint(max(least, 1), side)
    top, left = random.randint(0, side - cut), random.randint(0, side - cut)
    view = image[:, top : top + cut, left : left + cut]
    if cut != resolution:
        size = (resolution, resolution)
        view = F.interpolate(view[None].float(), size, mode="bicubic", antialias=True)[0].round().clamp(0, 255).byte()
    flipped = random.random() < 0.5 if mirror is None else mirror
    return view.flip(-1) if flipped else view
