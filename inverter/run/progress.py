"""A progress bar with the time left in a terminal, a log line now and then elsewhere."""

from __future__ import annotations

import logging
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import TypeVar

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

T = TypeVar("T")
log = logging.getLogger(__name__)


def track(items: Iterable[T], description: str, total: int | None = None, every_seconds: float = 30.0) -> Iterator[T]:
    """Iterate and show how far it is and how long it will take."""
    if total is None:
        try:
            total = len(items)  # type: ignore[arg-type]
        except TypeError:
            total = None
    if sys.stderr.isatty():
        columns = (
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TimeRemainingColumn(),
        )
        with Progress(*columns, console=Console(stderr=True)) as progress:
            yield from progress.track(items, total=total, description=description)
        return
    start = shown = time.monotonic()
    for count, item in enumerate(items, 1):
        yield item
        now = time.monotonic()
        if now - shown >= every_seconds:
            left = time_left(now - start, count / total) if total else ""
            log.info("%s: %d%s after %.0f s%s", description, count, f" of {total}" if total else "", now - start, left)
            shown = now


@contextmanager
def follow(description: str, total: int, every_seconds: float = 30.0) -> Iterator[Callable[[int, float], None]]:
    """A function that shows the steps done and a loss: in a bar with the time left, or a log line now and then."""
    if sys.stderr.isatty():
        columns = (
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("loss {task.fields[loss]:.4g}"),
            TimeElapsedColumn(),
            TimeRemainingColumn(),
        )
        with Progress(*columns, console=Console(stderr=True)) as progress:
            task = progress.add_task(description, total=total, loss=float("nan"))
            yield lambda done, loss: progress.update(task, completed=done, loss=loss)
        return
    start = shown = time.monotonic()

    def show(done: int, loss: float) -> None:
        nonlocal shown
        now = time.monotonic()
        if now - shown >= every_seconds:
            left = time_left(now - start, done / total)
            how_far = f"step {done} of {total}, loss {loss:.4g}, after {now - start:.0f} s{left}"
            log.info("%s: %s", description, how_far)
            shown = now

    yield show


def time_left(seconds: float, share: float) -> str:
    """``, about N s left`` after so many seconds in which a share was done; empty where there is nothing to go by."""
    return f", about {seconds / share * (1 - share):.0f} s left" if 0 < share <= 1 else ""
