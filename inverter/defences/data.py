"""Pictures that a defence is trained on, of any source that `prepare` reads."""

from __future__ import annotations

import json
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
from inverter.data.picture_cache import PictureCache, collate
from inverter.data.pictures import square, to_tensor
from inverter.data.sources.open import open_source
from inverter.data.sources.source import ImageSource
from inverter.data.workers import start_server
from inverter.defences.config import DefendConfig
from inverter.priors.load import load_prior
from inverter.run.files import whole_file, write_text
from inverter.run.processes import rank, world_size
from inverter.run.progress import track
from inverter.run.seeds import derive_seed


class SourceCache(PictureCache):
    """Decoded pictures of a source, in its order: ``image`` ``(3, S, S)`` uint8, ``key`` and ``label``.

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
        path = folder / f"{derive_seed(json.dumps(made_of), resolution):016x}"
        texts, pixels = path.with_suffix(".json"), path.with_suffix(".u8")
        if not texts.is_file():
            _decode(source, config, resolution, texts, pixels)
        self.samples: list[dict[str, Any]] = json.loads(texts.read_text(encoding="utf-8"))
        self.resolution, self._pixels = resolution, pixels


class SourceModule(L.LightningDataModule):
    """Pictures of ``data.source``, shuffled, shifted and mirrored, and those of ``data.dev`` in order.

    A batch holds ``image`` ``(B, 3, S, S)`` float32 in [0, 1], ``label`` ``(B,)``, -1 where there is none, and ``key``.

    Args:
        config: Of the training.
        output: Folder of the run, which holds the decoded pictures unless ``data.cache`` says another.
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
        for split in ("train", "dev"):
            self.pictures(split)

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


def _decode(source: ImageSource, config: PrepareConfig, resolution: int, texts: Path, pixels: Path) -> None:
    pixels.parent.mkdir(parents=True, exist_ok=True)
    samples: list[dict[str, Any]] = []
    shards = takewhile(bool, (list(source.shard(index)) for index in count()))
    with whole_file(pixels) as stream:
        for item in track(chain.from_iterable(shards), f"pictures of {config.source}"):
            stream.write(to_tensor(square(item.image, resolution)).numpy().tobytes())
            samples.append({"key": item.key, "label": item.label})
    if not samples:
        raise ValueError(f"data: source={config.source} gave no picture; allowed: a source with 1 or more")
    write_text(texts, json.dumps(samples))  # written last: says that the pictures are complete
