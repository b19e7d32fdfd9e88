"""Headers of uncompressed tars of unknown origin."""

from __future__ import annotations

import tarfile
from collections.abc import Iterator
from typing import BinaryIO

from inverter.config.errors import one_line

DAMAGED = (tarfile.TarError, OSError, ValueError, MemoryError, RecursionError)
"""What a damaged or hostile tar makes ``tarfile`` raise: extended headers hold numbers, sizes, and further headers."""


def tar_entries(stream: BinaryIO, name: str) -> Iterator[tarfile.TarInfo]:
    """Entries of a tar, one by one; ``tarfile`` would keep every header.

    Args:
        stream: The tar; it can seek.
        name: What the message calls it.
    Raises:
        ValueError: It is no uncompressed tar.
    """
    try:
        with tarfile.open(fileobj=stream, mode="r:") as tar:
            for entry in tar:
                if entry.size < 0:
                    raise tarfile.ReadError(f"a member of {entry.size} bytes")
                yield entry
                tar.members = []  # type: ignore[attr-defined]
    except DAMAGED as error:
        raise ValueError(f"{name} is no uncompressed tar: {one_line(error)}") from error
