"""Byte ranges of files, by path or fsspec URL."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

from inverter.data.url import file_system, is_url


class RangeReader:
    """Reads parts of files that stay as they are; safe to hand to worker processes.

    Args:
        files: Paths, or URLs of one file system.
    """

    def __init__(self, files: Sequence[str]) -> None:
        self.files = list(files)
        self._open: dict[int, int] = {}

    def read(self, ranges: Sequence[tuple[int, int, int]]) -> list[bytes]:
        """Bytes of each (number of the file, offset, size); those behind URLs are fetched at once."""
        if ranges and is_url(self.files[0]):
            urls = [self.files[file] for file, _, _ in ranges]
            starts, ends = [offset for _, offset, _ in ranges], [offset + size for _, offset, size in ranges]
            return file_system(urls[0])[0].cat_ranges(urls, starts, ends, on_error="raise")
        return [os.pread(self._descriptor(file), size, offset) for file, offset, size in ranges]

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_open": {}}  # a worker process opens its own

    def __del__(self) -> None:
        for descriptor in getattr(self, "_open", {}).values():
            os.close(descriptor)

    def _descriptor(self, file: int) -> int:
        if file not in self._open:
            self._open[file] = os.open(self.files[file], os.O_RDONLY)
        return self._open[file]  # read without a position, which a fork would share
