"""Images alone, streamed from WebDataset shards: what the prior is trained on."""

from __future__ import annotations

import io
import json
import random
from collections.abc import Iterator
from typing import Any

import lightning as L
import torch
import webdataset as wds
from torch import Tensor
from torch.utils.data import DataLoader

from inverter.config import ImageDataConfig
from inverter.data.pictures import read_picture, square, to_tensor
from inverter.data.sources.tar import expand_shards


class ImageShardModule(L.LightningDataModule):
    """Endless training stream, drawn from (seed, rank, worker), and a finite validation pass over image shards.

    A batch holds ``image`` ``(B, 3, S, S)`` float32 in [0, 1] and ``caption``, ``foreground``, ``background`` (lists).
    """

    def __init__(self, config: ImageDataConfig, resolution: int, seed: int = 0) -> None:
        super().__init__()
        self.config, self.resolution, self.seed = config, resolution, seed

    def train_dataloader(self) -> DataLoader:
        dataset = wds.DataPipeline(
            wds.ResampledShards(expand_shards(self.config.shards), seed=self.seed, deterministic=True),
            wds.tarfile_to_samples(),
            wds.shuffle(2000, initial=500, seed=self.seed),
            wds.map(self._train_sample),
        )
        return DataLoader(
            dataset,
            batch_size=self.config.batch_size,
            num_workers=self.config.num_workers,
            persistent_workers=self.config.num_workers > 0,
            collate_fn=collate,
            drop_last=True,
        )

    def val_dataloader(self) -> DataLoader:
        dataset = wds.WebDataset(expand_shards(self.config.dev), shardshuffle=False, empty_check=False)
        return DataLoader(dataset.map(self._sample), batch_size=self.config.batch_size, collate_fn=collate)

    def _sample(self, sample: dict[str, Any]) -> dict[str, Any]:
        return decode_sample(sample, self.resolution)

    def _train_sample(self, sample: dict[str, Any]) -> dict[str, Any]:
        decoded = decode_sample(sample, self.resolution)
        decoded["image"] = shift_and_mirror(decoded["image"], self.config.crop)
        return decoded


def decode_sample(sample: dict[str, Any], resolution: int) -> dict[str, Any]:
    """Decode the picture and the texts of one WebDataset sample; nothing else in it is read.

    Returns:
        ``image`` ``(3, S, S)`` uint8, centre-cropped and resized, and ``caption``, ``foreground``, ``background``.
    """
    encoded = next((sample[key] for key in ("jpg", "jpeg", "png", "webp") if key in sample), None)
    if encoded is None:
        raise ValueError(f"sample {sample.get('__key__')!r} has no picture; allowed: jpg, jpeg, png, webp")
    picture = square(read_picture(io.BytesIO(encoded), str(sample.get("__key__"))), resolution)
    return {"image": to_tensor(picture)} | read_texts(sample)


def shift_and_mirror(image: Tensor, pixels: int) -> Tensor:
    """Shift an image ``(3, S, S)`` by up to ``pixels`` (edges repeated) and mirror it half of the time."""
    side = image.shape[-1]
    top, left = random.randint(0, 2 * pixels), random.randint(0, 2 * pixels)
    if pixels:
        padded = torch.nn.functional.pad(image[None].float(), (pixels,) * 4, mode="replicate")[0].to(image.dtype)
        image = padded[:, top : top + side, left : left + side]
    return image.flip(-1) if random.random() < 0.5 else image


def collate(samples: list[dict[str, Any]]) -> dict[str, Any]:
    """Stack images to float32 in [0, 1]; keep the texts as lists."""
    batch: dict[str, Any] = {key: [sample[key] for sample in samples] for key in samples[0] if key != "image"}
    batch["image"] = torch.stack([sample["image"] for sample in samples]).float().div_(255)
    return batch


def read_texts(sample: dict[str, Any]) -> dict[str, str]:
    """``caption``, ``foreground`` and ``background`` of a sample's json; ``""`` for what it does not say."""
    texts = json.loads(sample["json"]) if "json" in sample else {}
    return {key: str(texts.get(key) or "") for key in ("caption", "foreground", "background")}


def read_captions(shards: str) -> Iterator[dict[str, str]]:
    """Captions of every sample of image shards, in order, without decoding the pictures."""
    for sample in wds.WebDataset(expand_shards(shards), shardshuffle=False, empty_check=False):
        yield read_texts(sample)
