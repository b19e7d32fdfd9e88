"""Members of tars of unknown origin: what ``tarfile`` would pass over in silence is an error or a warning."""

from __future__ import annotations

import logging
import tarfile
from collections.abc import Iterator
from typing import IO, Any, BinaryIO, Self

from inverter.config.errors import one_line

log = logging.getLogger(__name__)
DAMAGED = (tarfile.TarError, OSError, ValueError, MemoryError, RecursionError)
"""What a damaged or hostile tar makes ``tarfile`` raise: extended headers hold numbers, sizes, and further headers."""


class Header(tarfile.TarInfo):
    """A member's header; one that is cut off or damaged is an error, where ``tarfile`` takes the tar to end."""

    @classmethod
    def fromtarfile(cls, archive: Any) -> Self:
        try:
            return super().fromtarfile(archive)
        except tarfile.EOFHeaderError:  # type: ignore[attr-defined]
            archive.has_end = True
            raise
        except tarfile.EmptyHeaderError:  # type: ignore[attr-defined]
            raise
        except tarfile.HeaderError as error:
            if not archive.offset:
                raise  # which tarfile tells as no tar at all
            raise tarfile.ReadError(f"{one_line(error)} at byte {archive.offset}") from error


def tar_entries(stream: BinaryIO, name: str) -> Iterator[tarfile.TarInfo]:
    """Entries of a tar, one by one; ``tarfile`` would keep every header.

    Args:
        stream: The tar; it can seek.
        name: What the message calls it.
    Raises:
        ValueError: It is no uncompressed tar.
    """
    try:
        with tarfile.open(fileobj=stream, mode="r:", tarinfo=Header) as tar:
            yield from _entries(tar, name)
    except DAMAGED as error:
        raise ValueError(f"{name} is no uncompressed tar: {one_line(error)}") from error


def tar_members(stream: IO[bytes], name: str) -> Iterator[tuple[str, bytes]]:
    """Name and contents of the files in a tar, compressed or not, read from front to back.

    Args:
        stream: The tar.
        name: What warnings call it.
    Raises:
        tarfile.TarError: It is none, is cut off or damaged.
    """
    with tarfile.open(fileobj=stream, mode="r|*", tarinfo=Header) as tar:
        for entry in _entries(tar, name):
            if entry.isreg():
                yield entry.name, tar.extractfile(entry).read()  # type: ignore[union-attr]


def _entries(tar: tarfile.TarFile, name: str) -> Iterator[tarfile.TarInfo]:
    """Entries; links, a missing end and what lies behind the end are warnings."""
    links = []
    for entry in tar:
        if entry.size < 0:
            raise tarfile.ReadError(f"a member of {entry.size} bytes")
        if entry.issym() or entry.islnk():
            links.append(entry.name)
        yield entry
        tar.members = []  # type: ignore[attr-defined]
    if links:
        log.warning(
            "%s: %d link(s) are left out, %s first; `tar --dereference --hard-dereference` stores what they lead to",
            name,
            len(links),
            links[0],
        )
    if not getattr(tar, "has_end", False):
        log.warning("%s ends without the mark that ends a tar: it may have been cut off", name)
        return
    while block := tar.fileobj.read(1 << 16):  # type: ignore[union-attr]
        if block.strip(b"\0"):
            log.warning("%s: what lies behind the end of its first tar is left out; join tars by `tar -A`", name)
            return
