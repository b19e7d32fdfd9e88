"""How many bits a number what is sent could do with, were each byte coded by itself."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np


class ByteEntropy:
    """Entropy of the bytes that travel, gathered over pictures.

    Of order 0: how often each of the 256 bytes occurs, whatever stands beside it. A code of each byte by itself needs
    as much; one that looks at neighbours, or at channels, may need less. Of coded pictures it is about 8 bits a byte.
    """

    def __init__(self) -> None:
        self._counts = np.zeros(256, dtype=np.int64)
        self._numbers = 0

    def add(self, codes: Iterable[bytes], num_features: int) -> None:
        """Take in what travels of some pictures, each of ``num_features`` numbers."""
        for code in codes:
            self._counts += np.bincount(np.frombuffer(code, np.uint8), minlength=256)
            self._numbers += num_features

    @property
    def bits(self) -> float:
        """Bits a number of the features; 0 where nothing travels."""
        total = self._counts.sum()
        shares = self._counts[self._counts > 0] / max(total, 1)
        return float(-(shares * np.log2(shares)).sum() * total / max(self._numbers, 1)) + 0.0
