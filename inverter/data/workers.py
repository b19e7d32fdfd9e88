"""Reading processes of the loaders: copied from a server that only imports, rather than from this process.

A copy of this one would also hold whatever lock another thread held at that moment, of an allocator, a file system or
a logger, with nobody left to free it.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from dataclasses import dataclass
from multiprocessing import forkserver
from multiprocessing.connection import wait
from typing import Any

import fsspec

PRELOAD = ["inverter.data.reader"]
"""What the server imports, once; whatever else a process needs it imports for itself."""


def start_server(*modules: str) -> None:
    """Begin to start the server, which is ready when it has imported, a few seconds later; one a process is enough.

    Args:
        modules: What it imports besides; of several calls the first one's.
    """
    multiprocessing.get_context("forkserver").set_forkserver_preload([*PRELOAD, *modules])
    forkserver.ensure_running()


def worker_options(num_workers: int) -> dict[str, Any]:
    """Arguments of a ``DataLoader`` with ``num_workers`` reading processes; 0 reads in this process."""
    if not num_workers:
        return {"num_workers": 0}
    start_server()
    return {
        "num_workers": num_workers,
        "multiprocessing_context": multiprocessing.get_context("forkserver"),
        "worker_init_fn": Surroundings(dict(os.environ), dict(fsspec.config.conf)),
    }


@dataclass(frozen=True)
class Surroundings:
    """What a reading process takes over from the one that asked for it, with which it also ends.

    Args:
        environment: Environment variables.
        file_systems: Settings of fsspec.
    """

    environment: dict[str, str]
    file_systems: dict[str, Any]

    def __call__(self, worker: int) -> None:
        os.environ.clear()
        os.environ.update(self.environment)
        fsspec.config.conf.update(self.file_systems)
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches it too, but when to end is its parent's to say
        threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    """PyTorch goes by the number of the parent process, which here is that of the server."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        wait([parent.sentinel])
        os._exit(1)
