"""``pq:MxB``: product quantisation, a code of B bits for each of M parts of a vector."""

from __future__ import annotations

import re
import reprlib
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import torch
from torch import Tensor

from inverter.payloads.codebooks import read_codebooks, recall, remember
from inverter.payloads.minmax import FIT
from inverter.payloads.packing import pack_bits, pack_images
from inverter.payloads.payload import PAYLOADS, Coding, Sent, StraightThrough, read_int

PER_CENTROID = 39
"""Training vectors a centroid below which faiss warns."""


class ProductQuantised(Coding):
    """Each of ``num_parts`` equal parts of an image's numbers, replaced by the nearest of ``2**bits`` centroids.

    ``num_parts * bits`` bits an image. Centroids (codebooks) are k-means of faiss on the first training vectors, known
    to both sides; the name holds a hash of them, they lie as safetensors beside the pairs. ``fit`` stands for
    codebooks that are not known yet. The gradient passes straight through.

    Args:
        num_parts: Parts; the numbers that are kept must be a multiple of it.
        bits: From 1 to 12.
        digest: Name of the codebooks; None is not known yet.
    """

    form = "pq:MxB:fit or pq:MxB:CODEBOOKS"
    knows = "all of it: codebooks lie beside the codes"
    whole = True

    def __init__(self, num_parts: int, bits: int, digest: str | None = None) -> None:
        super().__init__()
        self.num_parts, self.bits, self.digest = num_parts, bits, digest
        self.fits, self.num_fit = digest is None, PER_CENTROID << bits
        self.name = f"pq:{num_parts}x{bits}:{digest or FIT}"

    @classmethod
    def from_argument(cls, argument: str | None, seed: int) -> ProductQuantised:
        size, _, rest = (argument or "").partition(":")
        parts, times, bits = size.partition("x")
        if not times:
            raise ValueError(f"MxB is {reprlib.repr(size)}; it must be two whole numbers, such as 16x8")
        sizes = read_int("M", parts, 1, 1 << 16), read_int("B", bits, 1, 12)
        if rest == FIT:
            return cls(*sizes)
        if re.fullmatch(r"[0-9a-f]{16}", rest):
            return cls(*sizes, digest=rest)
        if not rest.endswith(".safetensors"):
            raise ValueError(f"CODEBOOKS are {reprlib.repr(rest)}; they must be {FIT}, a hash or a .safetensors file")
        try:
            data = Path(rest).read_bytes()
        except OSError as error:
            raise ValueError(f"CODEBOOKS are {reprlib.repr(rest)}, which cannot be read: {error.strerror}") from error
        return cls(*sizes, digest=read_codebooks(data, rest))

    def fitted(self, features: Tensor, kept: Tensor | None = None) -> str:
        if not self.fits:
            return self.name
        rows = self._rows(features.detach().float().cpu(), kept)
        digest = remember(fit_codebooks(rows, self.num_parts, self.bits, self.name))
        return ProductQuantised(self.num_parts, self.bits, digest).name

    def transmit(self, sent: Sent) -> Sent:
        exact = sent.features.detach().float()
        rows = self._rows(exact, sent.kept)
        books = self._codebooks(rows.shape[1]).to(exact)
        parts = rows.unflatten(1, (self.num_parts, -1))  # (B, M, d)
        codes = torch.stack([(part[:, None] - books).square().sum(2).argmin(1) for part in parts])  # (B, M)
        near = books[torch.arange(self.num_parts), codes].flatten(1)  # (B, M d)
        near = near.masked_fill(~rows.isfinite(), torch.nan)
        arrived = torch.zeros_like(exact.flatten(1))
        arrived[:, self._fixed(exact, sent.kept)] = near
        arrived = arrived.view_as(exact).to(sent.features.dtype)
        encode = partial(pack_images, codes, lambda numbers: pack_bits(numbers, self.bits))
        return Sent(StraightThrough.apply(sent.features, arrived), encode)

    def _rows(self, features: Tensor, kept: Tensor | None) -> Tensor:
        """Numbers that are coded, ``(B, n)``."""
        rows = features.flatten(1)[:, self._fixed(features, kept)]
        if rows.shape[1] % self.num_parts:
            raise ValueError(
                f"payload={self.name}: {rows.shape[1]} numbers in {self.num_parts} parts; allowed: M that divides them"
            )
        return rows

    @staticmethod
    def _fixed(features: Tensor, kept: Tensor | None) -> Tensor:
        """Which numbers of every image are coded, bool ``(n,)``: all, where each image keeps others."""
        known = kept is not None and kept.ndim < features.ndim
        flat = features[0].flatten()
        return kept.flatten() if known and kept is not None else torch.ones_like(flat, dtype=torch.bool)

    def _codebooks(self, num_coded: int) -> Tensor:
        if self.digest is None:
            raise ValueError(
                f"payload={self.name} has no codebooks yet, which prepare fits to training pairs and notes in their "
                f"manifest; allowed: pq:{self.num_parts}x{self.bits}:CODEBOOKS"
            )
        try:
            books = recall(self.digest)
        except ValueError as error:
            raise ValueError(f"payload={self.name}: {error}") from error
        needed: Sequence[int] = (self.num_parts, 1 << self.bits, num_coded // self.num_parts)
        if tuple(books.shape) != tuple(needed):
            raise ValueError(f"payload={self.name}: codebooks are {tuple(books.shape)}; needed: {tuple(needed)}")
        return books


def fit_codebooks(rows: Tensor, num_parts: int, bits: int, name: str) -> Tensor:
    """Centroids ``(M, 2**bits, n / M)`` of vectors ``(B, n)`` by faiss, always the same.

    Raises:
        ValueError: faiss is not installed, there are fewer vectors than centroids, or some are not finite.
    """
    try:
        import faiss
    except ImportError as error:
        raise ValueError(f"payload={name} needs faiss; install '.[vectors]' in the checkout") from error
    if len(rows) < 1 << bits or not rows.isfinite().all():
        raise ValueError(f"payload={name} has {len(rows)} vectors to fit; allowed: {1 << bits} or more, all finite")
    quantiser = faiss.ProductQuantizer(rows.shape[1], num_parts, bits)
    quantiser.cp.min_points_per_centroid = 1  # else it prints a warning
    quantiser.train(rows.numpy())
    centroids = torch.from_numpy(faiss.vector_to_array(quantiser.centroids).copy())
    return centroids.view(num_parts, 1 << bits, -1)


PAYLOADS.register("pq", ProductQuantised)
