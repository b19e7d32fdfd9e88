"""Ctrl-C ends a training as SIGTERM does: when the step under way is done."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType


@contextmanager
def interrupt_as_termination() -> Iterator[list[int]]:
    """While the block runs, the first SIGINT becomes a SIGTERM, and is added to the list that the block gets.

    A second one, and one that comes when nothing waits for SIGTERM, is the interpreter's. Only a main thread gets any.
    """
    came: list[int] = []

    def pass_on(number: int, frame: FrameType | None) -> None:
        signal.signal(signal.SIGINT, signal.default_int_handler)
        if signal.getsignal(signal.SIGTERM) is signal.SIG_DFL:
            raise KeyboardInterrupt
        came.append(number)
        signal.raise_signal(signal.SIGTERM)

    if threading.current_thread() is not threading.main_thread():
        yield came
        return
    before = signal.signal(signal.SIGINT, pass_on)
    try:
        yield came
    finally:
        signal.signal(signal.SIGINT, before)
