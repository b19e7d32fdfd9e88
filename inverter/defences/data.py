"""Pictures that a defence is trained on, of any source that `prepare` reads."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict
from itertools import chain, count, takewhile
from pathlib import Path
from typing import Any

import lightning as L
import torch
from torch import Tensor
from torch.utils.data import DataLoader

from inverter.config import ImageDataConfig, PrepareConfig
from inverter.data.datamodule import EpochSampler, PairLoader
from inverter.data.image_module import AugmentedPictures, ShiftAndMirror, picture_loader
from inverter.data.origins import Origins, check_unshared, merge_origins, picture_hash
from inverter.data.picture_cache import PictureCache, collate, write_pictures
from inverter.data.pictures import square, to_tensor
from inverter.data.sources.open import open_source
from inverter.data.sources.source import ImageSource
from inverter.data.workers import start_server
from inverter.defences.config import DefendConfig
from inverter.priors.load import load_prior
from inverter.run.processes import rank, world_size
from inverter.run.seeds import derive_seed

FROM = ("picture", "group", "origin")
"""What a cache keeps of where a picture is from."""


class SourceCache(PictureCache):
    """Decoded pictures of a source, in its order: ``image`` ``(3, S, S)`` uint8, ``key``, ``label``, and what tells
    where it is from: ``picture``, ``group`` and ``origin``, as :meth:`inverter.data.origins.Origins.of` takes them.

    Args:
        config: Source, split, number of pictures and seed.
        resolution: Side S of the pictures in pixels.
        folder: Where the decoded pictures lie; they are written there at the first use, complete or not at all.
    Raises:
        ValueError: The source cannot be read, or has no picture.
    """

    def __init__(self, config: PrepareConfig, resolution: int, folder: Path) -> None:
        prior = load_prior(config.prior) if config.source == "prior" else None
        source = open_source(config, prior)
        drawn_by = None if prior is None else prior.weights_sha256
        made_of = [config.source, config.split, config.pairs, config.seed, asdict(config.dataset), source.listing()]
        made_of += [drawn_by] if drawn_by else []
        path = folder / f"{derive_seed(json.dumps(made_of), resolution, *FROM):016x}"
        texts, pixels = path.with_suffix(".json"), path.with_suffix(".u8")
        if not texts.is_file():
            write_pictures(config.source, _decode(source, resolution), texts, pixels)
        self.samples: list[dict[str, Any]] = json.loads(texts.read_text(encoding="utf-8"))
        self.resolution, self._pixels = resolution, pixels

    def origins(self) -> Origins:
        """Hashes of the pictures, and of the photos and clips that they were cut from."""
        return merge_origins(Origins.of(*(sample[key] for key in ("key", *FROM))) for sample in self.samples)


class SourceModule(L.LightningDataModule):
    """Pictures of ``data.source``, shuffled, shifted and mirrored, and those of ``data.dev`` in order.

    A batch holds ``image`` ``(B, 3, S, S)`` float32 in [0, 1], ``label`` ``(B,)``, -1 where there is none, and ``key``.

    Args:
        config: Of the training.
        output: Folder of the run, which holds the decoded pictures unless ``data.cache`` says another.
    Raises:
        ValueError: By ``prepare_data``: the two have a picture, photo or clip in common.
    """

    def __init__(self, config: DefendConfig, output: Path) -> None:
        super().__init__()
        if config.data.num_workers:
            start_server(__name__)
        self._opened: dict[str, SourceCache] = {}
        self.config, self.cache = config, Path(config.data.cache) if config.data.cache else output / "pictures"

    def pictures(self, split: str) -> SourceCache:
        """Decoded pictures of ``train`` or ``dev``, opened once."""
        if split not in self._opened:
            self._opened[split] = self._open(split)
        return self._opened[split]

    def _open(self, split: str) -> SourceCache:
        data, trains = self.config.data, split == "train"
        source = PrepareConfig(
            source=data.source if trains else data.dev,
            dataset=data.dataset if trains else data.dev_dataset,
            pairs=data.pictures if trains else data.dev_pictures,
            split=split,
            prior=data.prior,
            seed=self.config.seed,
        )
        return SourceCache(source, data.resolution, self.cache)

    def prepare_data(self) -> None:
        data = self.config.data
        train, dev = (self.pictures(split).origins() for split in ("train", "dev"))
        check_unshared(f"data.source={data.source}", train, f"data.dev={data.dev}", dev)

    def first(self, num_pictures: int) -> Tensor:
        """The first training pictures ``(N, 3, S, S)`` in [0, 1]."""
        pictures = self.pictures("train")
        return torch.stack([pictures.image(index) for index in range(min(num_pictures, len(pictures)))]).float() / 255

    def train_dataloader(self) -> PairLoader:
        data = self.config.data
        dataset = AugmentedPictures(
            self.pictures("train"), ShiftAndMirror(data.crop), self.config.seed, None, ImageDataConfig()
        )
        order = {"seed": self.config.seed, "rank": rank(), "world_size": world_size()}
        return PairLoader(dataset, EpochSampler(len(dataset), data.batch_size, **order), data.num_workers, collate)

    def val_dataloader(self) -> DataLoader:
        return picture_loader(self.pictures("dev"), self.config.data.batch_size)


def _decode(source: ImageSource, resolution: int) -> Iterator[dict[str, Any]]:
    shards = takewhile(bool, (list(source.shard(index)) for index in count()))
    for item in chain.from_iterable(shards):
        yield {
            "image": to_tensor(square(item.image, resolution)),
            "key": item.key,
            "label": item.label,
            "picture": picture_hash(item.image, in_clip=bool(item.clip)),
            "group": item.group,
            "origin": item.origin,
        }
