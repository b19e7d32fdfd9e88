"""Files and folders that are written whole or not at all."""

from __future__ import annotations

import os
import shutil
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO


def write_text(path: Path, text: str) -> None:
    """Write a file atomically: a crash or a full disk leaves the old one or the new one."""
    write_bytes(path, text.encode())


def write_bytes(path: Path, data: bytes, *, sync: bool = True) -> None:
    """As :func:`write_text`.

    Args:
        path: File in a folder that exists.
        data: What it shall hold.
        sync: Wait until the disk has it, milliseconds a file; without, a power cut may leave the file empty.
    """
    with whole_file(path, sync=sync) as stream:
        stream.write(data)


@contextmanager
def whole_file(path: Path, *, sync: bool = True, alone: bool = False) -> Iterator[BinaryIO]:
    """Yield a stream whose content takes the place of ``path`` where the block ends without an error.

    Args:
        path: File in a folder that exists.
        sync: As in :func:`write_bytes`.
        alone: No other process writes this file, so what a killed one left behind is written over.
    """
    writer = "" if alone else f"{socket.gethostname()}-{os.getpid()}."
    temporary = path.with_name(f".{path.name}.{writer}partial")
    try:
        with temporary.open("wb") as stream:
            yield stream
            if sync:
                stream.flush()
                os.fsync(stream.fileno())
        temporary.replace(path)
        if sync:
            _sync_names(path.parent)
    finally:
        temporary.unlink(missing_ok=True)


def _sync_names(folder: Path) -> None:
    """Wait until the disk has the names in a folder, where its file system can say so."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        with suppress(OSError):
            os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def whole_folder(folder: Path, *, keep: bool = False) -> Iterator[Path]:
    """Yield a folder to write into, which takes the place of ``folder`` where the block ends without an error.

    Args:
        folder: Where the result belongs; its parent must exist.
        keep: Begin with a copy of what lies there.
    """
    folder = folder.resolve()  # a link to another disk stays one
    partial, old = (folder.with_name(f".{folder.name}.{end}") for end in ("partial", "old"))
    if old.exists() and not folder.exists():  # a run was killed between the two renames
        old.rename(folder)
    for left in (partial, old):
        shutil.rmtree(left, ignore_errors=True)
    try:
        if keep and folder.exists():
            shutil.copytree(folder, partial)
        else:
            partial.mkdir()
        yield partial
    except BaseException:
        shutil.rmtree(partial, ignore_errors=True)
        raise
    if folder.exists():
        folder.rename(old)
    partial.rename(folder)
    shutil.rmtree(old, ignore_errors=True)
