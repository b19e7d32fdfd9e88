"""Files and folders that are written whole or not at all."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


def write_text(path: Path, text: str) -> None:
    """Write a file atomically: a crash or a full disk leaves the old one or the new one."""
    write_bytes(path, text.encode())


def write_bytes(path: Path, data: bytes, *, sync: bool = True) -> None:
    """As :func:`write_text`.

    Args:
        path: File in a folder that exists.
        data: What it shall hold.
        sync: Wait until the disk has it, milliseconds a file, so that a power cut is survived too.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        with temporary.open("wb") as stream:
            stream.write(data)
            if sync:
                stream.flush()
                os.fsync(stream.fileno())
        temporary.replace(path)
    except OSError:
        temporary.unlink(missing_ok=True)
        raise


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
