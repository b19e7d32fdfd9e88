"""What an attack may cost, and the method fitted to it."""

from __future__ import annotations

from dataclasses import asdict, replace

from torch import Tensor

from inverter.config import BudgetConfig, InvertConfig
from inverter.experiments.cell import CellFile
from inverter.whitebox.attack import Attack

TRIAL = 4
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
    """Queries of the budget; those of a time are found by a trial, once a cell."""
    budget_name(budget)
    if budget.seconds is None:
        return int(budget.queries or 0)
    if "queries" not in cell.notes:
        taken = [_trial(attack, features, queries) for queries in (1, 1 + TRIAL)]
        each = max(taken[1] - taken[0], 1e-6) / (TRIAL * len(features))
        cell.notes["queries"] = max(1, int(budget.seconds / each))
        cell.save()
    return int(cell.notes["queries"])


def _trial(attack: Attack, features: Tensor, queries: int) -> float:
    config = replace(attack.config, loop=replace(attack.config.loop, max_queries=queries))
    return replace(attack, config=config).invert(features).seconds


def plan(attack: Attack, config: InvertConfig, queries: int) -> InvertConfig:
    """Steps raised or cut to the budget; two phases keep their share of it."""
    hybrid, parts = config.hybrid, [phase.num_steps for phase in attack.phases()]
    first = queries if len(parts) == 1 else max(1, round(queries * hybrid.num_steps / sum(parts)))
    pixels = replace(hybrid.pixels, num_steps=max(1, queries - first))
    return replace(
        config,
        loop=replace(config.loop, max_queries=queries),
        direct=replace(config.direct, num_steps=queries),
        latent=replace(config.latent, num_steps=queries),
        hybrid=replace(hybrid, num_steps=first, pixels=pixels),
    )
