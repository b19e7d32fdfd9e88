"""Latents of an image set and their captions, computed once: what the denoiser is trained on."""

from __future__ import annotations

import json
import logging
import random
import re
from pathlib import Path
from typing import Any

import lightning as L
import numpy as np
import torch
import webdataset as wds
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset

from inverter.config import ImageDataConfig
from inverter.data.image_module import collate, decode_sample
from inverter.data.manifest import write_atomic
from inverter.data.sources.tar import expand_shards
from inverter.progress import track

log = logging.getLogger(__name__)
PARTS = ("caption", "foreground", "background")


class LatentModule(L.LightningDataModule):
    """Training and validation latents below ``folder``, encoded by ``vae`` once and mapped into memory afterwards.

    Batches hold ``latents`` ``(B, C, h, w)`` float32 and ``prompt``: caption, foreground, background or ``""``.
    """

    def __init__(
        self, config: ImageDataConfig, vae: nn.Module, resolution: int, folder: Path, prompt_dropout: float
    ) -> None:
        super().__init__()
        self.config, self.vae, self.resolution = config, vae, resolution
        self.folder, self.prompt_dropout = folder, prompt_dropout

    def prepare_data(self) -> None:
        for split, shards in (("train", self.config.shards), ("dev", self.config.dev)):
            if not (self.folder / f"{split}.json").is_file():
                encode_shards(shards, self.vae, self.resolution, self.folder / split, self.config.batch_size)

    def train_dataloader(self) -> DataLoader:
        dataset = LatentDataset(self.folder / "train", self.prompt_dropout)
        return DataLoader(
            dataset, batch_size=self.config.batch_size, shuffle=True, drop_last=True, collate_fn=collate_latents
        )

    def val_dataloader(self) -> DataLoader:
        dataset = LatentDataset(self.folder / "dev", None)
        return DataLoader(dataset, batch_size=self.config.batch_size, collate_fn=collate_latents)


class LatentDataset(Dataset):
    """Cached latents with a prompt drawn from their captions; in training half of them are of the mirror image."""

    def __init__(self, path: Path, prompt_dropout: float | None) -> None:
        self.latents = np.load(path.with_suffix(".npy"), mmap_mode="r")  # (2, N, C, h, w): images and mirror images
        self.captions: list[dict[str, str]] = json.loads(path.with_suffix(".json").read_text())
        self.prompt_dropout = prompt_dropout

    def __len__(self) -> int:
        return len(self.captions)

    def __getitem__(self, index: int) -> dict[str, Any]:
        training = self.prompt_dropout is not None
        mirrored = random.random() < 0.5 if training else False
        latents = torch.from_numpy(self.latents[int(mirrored), index].astype(np.float32))
        prompt = draw_prompt(self.captions[index], self.prompt_dropout or 0.0, mirrored) if training else ""
        return {"latents": latents, "prompt": prompt or ("" if training else self.captions[index]["caption"])}


def draw_prompt(captions: dict[str, str], dropout: float, mirrored: bool) -> str:
    """One of the caption's parts, at random; ``""`` with probability ``dropout``; left and right follow a mirror."""
    if random.random() < dropout:
        return ""
    prompt = captions[random.choices(PARTS, weights=(2, 1, 1))[0]]
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
def encode_shards(shards: str, vae: nn.Module, resolution: int, path: Path, batch_size: int) -> None:
    """Encode image shards and their mirror images to ``PATH.npy`` (float16) and captions to ``PATH.json``."""
    dataset = wds.WebDataset(expand_shards(shards), shardshuffle=False, empty_check=False)
    loader = DataLoader(dataset.map(lambda sample: decode_sample(sample, resolution)), batch_size, collate_fn=collate)
    stored: list[list[np.ndarray]] = [[], []]
    captions: list[dict[str, str]] = []
    for batch in track(loader, f"latents of {shards}"):
        for mirrored in range(2):
            images = batch["image"].flip(-1) if mirrored else batch["image"]
            stored[mirrored].append(encode(vae, images).half().numpy())
        captions += [
            dict(zip(PARTS, texts, strict=True)) for texts in zip(*(batch[part] for part in PARTS), strict=True)
        ]
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_suffix(".partial.npy")
    np.save(partial, np.stack([np.concatenate(part) for part in stored]))
    partial.replace(path.with_suffix(".npy"))
    write_atomic(path.with_suffix(".json"), json.dumps(captions).encode())  # written last: says that both are complete
    log.info("%d latents of %s in %s", len(captions), shards, path.with_suffix(".npy"))


def encode(vae: nn.Module, images: Tensor) -> Tensor:
    """Scaled latents ``(B, C, h, w)`` float32 of images ``(B, 3, S, S)`` in [0, 1]."""
    with torch.autocast("cpu", torch.bfloat16, enabled=images.device.type == "cpu"):
        encoded = vae.encode((images * 2 - 1).to(memory_format=torch.channels_last))
    latents = encoded.latent_dist.mode() if hasattr(encoded, "latent_dist") else encoded.latents
    return latents.float() * vae.config.scaling_factor
