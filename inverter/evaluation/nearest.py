"""Nearest training pair of a query, by features or by pixels: reads batch by batch, holding only the best so far."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Protocol, runtime_checkable

import torch
import torch.nn.functional as F
from einops import rearrange
from torch import Tensor

from inverter.losses.quality import mse_to_psnr, to_bytes
from inverter.run.progress import track

Batch = Mapping[str, Any]
PART = 256  # queries


@dataclass(frozen=True)
class Nearest:
    """Best match of each of n queries: picture ``(n, 3, S, S)`` uint8, key, mean squared distance ``(n,)``."""

    pictures: Tensor
    keys: tuple[str, ...]
    distances: Tensor

    def split(self, sizes: Sequence[int]) -> list["Nearest"]:
        """The matches of so many queries each."""
        ends = torch.tensor([0, *sizes]).cumsum(0).tolist()
        return [Nearest(self.pictures[i:j], self.keys[i:j], self.distances[i:j]) for i, j in pairwise(ends)]

    def join(self, other: "Nearest") -> "Nearest":
        """The matches of these queries and then those of ``other``."""
        return Nearest(
            torch.cat([self.pictures, other.pictures]),
            self.keys + other.keys,
            torch.cat([self.distances, other.distances]),
        )

    @property
    def images(self) -> Tensor:
        """The pictures as float32 in [0, 1]."""
        return self.pictures.float() / 255

    @property
    def psnr(self) -> Tensor:
        """The distance as decibels, ``(n,)``, when the vectors were pixels in [0, 1]."""
        return mse_to_psnr(self.distances)


@runtime_checkable
class TrainingReader(Protocol):
    """What has to see every training pair, in one pass that all readers share."""

    def see(self, batch: Batch) -> None: ...


class Search:
    """The training pair nearest to each query by squared distance, of those seen so far; the earlier one wins a tie.

    Args:
        queries: ``(n, D)``.
        vectors: Gives the ``(B, D)`` vectors of a batch that are compared with the queries.
    """

    def __init__(self, queries: Tensor, vectors: Callable[[Batch], Tensor]) -> None:
        self.queries, self.vectors = queries, vectors
        self._best = torch.full((len(queries),), torch.inf, dtype=torch.float64, device=queries.device)
        self._pictures: list[Tensor | None] = [None] * len(queries)
        self._keys = [""] * len(queries)

    def see(self, batch: Batch) -> None:
        """Compare the queries with the pairs of a batch: ``key``, ``image`` and what ``vectors`` takes.

        Raises:
            ValueError: The vectors have another length than the queries.
        """
        candidates = self.vectors(batch).to(self.queries.device, torch.float64)
        if candidates.shape[1:] != self.queries.shape[1:]:
            raise ValueError(f"training vectors have {candidates.shape[1:]} numbers, queries {self.queries.shape[1:]}")
        found = [_closest(part.double(), candidates) for part in self.queries.split(PART)]
        picks, distances = map(torch.cat, zip(*found, strict=True))
        for i in torch.nonzero(distances < self._best).flatten().tolist():
            self._pictures[i], self._keys[i] = to_bytes(batch["image"][picks[i]]), batch["key"][picks[i]]
        self._best = torch.minimum(self._best, distances)

    @property
    def matches(self) -> Nearest:
        """The matches.

        Raises:
            ValueError: No pair was seen, or a query is not finite.
        """
        pictures = [picture for picture in self._pictures if picture is not None]
        if len(pictures) < len(self.queries):
            raise ValueError("no training pair to compare with, or a query is not finite")
        return Nearest(torch.stack(pictures), tuple(self._keys), self._best)


def pixel_search(images: Tensor) -> Search:
    """Search for the training picture nearest to each image ``(n, 3, H, W)`` in [0, 1], at the size of ``images``."""

    def pixels(batch: Batch) -> Tensor:
        train = batch["image"]
        if train.shape[-2:] != images.shape[-2:]:
            train = F.interpolate(train, images.shape[-2:], mode="area")
        return rearrange(train, "b c h w -> b (c h w)")

    return Search(rearrange(images, "b c h w -> b (c h w)"), pixels)


def nearest_by_pixels(images: Tensor, batches: Iterable[Batch]) -> Nearest:
    """What :func:`pixel_search` finds in one pass over ``batches``."""
    search = pixel_search(images)
    for batch in track(batches, "search training pairs"):
        search.see(batch)
    return search.matches


def _closest(queries: Tensor, candidates: Tensor) -> tuple[Tensor, Tensor]:
    """Index of the candidate nearest to each query and its mean squared distance.

    Both in float64: in float32 the products cancel, and one large number in a vector hides all others.
    """
    picks = (candidates.square().sum(1) - 2 * queries @ candidates.T).argmin(1)
    return picks, (queries - candidates[picks]).square().mean(1)
