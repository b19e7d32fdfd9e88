"""Latents of an image set and their captions, computed once: what the denoiser is trained on."""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Iterator
from pathlib import Path
from random import Random
from typing import Any

import lightning as L
import numpy as np
import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset

from inverter.config import ImageDataConfig
from inverter.data.datamodule import PairLoader, ShareSampler
from inverter.data.image_module import check_photos, num_squares, open_photos, picture_folder, random_view
from inverter.data.manifest import write_atomic
from inverter.data.online import EpochSampler
from inverter.data.picture_cache import TEXTS, PictureCache
from inverter.data.pictures import derive_seed
from inverter.processes import rank, world_size
from inverter.progress import track

log = logging.getLogger(__name__)
CHUNK = 256  # pictures encoded at once


class LatentModule(L.LightningDataModule):
    """Training and validation latents below ``folder``, encoded by ``vae`` once and mapped into memory afterwards.

    Batches hold ``latents`` ``(B, C, h, w)`` float32 and ``prompt``: caption, foreground, background or ``""``. What a
    step sees depends on (seed, epoch, number) alone, so training goes on exactly where a stopped run was.

    Args:
        config: Shards, photos, batch size.
        vae: Encoder, on the device where it is to run.
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
        resolution: int,
        output: Path,
        prompt_dropout: float,
        views: int = 2,
        seed: int = 0,
        weights: str = "",
    ) -> None:
        super().__init__()
        if views < 1:
            raise ValueError(f"views is {views}; allowed: 1 or more")
        check_photos(config)
        self.config, self.vae, self.resolution, self.output = config, vae, resolution, output
        self.prompt_dropout, self.views, self.seed = prompt_dropout, views, seed
        made_of = (config.shards, config.dev, config.photos, config.photo_share, config.photo_crop, config.crop)
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
            encode_views(views, self.vae, self.folder / split)

    def train_dataloader(self) -> PairLoader:
        dataset = LatentDataset(self.folder / "train", self.prompt_dropout, self.seed)
        size = self.config.batch_size
        sampler = EpochSampler(len(dataset), size, seed=self.seed, rank=rank(), world_size=world_size())
        return PairLoader(dataset, sampler, 0, collate_latents)

    def val_dataloader(self) -> DataLoader:
        dataset = LatentDataset(self.folder / "dev", None)
        sampler = ShareSampler(len(dataset), rank(), world_size(), 1)
        return DataLoader(dataset, self.config.batch_size, sampler=sampler, collate_fn=collate_latents)


class Views:
    """Rows of pictures, each with its views: what the cache of latents is made of.

    Odd views are mirrored. The first two are the whole picture, the others lose up to ``crop`` pixels a side. Photos
    are further rows, as many as make them ``photo_share`` of all; each of their views is another random square.
    """

    def __init__(
        self, pictures: PictureCache, photos: PictureCache | None, config: ImageDataConfig, views: int, seed: int
    ) -> None:
        self.pictures, self.photos, self.config, self.views, self.seed = pictures, photos, config, views, seed
        self.resolution = pictures.pictures.shape[-1]
        self.rows = len(pictures) + (num_squares(len(pictures), config) if photos is not None else 0)

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

    def chunks(self, view: int) -> Iterator[Tensor]:
        """One view of every row, in chunks ``(n, 3, S, S)`` float32 in [0, 1]."""
        for start in range(0, self.rows, CHUNK):
            rows = range(start, min(start + CHUNK, self.rows))
            yield torch.stack([self.view(row, view) for row in rows]).float() / 255

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
        self.latents = np.load(path.with_suffix(".npy"), mmap_mode="r")  # (V, N, C, h, w)
        self.captions: list[dict[str, str]] = json.loads(path.with_suffix(".json").read_text(encoding="utf-8"))
        self.prompt_dropout, self.seed = prompt_dropout, seed

    def __len__(self) -> int:
        return len(self.captions)

    def __getitem__(self, number: int) -> dict[str, Any]:
        epoch, index = divmod(number, len(self))
        view, prompt = 0, self.captions[index]["caption"]
        if self.prompt_dropout is not None:
            random = Random(derive_seed(self.seed, "latent", epoch, index))
            view = random.randrange(len(self.latents))
            prompt = draw_prompt(self.captions[index], self.prompt_dropout, view % 2 == 1, random)
        return {"latents": torch.from_numpy(self.latents[view, index].astype(np.float32)), "prompt": prompt}


def draw_prompt(captions: dict[str, str], dropout: float, mirrored: bool, random: Random) -> str:
    """One of the caption's parts, at random; ``""`` with probability ``dropout``; left and right follow a mirror."""
    if random.random() < dropout:
        return ""
    prompt = captions[random.choices(TEXTS, weights=(2, 1, 1))[0]]
    if mirrored:
        swapped = {"left": "right", "right": "left"}
        prompt = re.sub(r"\b(left|right)\b", lambda word: swapped[word[0]], prompt)
    return prompt


def collate_latents(samples: list[dict[str, Any]]) -> dict[str, Any]:
    """Stack latents, keep the prompts as a list."""
    return {
        "latents": torch.stack([sample["latents"] for sample in samples]),
        "prompt": [sample["prompt"] for sample in samples],
    }


@torch.no_grad()
def encode_views(views: Views, vae: nn.Module, path: Path) -> None:
    """Encode every view of every row to ``PATH.npy`` ``(V, N, C, h, w)`` float16, and the captions to ``PATH.json``."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_suffix(".partial.npy")
    shape = encode(vae, next(views.chunks(0))[:1]).shape[1:]
    stored = np.lib.format.open_memmap(partial, "w+", np.float16, (views.views, views.rows, *shape))
    for view in range(views.views):
        start = 0
        for images in track(views.chunks(view), f"latents of {path.name}, view {view + 1} of {views.views}"):
            stored[view, start : start + len(images)] = encode(vae, images).half().cpu().numpy()
            start += len(images)
    stored.flush()
    partial.replace(path.with_suffix(".npy"))
    write_atomic(path.with_suffix(".json"), json.dumps(views.captions()).encode())  # last: says that both are complete
    log.info("%d x %d latents in %s", views.views, views.rows, path.with_suffix(".npy"))


def encode(vae: nn.Module, images: Tensor) -> Tensor:
    """Scaled latents ``(B, C, h, w)`` float32 of images ``(B, 3, S, S)`` in [0, 1]."""
    device = next(vae.parameters()).device
    images = images.to(device)
    with torch.autocast(device.type, torch.bfloat16):
        encoded = vae.encode((images * 2 - 1).to(memory_format=torch.channels_last))
    latents = encoded.latent_dist.mode() if hasattr(encoded, "latent_dist") else encoded.latents
    return latents.float() * vae.config.scaling_factor
