"""Neighbours by cosine similarity: what a payload leaves of a search, and what is found by searching."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

PART = 256  # queries


def nearest(queries: Tensor, store: Tensor, k: int, own: Tensor | None = None) -> Tensor:
    """Rows of a store that are most similar to queries, the most similar first and of ties the earlier.

    Args:
        queries: ``(n, D)``.
        store: ``(N, D)``.
        k: Neighbours a query.
        own: Row of each query in the store, ``(n,)``, which is left out; None leaves out none.
    Returns:
        Numbers of rows, ``(n, k)``.
    Raises:
        ValueError: The store has fewer than ``k`` rows to give.
    """
    if not 1 <= k <= len(store) - (own is not None):
        raise ValueError(f"k is {k}; allowed: 1 to {len(store) - (own is not None)}, the rows that can be found")
    rows, parts = F.normalize(store.double(), dim=1), []
    for begin in range(0, len(queries), PART):
        similarity = F.normalize(queries[begin : begin + PART].double(), dim=1) @ rows.T
        if own is not None:
            similarity.scatter_(1, own[begin : begin + PART, None], -torch.inf)
        parts.append(similarity.sort(dim=1, descending=True, stable=True).indices[:, :k])
    return torch.cat(parts)


def recall_at_k(queries: Tensor, store: Tensor, stored: Tensor, k: int, own: Tensor) -> Tensor:
    """Share of each query's ``k`` nearest rows that are still found in what is stored of them, ``(n,)`` in [0, 1].

    Args:
        queries: ``(n, D)``, as they are: a query is not stored.
        store: ``(N, D)``, before the payload.
        stored: ``(N, D)``, what the payload leaves of it.
        k: Neighbours.
        own: Row of each query, ``(n,)``, which does not count.
    """
    wanted, neighbours = nearest(queries, store, k, own), nearest(queries, stored, k, own)
    return (wanted[:, :, None] == neighbours[:, None]).any(2).double().mean(1)
