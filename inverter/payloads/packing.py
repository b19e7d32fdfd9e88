"""Numbers to the bytes that travel."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from torch import Tensor


def pack_images(
    codes: Tensor,
    write: Callable[[np.ndarray], bytes],
    heads: Sequence[bytes] | None = None,
    kept: Tensor | None = None,
) -> list[bytes]:
    """One string of bytes an image: its head, the places of the numbers that are kept, the numbers.

    Args:
        codes: ``(B, ...)``.
        write: Numbers ``(n,)`` to bytes.
        heads: What travels before them, one string an image; None is nothing.
        kept: Which numbers travel, as in ``Sent``; None is all.
    """
    rows = codes.detach().cpu().flatten(1).numpy()
    before = heads or [b""] * len(rows)
    if kept is None:
        return [head + write(row) for head, row in zip(before, rows, strict=True)]
    if kept.ndim < codes.ndim:
        fixed = kept.cpu().flatten().numpy()
        return [head + write(row[fixed]) for head, row in zip(before, rows, strict=True)]
    masks = kept.cpu().flatten(1).numpy()
    return [head + pack_places(mask) + write(row[mask]) for head, row, mask in zip(before, rows, masks, strict=True)]


def pack_places(mask: np.ndarray) -> bytes:
    """Where ``mask`` ``(n,)`` is true: a bit a number, or the indices, in 16 bits or 32, whichever is shorter."""
    indices = np.flatnonzero(mask).astype("<u2" if len(mask) <= 1 << 16 else "<u4").tobytes()
    bits = np.packbits(mask).tobytes()
    return min(bits, indices, key=len)


def pack_bits(codes: np.ndarray, bits: int) -> bytes:
    """Whole numbers ``(n,)`` below ``2**bits`` without a gap, highest bit first, the last byte filled with zeros."""
    columns = codes.astype(np.uint32)[:, None] >> np.arange(bits - 1, -1, -1, dtype=np.uint32) & 1
    return np.packbits(columns.astype(np.uint8)).tobytes()
