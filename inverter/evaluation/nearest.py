"""Nearest training pair of a query, by features or by pixels: one pass over the pairs, holding only the best so far."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
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

    @property
    def images(self) -> Tensor:
        """The pictures as float32 in [0, 1]."""
        return self.pictures.float() / 255

    @property
    def psnr(self) -> Tensor:
        """The distance as decibels, ``(n,)``, when the vectors were pixels in [0, 1]."""
        return mse_to_psnr(self.distances)


def find_nearest(queries: Tensor, batches: Iterable[Batch], vectors: Callable[[Batch], Tensor]) -> Nearest:
    """Find the training pair nearest to each query by squared distance.

    Args:
        queries: ``(n, D)``.
        batches: Training pairs with ``key`` and ``image``.
        vectors: Gives the ``(B, D)`` vectors of a batch that are compared with the queries.
    Returns:
        The matches; the earlier pair wins a tie.
    Raises:
        ValueError: The stream is empty, or its vectors have another length than the queries.
    """
    best = torch.full((len(queries),), torch.inf, dtype=queries.dtype, device=queries.device)
    pictures: list[Tensor | None] = [None] * len(queries)
    keys = [""] * len(queries)
    norms = queries.square().sum(1, keepdim=True)
    for batch in track(batches, "search training pairs"):
        candidates = vectors(batch).to(queries)
        if candidates.shape[1:] != queries.shape[1:]:
            raise ValueError(f"training vectors have {candidates.shape[1:]} numbers, queries {queries.shape[1:]}")
        products = norms + candidates.square().sum(1) - 2 * queries @ candidates.T
        picks = products.argmin(1)
        distances = torch.cat(  # exact, where the expansion above cancels; in parts, as a copy of all may be large
            [
                (some - candidates[picked]).square().mean(1)
                for some, picked in zip(queries.split(PART), picks.split(PART), strict=True)
            ]
        )
        for i in torch.nonzero(distances < best).flatten().tolist():
            pictures[i], keys[i] = to_bytes(batch["image"][picks[i]]), batch["key"][picks[i]]
        best = torch.minimum(best, distances)
    found = [picture for picture in pictures if picture is not None]
    if len(found) < len(queries):
        raise ValueError("no training pair to compare with, or a query is not finite")
    return Nearest(torch.stack(found), tuple(keys), best)


def nearest_by_pixels(images: Tensor, batches: Iterable[Batch]) -> Nearest:
    """Training picture nearest to each image ``(n, 3, H, W)`` in [0, 1], compared at the size of ``images``."""

    def pixels(batch: Batch) -> Tensor:
        train = batch["image"]
        if train.shape[-2:] != images.shape[-2:]:
            train = F.interpolate(train, images.shape[-2:], mode="area")
        return train.flatten(1)

    return find_nearest(images.flatten(1), batches, pixels)
