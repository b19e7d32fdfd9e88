"""Stages in processes of their own, started from one that has imported everything."""

from __future__ import annotations

import multiprocessing
import socket
from collections.abc import Callable, Sequence
from multiprocessing.process import BaseProcess

import pytest

from inverter.data.workers import start_server

RUN = """
import os, sys, torch
os.environ.update(environment)
torch.set_num_threads(1)
from inverter.__main__ import main
sys.exit(main(words))
"""
Start = Callable[..., list[BaseProcess]]


@pytest.fixture(scope="session")
def start() -> Start:
    """Function that starts ``inverter WORDS`` in processes that find themselves as torchrun would have left them."""
    start_server()
    context = multiprocessing.get_context("forkserver")

    def run(words: Sequence[str], world_size: int = 1) -> list[BaseProcess]:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        processes = []
        for rank in range(world_size):
            environment = {
                "RANK": str(rank),
                "LOCAL_RANK": str(rank),
                "WORLD_SIZE": str(world_size),
                "MASTER_ADDR": "127.0.0.1",
                "MASTER_PORT": str(port),
                "TORCHELASTIC_RUN_ID": "test",
            }
            scope = {"environment": environment if world_size > 1 else {}, "words": list(words)}
            processes.append(context.Process(target=exec, args=(RUN, scope)))
            processes[-1].start()
        return processes

    return run


@pytest.fixture(scope="session")
def finish(start: Start) -> Callable[..., None]:
    """Function that starts ``inverter WORDS`` and waits until every process has ended without an error."""

    def run(words: Sequence[str], world_size: int = 1) -> None:
        processes = start(words, world_size)
        for process in processes:
            process.join()
        assert [process.exitcode for process in processes] == [0] * world_size

    return run
