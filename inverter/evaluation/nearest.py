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
PART = 1024  # queries, or pairs measured at once


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
        self._squares = torch.cat([part.double().square().sum(1) for part in queries.split(PART)])
        self._best = torch.full((len(queries),), torch.inf, dtype=torch.float64, device=queries.device)
        self._pictures: list[Tensor | None] = [None] * len(queries)
        self._keys = [""] * len(queries)

    def see(self, batch: Batch) -> None:
        """Compare the queries with the pairs of a batch: ``key``, ``image`` and what ``vectors`` takes.

        Raises:
            ValueError: The vectors have another length than the queries.
        """
        candidates = self.vectors(batch).to(self.queries)
        if candidates.shape[1:] != self.queries.shape[1:]:
            raise ValueError(f"training vectors have {candidates.shape[1:]} numbers, queries {self.queries.shape[1:]}")
        others = candidates.double().square().sum(1)
        for start, queries in zip(range(0, len(self.queries), PART), self.queries.split(PART), strict=True):
            part = slice(start, start + PART)
            rivals = _rivals(queries, candidates, self._squares[part], others, self._best[part])
            for rows, columns in zip(*(numbers.split(PART) for numbers in rivals), strict=True):
                self._measure(rows + start, candidates, columns, batch)

    def _measure(self, rows: Tensor, candidates: Tensor, columns: Tensor, batch: Batch) -> None:
        """Keep what is nearer than the best so far, in float64, of queries ``rows`` and candidates ``columns``."""
        distances = (self.queries[rows].double() - candidates[columns].double()).square().mean(1)
        for row, column, distance in zip(rows.tolist(), columns.tolist(), distances.tolist(), strict=True):
            if distance < self._best[row]:
                self._best[row] = distance
                self._pictures[row], self._keys[row] = to_bytes(batch["image"][column]), batch["key"][column]

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


def _rivals(queries: Tensor, candidates: Tensor, own: Tensor, other: Tensor, best: Tensor) -> tuple[Tensor, Tensor]:
    """Pairs (query, candidate) that may be nearer than ``best``, the mean squared distances so far, and nearest of all.

    Found by a product in float32 and what rounding can make of it, so that few pairs are left to measure: alone it
    cancels, and one large number in a vector hides all others.

    Args:
        queries: ``(n, D)``.
        candidates: ``(B, D)``.
        own: Squared length of each query, float64.
        other: Squared length of each candidate, float64.
        best: ``(n,)`` float64.
    """
    size = queries.shape[1]
    with torch.autocast(queries.device.type, enabled=False):
        products = (queries @ candidates.T).double()
    distances = own[:, None] + other - 2 * products  # (n, B)
    slack = size * torch.finfo(queries.dtype).eps * (own[:, None] * other).sqrt()
    ceiling = torch.minimum((distances + slack).amin(1), best * size * (1 + 1e-9))
    rows, columns = (~(distances - slack > ceiling[:, None])).nonzero(as_tuple=True)  # what is no number stays in
    return rows, columns
