"""One run at a time in a folder: a lock that the kernel frees when its process ends, however it ends."""

from __future__ import annotations

import fcntl
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from inverter.run.processes import rank

LOCK = ".lock"


class InUse(ValueError):
    """Another process holds a folder's lock."""


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Hold ``folder/.lock`` while the block runs; the folder is made. Of several processes the first holds it for all.

    A POSIX record lock: reading processes, which outlive a killed parent by seconds, do not inherit it, and network
    file systems know it. It does not keep out the process that holds it.

    Raises:
        InUse: Another process holds it; the message names it.
    """
    if rank():
        yield
        return
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / LOCK
    with path.open("a+") as stream:
        if not _take(stream):
            stream.seek(0)
            holder = stream.read().strip() or "another run"
            raise InUse(f"output: {folder} is in use by {holder}; wait for it or choose another output")
        stream.truncate(0)
        stream.write(f"process {os.getpid()} on {socket.gethostname()}")
        stream.flush()
        try:
            yield
        finally:
            path.unlink(missing_ok=True)


def _take(stream: IO[str]) -> bool:
    try:
        fcntl.lockf(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except (BlockingIOError, PermissionError):  # EAGAIN or EACCES, as the system likes
        return False
    return os.fstat(stream.fileno()).st_nlink > 0  # else its holder ended, and removed it, since it was opened
