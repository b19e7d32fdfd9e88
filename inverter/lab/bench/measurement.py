"""One measured quantity, and a clock that alternates what it compares."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import median

import torch
from rich.table import Table


@dataclass(frozen=True)
class Measurement:
    """A median over rounds with its range.

    Args:
        name: What was measured, for the table and the picture.
        detail: How.
        unit: ``x`` (a ratio), ``images/s``, ``s`` or ``MiB``.
        value: Median over the rounds.
        low: Smallest round.
        high: Largest round.
        rounds: How often it was measured.
        aim: Value that is aimed at: at least it where ``more_is_better``, at most it otherwise; None without an aim.
        more_is_better: Whether a larger value is a better one.
    """

    name: str
    detail: str
    unit: str
    value: float
    low: float
    high: float
    rounds: int
    aim: float | None = None
    more_is_better: bool = True

    @classmethod
    def of(cls, name: str, unit: str, values: Sequence[float], detail: str, **kwargs: float | bool) -> Measurement:
        """Summary of one value a round."""
        return cls(name, detail, unit, median(values), min(values), max(values), len(values), **kwargs)  # type: ignore[arg-type]

    @property
    def met(self) -> bool | None:
        """Whether the aim is reached; None without one."""
        if self.aim is None:
            return None
        return self.value >= self.aim if self.more_is_better else self.value <= self.aim


def alternate(
    calls: Sequence[Callable[[], object]], rounds: int, device: torch.device, repeats: int = 1
) -> list[list[float]]:
    """Seconds a call, ``[call][round]``; every round runs all calls, so that a machine that slows down slows them all.

    Each call runs once before the clock starts, and ``repeats`` times a round.
    """
    for call in calls:
        call()
    seconds: list[list[float]] = [[] for _ in calls]
    for _ in range(rounds):
        for call, row in zip(calls, seconds, strict=True):
            row.append(clock(call, device, repeats))
    return seconds


def clock(call: Callable[[], object], device: torch.device, repeats: int = 1) -> float:
    """Seconds a call, with the device's queue empty at both ends."""
    synchronise(device)
    start = time.perf_counter()
    for _ in range(repeats):
        call()
    synchronise(device)
    return (time.perf_counter() - start) / repeats


def synchronise(device: torch.device) -> None:
    """Wait for a GPU; a CPU is never behind."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def divide(dividends: Sequence[float], divisors: Sequence[float]) -> list[float]:
    """Ratio of each round."""
    return [a / b for a, b in zip(dividends, divisors, strict=True)]


def table(measurements: list[Measurement]) -> Table:
    """One row a measurement: median, range, aim."""
    table = Table(title="median and range over the rounds")
    for column in ("measured", "value", "range", "unit", "aim"):
        table.add_column(column, justify="left" if column == "measured" else "right")
    for m in measurements:
        aim = "" if m.aim is None else f"{'>=' if m.more_is_better else '<='} {m.aim:g} {'met' if m.met else 'MISSED'}"
        table.add_row(m.name, f"{m.value:,.4g}", f"{m.low:,.4g} to {m.high:,.4g}", m.unit, aim)
    return table
