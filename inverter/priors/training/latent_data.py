"""Latents of an image set and their captions, computed once: what the denoiser is trained on."""

from __future__ import annotations

import json
import logging
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from random import Random
from typing import Any

import lightning as L
import numpy as np
import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset
from transformers import CLIPTokenizer

from inverter.config import ImageDataConfig
from inverter.data.datamodule import EpochSampler, PairLoader, ShareSampler
from inverter.data.image_module import check_photos, num_squares, open_photos, picture_folder, random_view
from inverter.data.picture_cache import TEXTS, PictureCache, identity
from inverter.data.pictures import swap_sides
from inverter.data.workers import start_server, worker_options
from inverter.priors.encoding import encode_images
from inverter.priors.text import tokenize
from inverter.run.device import pick_precision
from inverter.run.files import write_text
from inverter.run.processes import rank, world_size
from inverter.run.progress import track
from inverter.run.seeds import derive_seed

log = logging.getLogger(__name__)
CHUNK = 256  # pictures encoded at once


class LatentModule(L.LightningDataModule):
    """Training and validation latents below ``folder``, encoded by ``vae`` once and mapped into memory afterwards.

    Batches hold ``key``, ``latents`` ``(B, C, h, w)`` float32, ``prompt`` (caption, foreground, background or ``""``)
    and its ``tokens`` ``(B, K)``. What a step sees depends on (seed, epoch, number) alone, so training goes on exactly
    where a stopped run was.

    Args:
        config: Shards, photos, batch size.
        vae: Encoder, on the device where it is to run.
        tokenizer: Of the text encoder.
        resolution: Side of the pictures in pixels.
        output: Folder of the run.
        prompt_dropout: Share of the training prompts that are ``""``.
        views: Views cached of each training picture: itself, its mirror image, then slight crops and theirs.
        seed: Seed of views, order and prompts.
        weights: What the cache depends on beside data and views: the hash of the encoder.
    """

    def __init__(
        self,
        config: ImageDataConfig,
        vae: nn.Module,
        tokenizer: CLIPTokenizer,
        resolution: int,
        output: Path,
        prompt_dropout: float,
        views: int = 2,
        seed: int = 0,
        weights: str = "",
    ) -> None:
        super().__init__()
        self.prepare_data_per_node = False  # all nodes would write the same files of the run's folder
        if views < 1:
            raise ValueError(f"views is {views}; allowed: 1 or more")
        check_photos(config)
        if config.num_workers:
            start_server(__name__)
        self.config, self.vae, self.tokenizer, self.resolution, self.output = config, vae, tokenizer, resolution, output
        self.prompt_dropout, self.views, self.seed = prompt_dropout, views, seed
        shards = [identity(pattern) for pattern in (config.shards, config.dev, config.photos) if pattern]
        made_of = (shards, config.photo_share, config.photo_crop, config.photo_size, config.crop)
        self.folder = output / "latents" / f"{derive_seed(weights, resolution, views, seed, *made_of):016x}"

    def prepare_data(self) -> None:
        pictures = picture_folder(self.config, self.output)
        for split, pattern in (("train", self.config.shards), ("dev", self.config.dev)):
            if (self.folder / f"{split}.json").is_file():
                continue
            training = split == "train"
            photos = open_photos(self.config, pictures) if training else None
            views = Views(
                PictureCache(pattern, self.resolution, pictures),
                photos,
                self.config,
                self.views if training else 1,
                self.seed,
            )
            encode_views(views, self.vae, self.folder / split, self.config.num_workers)

    def train_dataloader(self) -> PairLoader:
        dataset = LatentDataset(self.folder / "train", self.prompt_dropout, self.seed)
        size = self.config.batch_size
        sampler = EpochSampler(len(dataset), size, seed=self.seed, rank=rank(), world_size=world_size())
        return PairLoader(dataset, sampler, self.config.num_workers, LatentCollate(self.tokenizer))

    def val_dataloader(self) -> DataLoader:
        dataset = LatentDataset(self.folder / "dev", None)
        sampler = ShareSampler(len(dataset), rank(), world_size(), 1)
        return DataLoader(dataset, self.config.batch_size, sampler=sampler, collate_fn=LatentCollate(self.tokenizer))


