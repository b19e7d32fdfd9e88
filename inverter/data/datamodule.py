"""Loaders of pair shards: every pair once in order for evaluation, shuffled and resumable for training."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, cast

import lightning as L
import torch
from torch.utils.data import DataLoader, Dataset
from torch.utils.data.distributed import DistributedSampler

from inverter.data.manifest import UNKNOWN, Manifest
from inverter.data.origins import check_disjoint, copy_origins
from inverter.data.reader import PairDataset, collate_pairs
from inverter.data.workers import start_server, worker_options
from inverter.run.processes import rank, world_size
from inverter.run.seeds import derive_seed
from inverter.targets.spec import check_same_features

log = logging.getLogger(__name__)


class ShareSampler(DistributedSampler):
    """Numbers that one process reads for evaluation: in order, dealt to the processes in blocks, none twice.

    A ``DistributedSampler``, so that Lightning does not put its own, which repeats samples, in its place.

    Args:
        num_pairs: Pairs in all.
        rank: This process, from 0.
        world_size: Number of processes.
        block: Pairs dealt at once.
    Raises:
        ValueError: A process would get none.
    """

    def __init__(self, num_pairs: int, rank: int = 0, world_size: int = 1, block: int = 1) -> None:
        if (world_size - 1) * block >= num_pairs:
            raise ValueError(f"{num_pairs} pairs, {block} at once, are too few for {world_size} processes; use fewer")
        super().__init__(cast(Any, range(num_pairs)), world_size, rank, shuffle=False)
        blocks = range(rank * block, num_pairs, world_size * block)
        self.numbers = [n for first in blocks for n in range(first, min(first + block, num_pairs))]

    def __iter__(self) -> Iterator[int]:
        return iter(self.numbers)

    def __len__(self) -> int:
        return len(self.numbers)


class StreamSampler(DistributedSampler):
    """Numbers that one process trains on: an endless stream of epochs, each a permutation of all pairs.

    Epoch e is one permutation drawn from (seed, e), dealt to the processes in turn and cut to whole batches, as many
    for each. A pass covers as many batches as an epoch has, from ``next_batch`` of the stream on. Only this position
    counts: Lightning's number of the epoch, which ``set_epoch`` is told, moves on when training stops in the middle.

    Args:
        num_pairs: Pairs in all.
        batch_size: Pairs a batch and process.
        seed: Seed of the permutations.
        rank: This process, from 0.
        world_size: Number of processes.
    Raises:
        ValueError: ``batch_size`` is more than the pairs of a process.
    """

    def __init__(self, num_pairs: int, batch_size: int, *, seed: int = 0, rank: int = 0, world_size: int = 1) -> None:
        super().__init__(cast(Any, range(num_pairs)), world_size, rank, seed=seed, drop_last=True)
        share = num_pairs // world_size
        if not 1 <= batch_size <= share:
            raise ValueError(f"data.batch_size={batch_size}; allowed: 1 to {share}, the training pairs of a process")
        self.num_pairs, self.batch_size, self.num_batches = num_pairs, batch_size, share // batch_size
        self.next_batch = 0

    def __iter__(self) -> Iterator[int]:
        for first in range(self.next_batch, self.next_batch + self.num_batches):
            epoch, batch = divmod(first, self.num_batches)
            if first == self.next_batch or batch == 0:
                order = self._order(epoch)
            yield from order[batch * self.batch_size : (batch + 1) * self.batch_size]

    def __len__(self) -> int:
        return self.num_batches * self.batch_size

    def _order(self, epoch: int) -> list[int]:
        generator = torch.Generator().manual_seed(derive_seed(self.seed, "order", epoch))
        return torch.randperm(self.num_pairs, generator=generator)[self.rank :: self.num_replicas].tolist()


class EpochSampler(StreamSampler):
    """The stream of a ``StreamSampler`` whose numbers also say the epoch, for what is drawn anew in each."""

    def _order(self, epoch: int) -> list[int]:
        return [epoch * self.num_pairs + number for number in super()._order(epoch)]


class PairLoader(DataLoader):
    """Training loader that goes on exactly where a stopped run was, in the middle of an epoch too.

    ``len(loader)`` is the number of batches of an epoch. Each pass begins behind the last batch that was handed out, so
    whole passes are epochs 0, 1, 2, ... Lightning stores ``state_dict`` in its checkpoints and hands it back on resume.

    Args:
        dataset: The pairs.
        sampler: Their order.
        num_workers: Reading processes; 0 reads in this one.
        collate: Makes a batch of samples.
        pin_memory: Page-locked batches; None where there is a GPU.
    """

    sampler: StreamSampler

    def __init__(
        self,
        dataset: Dataset[dict[str, Any]],
        sampler: StreamSampler,
        num_workers: int = 0,
        collate: Callable[[list[dict[str, Any]]], dict[str, Any]] = collate_pairs,
        pin_memory: bool | None = None,
    ) -> None:
        super().__init__(
            dataset,
            sampler.batch_size,
            sampler=sampler,
            collate_fn=collate,
            persistent_workers=num_workers > 0,
            pin_memory=torch.cuda.is_available() if pin_memory is None else pin_memory,
            **worker_options(num_workers),
        )
        self.next_batch = 0  # of the stream; the sampler runs ahead of it, for the workers

    def __iter__(self) -> Iterator[dict[str, Any]]:  # type: ignore[override]
        self.sampler.next_batch = self.next_batch  # at the first `next`: Lightning also makes iterators it never uses
        for batch in super().__iter__():
            self.next_batch += 1
            yield batch

    def set_epoch(self, epoch: int) -> None:
        """Begin the next pass at the start of an epoch."""
        self.next_batch = epoch * self.sampler.num_batches

    def state_dict(self) -> dict[str, int]:
        """Position in the stream, and what its order depends on."""
        return {"next_batch": self.next_batch, **self._order()}

    def load_state_dict(self, state: dict[str, int]) -> None:
        """Begin the next pass at a saved position.

        Raises:
            ValueError: The order of the saved run was another: seed, batch size, pairs or processes differ.
        """
        changed = [f"{k}: {state.get(k)} then, {v} now" for k, v in self._order().items() if state.get(k) != v]
        if changed:
            raise ValueError(f"cannot go on in the saved order of pairs ({'; '.join(changed)}); train in a new output")
        self.next_batch = state["next_batch"]

    def _order(self) -> dict[str, int]:
        sampler = self.sampler
        return {
            "seed": sampler.seed,
            "batch_size": sampler.batch_size,
            "num_pairs": sampler.num_pairs,
            "world_size": sampler.num_replicas,
        }


class PairDataModule(L.LightningDataModule):
    """Training pairs, shuffled, and dev pairs, in order.

    Args:
        train: Folder of the training shards.
        dev: Folder of the dev shards; None trains without validation.
        batch_size: Pairs a batch and process.
        num_workers: Reading processes a loader; more than there are shards is fine.
        seed: Seed of the order.
        limit: Train on the first pairs only; None uses all.
        pin_memory: Page-locked batches for training; None where there is a GPU.
    Raises:
        ValueError: A manifest is missing or invalid, or dev was made of another target or size than train, or of
            the same shards, pictures, photos or clips.
    """

    def __init__(
        self,
        train: str,
        dev: str | None = None,
        batch_size: int = 64,
        num_workers: int = 0,
        seed: int = 0,
        limit: int | None = None,
        pin_memory: bool | None = None,
    ) -> None:
        super().__init__()
        self.train, self.dev, self.pin_memory = train, dev, pin_memory
        self.batch_size, self.num_workers, self.seed, self.limit = batch_size, num_workers, seed, limit
        self.manifest = Manifest.load(train)
        if num_workers:
            start_server()  # while networks are built
        if dev is not None:
            _check_agreement(self.manifest, Manifest.load(dev), dev)
            check_disjoint(train, dev)

    def save_origins(self, folder: Path) -> None:
        """Write those of the training pairs, where they are known, to a folder that has their manifest."""
        copy_origins(self.train, folder)

    @property
    def num_pairs(self) -> int:
        """Pairs, or pictures, that an epoch goes through."""
        return min(self.manifest.num_pairs, self.limit or self.manifest.num_pairs)

    def train_dataloader(self) -> PairLoader:
        dataset = PairDataset(self.train, self.limit)
        sampler = StreamSampler(len(dataset), self.batch_size, seed=self.seed, rank=rank(), world_size=world_size())
        return PairLoader(dataset, sampler, self.num_workers, pin_memory=self.pin_memory)

    def val_dataloader(self) -> DataLoader | list[DataLoader]:
        return [] if self.dev is None else pair_loader(self.dev, self.batch_size, self.num_workers, block=1)


def pair_loader(
    folder: str | Path, batch_size: int, num_workers: int = 0, limit: int | None = None, *, block: int | None = None
) -> DataLoader[dict[str, Any]]:
    """Every pair of a folder exactly once, in order.

    Args:
        folder: Folder with ``manifest.json`` and shards.
        batch_size: Pairs a batch; the last one may be smaller.
        num_workers: Reading processes; order and contents do not depend on it.
        limit: Use the first pairs only; None uses all.
        block: Deal the pairs to the processes, so many at once; None gives all to each.
    Returns:
        Batches of ``key``, ``image``, ``features``, ``latents`` (if stored), ``text``, ``label``, ``group``.
    """
    if batch_size < 1:
        raise ValueError(f"batch_size={batch_size}; allowed: 1 or more")
    dataset = PairDataset(folder, limit)
    return DataLoader(
        dataset,
        batch_size,
        sampler=ShareSampler(len(dataset), rank(), world_size(), block) if block else None,
        collate_fn=collate_pairs,
        pin_memory=torch.cuda.is_available(),
        **worker_options(num_workers),
    )


def _check_agreement(train: Manifest, dev: Manifest, folder: str) -> None:
    check_same_features(f"training with dev pairs in {folder}", train.target, dev.target)
    for name in ("resolution", "latents", *(["autoencoder_sha256"] if train.latents else [])):
        expected, actual = getattr(train, name), getattr(dev, name)
        if expected != actual:
            raise ValueError(f"dev pairs in {folder} have {name}={actual!r}; the training pairs have {expected!r}")
    if train.precision != dev.precision and UNKNOWN not in (train.precision, dev.precision):
        log.warning("training pairs were computed in %s, dev pairs in %s in %s", train.precision, dev.precision, folder)
