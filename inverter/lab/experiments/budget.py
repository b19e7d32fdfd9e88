"""What an attack may cost, and the method fitted to it."""

from __future__ import annotations

from dataclasses import asdict, replace
from typing import Any

from torch import Tensor

from inverter.lab.experiments.cell import CellFile
from inverter.lab.experiments.config import BudgetConfig
from inverter.whitebox.attack import Attack
from inverter.whitebox.config import InvertConfig
from inverter.whitebox.methods import METHODS

TRIAL = 5
"""Queries that tell how long one takes."""


def budget_name(budget: BudgetConfig) -> str:
    """Such as ``256 queries`` or ``20 seconds``.

    Raises:
        ValueError: It is both or neither, or not above 0.
    """
    given = {name: v for name, v in (("queries", budget.queries), ("seconds", budget.seconds)) if v is not None}
    if len(given) != 1 or min(given.values()) <= 0:
        raise ValueError(f"budget is {asdict(budget)}; allowed: queries or seconds, above 0")
    return " ".join(f"{value:g} {name}" for name, value in given.items())


def choose_queries(budget: BudgetConfig, cell: CellFile, attack: Attack, features: Tensor) -> int:
    """Queries of the budget; those of a time are found by a trial, once a cell.

    Raises:
        SystemExit: A signal came.
    """
    budget_name(budget)
    if budget.seconds is None:
        return int(budget.queries or 0)
    if "queries" not in cell.notes:
        _trial(attack, features)  # the first is slow: kernels are chosen, memory is taken
        cell.notes["queries"] = max(1, int(budget.seconds / _trial(attack, features)))
        cell.save()
    return int(cell.notes["queries"])


def _trial(attack: Attack, features: Tensor) -> float:
    """Seconds that a query of one image takes."""
    config = replace(attack.config, loop=replace(attack.config.loop, max_queries=TRIAL))
    result = replace(attack, config=config).invert(features)
    if result.stopped_by is not None:
        raise SystemExit(128 + result.stopped_by)
    return result.seconds / int(result.counts["target_queries"].sum())


def plan(attack: Attack, config: InvertConfig, queries: int, seconds: float | None = None) -> InvertConfig:
    """Steps of the method raised or cut to the budget.

    Args:
        attack: Has the phases.
        config: Of the attack.
        queries: An image.
        seconds: An image, at most; None sets no end.
    """
    method, planned = config.method, [phase.num_steps for phase in attack.phases()]
    seconds = config.loop.max_seconds if seconds is None else seconds
    sections: dict[str, Any] = {"loop": replace(config.loop, max_queries=queries, max_seconds=seconds)}
    if METHODS[method].config is not None:
        sections[method] = METHODS[method].make_queries(getattr(config, method), queries, planned)
    return replace(config, **sections)
