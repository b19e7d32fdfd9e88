"""Pairs of several layers or networks for inverters that share a denoiser: each batch is of one of them."""

from __future__ import annotations

from collections.abc import Sequence
from random import Random
from typing import Any

from torch.utils.data import DataLoader, Dataset

from inverter.data.datamodule import EpochSampler, PairDataModule, PairLoader
from inverter.data.reader import PairDataset, collate_pairs
from inverter.run.processes import rank, world_size
from inverter.run.seeds import derive_seed


class SeveralDataset(Dataset[dict[str, Any]]):
    """Pairs by number, as :class:`EpochSampler` gives them; which folder a batch is of depends on its first number.

    Args:
        datasets: One a folder; the first says how many pairs an epoch has.
        shares: How often each is drawn, relative to the others.
        seed: Seed of the draw.
    """

    def __init__(self, datasets: Sequence[PairDataset], shares: Sequence[float], seed: int) -> None:
        self.datasets, self.shares, self.seed = list(datasets), list(shares), seed

    def __len__(self) -> int:
        return len(self.datasets[0])

    def __getitems__(self, numbers: list[int]) -> list[dict[str, Any]]:
        """A batch: pairs of one folder, each with the number of that folder as ``inverter``."""
        random = Random(derive_seed(self.seed, "folder", numbers[0]))
        which = random.choices(range(len(self.datasets)), self.shares)[0]
        dataset = self.datasets[which]
        pairs = dataset.__getitems__([number % len(dataset) for number in numbers])
        return [{**pair, "inverter": which} for pair in pairs]


def collate_several(pairs: list[dict[str, Any]]) -> dict[str, Any]:
    """As :func:`collate_pairs`, with the number of the folder as ``inverter``."""
    return {**collate_pairs(pairs), "inverter": pairs[0]["inverter"]}


class SeveralPairModule(PairDataModule):
    """Training pairs of several folders, a batch from one at a time; dev pairs of each.

    Args:
        folders: Of pairs, each with ``train`` and ``dev``.
        shares: How often each is drawn, relative to the others; None is evenly.
        batch_size: Pairs a batch and process.
        num_workers: Reading processes a loader.
        seed: Seed of the order and of the draw.
        limit: Train on the first pairs of each only; None uses all.
        pin_memory: Page-locked batches for training; None where there is a GPU.
    Raises:
        ValueError: As ``PairDataModule``; or shares that are no positive numbers, one a folder; or latents of another
            autoencoder than the first folder's.
    """

    def __init__(
        self,
        folders: Sequence[str],
        shares: Sequence[float] | None = None,
        batch_size: int = 64,
        num_workers: int = 0,
        seed: int = 0,
        limit: int | None = None,
        pin_memory: bool | None = None,
    ) -> None:
        self.shares = list(shares) if shares else [1.0] * len(folders)
        if len(self.shares) != len(folders) or min(self.shares) <= 0:
            raise ValueError(f"data.shares is {self.shares}; allowed: {len(folders)} positive numbers, one a folder")
        options = (batch_size, num_workers, seed, limit, pin_memory)
        self.members = [PairDataModule(f"{folder}/train", f"{folder}/dev", *options) for folder in folders]
        super().__init__(f"{folders[0]}/train", f"{folders[0]}/dev", *options)
        for folder, member in zip(folders, self.members, strict=True):
            for key in ("autoencoder_sha256", "resolution", "latents"):
                its, first = getattr(member.manifest, key), getattr(self.manifest, key)
                if its != first:
                    raise ValueError(f"pairs in {folder} have {key} {its}; those in {folders[0]} have {first}")

    @property
    def manifests(self) -> list:
        return [member.manifest for member in self.members]

    def train_dataloader(self) -> PairLoader:
        datasets = [PairDataset(member.train, self.limit) for member in self.members]
        dataset = SeveralDataset(datasets, self.shares, self.seed)
        sampler = EpochSampler(len(dataset), self.batch_size, seed=self.seed, rank=rank(), world_size=world_size())
        return PairLoader(dataset, sampler, self.num_workers, collate_several, self.pin_memory)

    def val_dataloader(self) -> list[DataLoader]:  # type: ignore[override]
        return [member.val_dataloader() for member in self.members]