class Views(Dataset[Tensor]):
    """Rows of pictures, each with its views: what the cache of latents is made of, one view of every row first.

    Odd views are mirrored. The first two are the whole picture, the others lose up to ``crop`` pixels a side. Photos
    are further rows, as many as make them ``photo_share`` of all; each of their views is another random square.
    """

    def __init__(
        self, pictures: PictureCache, photos: PictureCache | None, config: ImageDataConfig, views: int, seed: int
    ) -> None:
        self.pictures, self.photos, self.config, self.views, self.seed = pictures, photos, config, views, seed
        self.resolution = pictures.resolution
        self.rows = len(pictures) + (num_squares(len(pictures), config) if photos is not None else 0)

    def __len__(self) -> int:
        return self.views * self.rows

    def __getitem__(self, number: int) -> Tensor:
        return self.view(number % self.rows, number // self.rows)

    def captions(self) -> list[dict[str, str]]:
        """Words of each row."""
        samples = [self._source(row)[0].samples[self._source(row)[1]] for row in range(self.rows)]
        return [{text: sample[text] for text in TEXTS} for sample in samples]

    def view(self, row: int, view: int) -> Tensor:
        """One view ``(3, S, S)`` uint8."""
        source, index = self._source(row)
        image, mirror = source.image(index), view % 2 == 1
        random = Random(derive_seed(self.seed, "view", row, view))
        if source is not self.pictures:
            return random_view(image, self.resolution, self.config.photo_crop, random, mirror)
        if view < 2 or not self.config.crop:
            return image.flip(-1) if mirror else image
        return random_view(image, self.resolution, 1 - 2 * self.config.crop / self.resolution, random, mirror)

    def _source(self, row: int) -> tuple[PictureCache, int]:
        if row < len(self.pictures) or self.photos is None:
            return self.pictures, row
        return self.photos, (row - len(self.pictures)) % len(self.photos)


class LatentDataset(Dataset):
    """Cached latents with a prompt drawn from their captions; number n of epoch e is ``e * len(dataset) + n``.

    Args:
        path: Cache without its suffix.
        prompt_dropout: Share of prompts that are ``""``; None is validation: the first view under its whole caption.
        seed: Seed of view and prompt, which depend on it, the epoch and the number alone.
    """

    def __init__(self, path: Path, prompt_dropout: float | None, seed: int = 0) -> None:
        self.path = path
        self.captions: list[dict[str, str]] = json.loads(path.with_suffix(".json").read_text(encoding="utf-8"))
        self.prompt_dropout, self.seed = prompt_dropout, seed

    @cached_property
    def latents(self) -> np.ndarray:
        """All latents ``(V, N, C, h, w)`` float16, mapped into memory."""
        return np.load(self.path.with_suffix(".npy"), mmap_mode="r")

    def __getstate__(self) -> dict[str, Any]:
        return {key: value for key, value in vars(self).items() if key != "latents"}  # a reading process maps them too

    def __len__(self) -> int:
        return len(self.captions)

    def __getitem__(self, number: int) -> dict[str, Any]:
        epoch, index = divmod(number, len(self))
        view, prompt = 0, self.captions[index]["caption"]
        if self.prompt_dropout is not None:
            random = Random(derive_seed(self.seed, "latent", epoch, index))
            view = random.randrange(len(self.latents))
            prompt = draw_prompt(self.captions[index], self.prompt_dropout, view % 2 == 1, random)
        latents = torch.from_numpy(self.latents[view, index].astype(np.float32))
        return {"key": str(index), "latents": latents, "prompt": prompt}


def draw_prompt(captions: dict[str, str], dropout: float, mirrored: bool, random: Random) -> str:
    """One of the caption's parts, at random; ``""`` with probability ``dropout``; left and right follow a mirror."""
    if random.random() < dropout:
        return ""
    prompt = captions[random.choices(TEXTS, weights=(2, 1, 1))[0]]
    return swap_sides(prompt) if mirrored else prompt


@dataclass(frozen=True)
class LatentCollate:
    """Batch of samples: ``latents`` stacked, ``key`` and ``prompt`` as lists, and their ``tokens`` ``(B, K)``."""

    tokenizer: CLIPTokenizer

    def __call__(self, samples: list[dict[str, Any]]) -> dict[str, Any]:
        prompts = [sample["prompt"] for sample in samples]
        latents = torch.stack([sample["latents"] for sample in samples])
        keys = [sample["key"] for sample in samples]
        return {"key": keys, "latents": latents, "prompt": prompts, "tokens": tokenize(self.tokenizer, prompts)}


@torch.no_grad()
def encode_views(views: Views, vae: nn.Module, path: Path, num_workers: int = 0) -> None:
    """Encode every view of every row to ``PATH.npy`` ``(V, N, C, h, w)`` float16, and the captions to ``PATH.json``."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_suffix(".partial.npy")
    shape = encode(vae, views[0][None]).shape[1:]
    stored = np.lib.format.open_memmap(partial, "w+", np.float16, (views.views, views.rows, *shape))
    loader = DataLoader(views, CHUNK, pin_memory=torch.cuda.is_available(), **worker_options(num_workers))
    latents, start = stored.reshape(len(views), *shape), 0
    for images in track(loader, f"latents of {path.name}"):
        latents[start : start + len(images)] = encode(vae, images).half().cpu().numpy()
        start += len(images)
    stored.flush()
    partial.replace(path.with_suffix(".npy"))
    write_text(path.with_suffix(".json"), json.dumps(views.captions()))  # last: says that both are complete
    log.info("%d x %d latents in %s", views.views, views.rows, path.with_suffix(".npy"))


def encode(vae: nn.Module, images: Tensor) -> Tensor:
    """Scaled latents ``(B, C, h, w)`` float32 of images ``(B, 3, S, S)`` uint8."""
    device = next(vae.parameters()).device
    images = images.to(device).float() / 255
    with torch.autocast(device.type, torch.bfloat16, enabled=pick_precision("auto", device) == "bf16"):
        latents = encode_images(vae, images.to(memory_format=torch.channels_last))
    return latents.float() * vae.config.scaling_factor
