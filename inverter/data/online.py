"""Training pairs made in the loop: augmented pictures sent through the target, nothing stored."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from inverter.data.datamodule import EpochSampler, PairDataModule, PairLoader
from inverter.data.image_dataset import ImageShardDataset, collate_pictures
from inverter.data.manifest import Manifest
from inverter.data.origins import check_unshared, load_origins
from inverter.data.summary import describe_source, threat_model
from inverter.run.processes import rank, world_size
from inverter.run.seeds import derive_seed
from inverter.targets.spec import check_same_features

if TYPE_CHECKING:
    from inverter.targets.target import Target


class OnlinePairModule(PairDataModule):
    """Pairs of augmented pictures and the features that the target gives now; dev pairs and statistics are stored ones.

    The module that is trained gets the batches that it would get from shards, without latents, which it encodes itself.
    It never sees the target: this module holds it and asks it after a batch has reached the device. Every picture is
    read once at the start, so that splits which share one are told.

    Args:
        images: Image shards: path, glob, braces or an fsspec URL.
        target: Gives the features of the stored pairs.
        train: Folder of stored pairs: their statistics, resolution and target are those of the training.
        dev: Folder of the dev shards; None trains without validation.
        batch_size: Pairs a batch and process.
        num_workers: Reading processes a loader.
        seed: Seed of order, augmentation and payload noise.
        limit: Train on the first pictures only; None uses all.
        bf16: Run the target under bf16 autocast, as ``prepare`` does.
        pin_memory: Page-locked batches for training; None where there is a GPU.
    Raises:
        ValueError: As ``PairDataModule``; or the shards hold no picture, or one of dev, or the stored pairs are of
            another target.
    """

    def __init__(
        self,
        images: str,
        target: Target,
        train: str,
        dev: str | None = None,
        batch_size: int = 64,
        num_workers: int = 0,
        seed: int = 0,
        limit: int | None = None,
        bf16: bool = False,
        pin_memory: bool | None = None,
    ) -> None:
        super().__init__(train, dev, batch_size, num_workers, seed, limit, pin_memory)
        check_same_features(f"training on pairs in {train}", self.manifest.target, target.spec)
        self.pictures = ImageShardDataset(images, self.manifest.resolution, seed, limit)
        self.origins = self.pictures.origins()
        if dev is not None:
            check_unshared(images, self.origins, dev, load_origins(dev, Manifest.load(dev).origins_sha256))
        self.manifest = replace(
            self.manifest,
            source=describe_source(f"shards:{images}"),
            augment="jitter",
            origins_sha256=self.origins.sha256(),
            threat_model=threat_model(
                "features of pictures of its own, augmented and sent again and again,",
                target.spec.payload,
                target.spec.defence,
            ),
        )
        self.target, self.bf16 = target, bf16

    def save_origins(self, folder: Path) -> None:
        self.origins.save(folder)

    @property
    def num_pairs(self) -> int:
        return len(self.pictures)

    def train_dataloader(self) -> PairLoader:
        sampler = EpochSampler(self.num_pairs, self.batch_size, seed=self.seed, rank=rank(), world_size=world_size())
        return PairLoader(self.pictures, sampler, self.num_workers, collate_pictures, self.pin_memory)

    @torch.no_grad()
    def on_after_batch_transfer(self, batch: dict[str, Any], dataloader_idx: int) -> dict[str, Any]:
        """Add ``features`` to a batch of pictures; a batch of stored pairs has them.

        Raises:
            ValueError: The target's payload cannot send them.
        """
        if "features" in batch:
            return batch
        images, trainer = batch["image"], self.trainer
        self.target.to(images.device)
        if trainer is not None:  # a resumed run draws the noise that it would have drawn
            self.target.seed_payload(derive_seed(self.seed, "payload", trainer.global_step, trainer.global_rank))
        with torch.autocast(images.device.type, torch.bfloat16, enabled=self.bf16):
            sent = self.target.by_layer(images.contiguous(memory_format=torch.channels_last), check=True)
        return {**batch, "features": sent[self.target.layer].float()}
