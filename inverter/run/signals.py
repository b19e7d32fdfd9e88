"""Ctrl-C and SIGTERM end a training, a white-box loop and the demo when what is under way is done, others at once."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType, TracebackType


def terminate(number: int, frame: FrameType | None) -> None:
    """End by SystemExit, unless another handler, which waits for the end of a step, calls this one."""
    if signal.getsignal(number) is terminate:
        raise SystemExit(128 + number)


@contextmanager
def termination_as_exit() -> Iterator[None]:
    """While the block runs, SIGTERM raises SystemExit 143 where nothing waits for it, so that the end can be told.

    Only in a main thread, and where the process has no handler of its own.
    """
    if (
        threading.current_thread() is not threading.main_thread()
        or signal.getsignal(signal.SIGTERM) is not signal.SIG_DFL
    ):
        yield
        return
    signal.signal(signal.SIGTERM, terminate)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)


@contextmanager
def interrupt_as_termination() -> Iterator[list[int]]:
    """While the block runs, the first SIGINT becomes a SIGTERM, and is added to the list that the block gets.

    A second one, and one that comes when nothing waits for SIGTERM, is the interpreter's. Only a main thread gets any.
    """
    came: list[int] = []

    def pass_on(number: int, frame: FrameType | None) -> None:
        signal.signal(signal.SIGINT, signal.default_int_handler)
        if signal.getsignal(signal.SIGTERM) in (signal.SIG_DFL, terminate):
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


class Stop:
    """While the block runs, SIGINT and SIGTERM set ``signal``; a second one is the interpreter's again."""

    SIGNALS = (signal.SIGINT, signal.SIGTERM)

    def __init__(self) -> None:
        self.signal: int | None = None
        self._before: dict[int, object] = {}

    def __enter__(self) -> Stop:
        if threading.current_thread() is threading.main_thread():  # others may not
            self._before = {number: signal.signal(number, self._note) for number in self.SIGNALS}
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)  # type: ignore[arg-type]

    def _note(self, number: int, frame: FrameType | None) -> None:
        self.signal = number
        signal.signal(number, signal.default_int_handler if number == signal.SIGINT else signal.SIG_DFL)
