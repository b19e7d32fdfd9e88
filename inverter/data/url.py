"""Files behind URLs, by fsspec."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, cast

if TYPE_CHECKING:
    from fsspec import AbstractFileSystem


def is_url(location: str | Path) -> bool:
    """Whether a location is opened by fsspec rather than by path."""
    return "://" in str(location)


def file_system(url: str) -> tuple[AbstractFileSystem, str]:
    """File system of a URL, and the path within it.

    Raises:
        ValueError: No file system has that protocol, or its package is not installed.
    """
    import fsspec

    try:
        return fsspec.url_to_fs(url)
    except ImportError as error:
        raise ValueError(f"{url} cannot be read: {error}; pip install '.[s3]' in the checkout brings s3://") from error


def open_url(url: str) -> BinaryIO:
    """Open a URL, or a local path, for reading; errors as :func:`file_system`."""
    files, path = file_system(url)
    return cast(BinaryIO, files.open(path, "rb"))
