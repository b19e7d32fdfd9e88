"""What payloads leave of stored vectors: utility to a search, and what can be looked up without any training."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from inverter.evaluation.intervals import Bootstrap, Interval
from inverter.evaluation.neighbours import nearest, recall_at_k
from inverter.payloads import make_payload

LABELLED = 5
"""Neighbours whose labels count."""


@dataclass(frozen=True)
class VectorScore:
    """One payload.

    Args:
        payload: With the range, or the codebooks, that were fitted to the store.
        num_bytes: Bytes a vector, the mean.
        cosine: Similarity of what is stored to the vector.
        recall: Utility: share of the nearest rows that are still found.
        linked: Leakage: share of stored vectors whose most similar undefended row is their own or equal to it, which
            tells an attacker with the picture that it is stored.
        label: Leakage: share of stored vectors whose label is among those of the 5 most similar other rows; None
            without labels.
    """

    payload: str
    num_bytes: float
    cosine: Interval
    recall: Interval
    linked: Interval
    label: Interval | None


def score_payloads(
    vectors: Tensor,
    payloads: Sequence[str],
    labels: Tensor | None = None,
    *,
    num_queries: int = 256,
    k: int = 10,
    num_bootstrap: int = 2000,
    seed: int = 0,
) -> Iterator[VectorScore]:
    """Measure payloads on a store, the same queries under each.

    Args:
        vectors: ``(N, D)``, before any payload.
        payloads: Their names; ranges and codebooks are fitted to the first vectors, as a store fits them to its own.
        labels: Class of each vector, ``(N,)``; None is unknown.
        num_queries: Rows that are looked for, drawn at random; all, where there are no more.
        k: Neighbours.
        num_bootstrap: Replicates of the intervals, which resample queries.
        seed: Of the queries, the payloads' noise and the bootstrap.
    Raises:
        ValueError: A payload is unknown, not for such vectors or cannot be fitted, or ``k`` or ``num_queries`` is out
            of range.
    """
    if num_queries < 1:
        raise ValueError(f"queries is {num_queries}; allowed: 1 or more")
    if labels is not None and len(vectors) <= LABELLED:
        raise ValueError(f"rows are {len(vectors)}; allowed with labels: {LABELLED + 1} or more")
    order = torch.randperm(len(vectors), generator=torch.Generator().manual_seed(seed))
    own = order[:num_queries]
    bootstrap = Bootstrap(len(own), num_bootstrap=num_bootstrap, seed=seed)
    for name in payloads:
        payload = make_payload(name, seed)
        payload.check(vectors.shape[1:])
        if payload.fits:
            payload = make_payload(payload.fitted(vectors[: payload.num_fit]), seed)
        sent = payload.send(vectors)
        stored, queries = sent.features, vectors[own]
        recall = recall_at_k(queries, vectors, stored, k, own)
        linked = (vectors[nearest(stored[own], vectors, 1)[:, 0]] == queries).all(1)
        label = None
        if labels is not None:
            around = labels[nearest(stored[own], stored, LABELLED, own)]
            label = _interval(bootstrap, (around == labels[own, None]).any(1), share=True)
        yield VectorScore(
            payload=payload.name,
            num_bytes=sum(sent.num_bytes()) / len(vectors),
            cosine=_interval(bootstrap, F.cosine_similarity(stored[own], queries)),
            recall=_interval(bootstrap, recall),
            linked=_interval(bootstrap, linked, share=True),
            label=label,
        )


def guessed_labels(labels: Tensor) -> float:
    """Share of rows whose label is among those of 5 other rows drawn at random."""
    _, counts = labels.unique(return_counts=True)
    others = (counts - 1).double() / (len(labels) - 1)
    return float((counts.double() / len(labels) * (1 - (1 - others) ** LABELLED)).sum())


def _interval(bootstrap: Bootstrap, values: Tensor, share: bool = False) -> Interval:
    return bootstrap.interval(bootstrap.mean(values.double(), share))
