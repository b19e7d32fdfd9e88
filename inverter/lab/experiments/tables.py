"""Tables in Markdown, of one group each."""

from __future__ import annotations

from collections.abc import Sequence

from inverter.evaluation.labels import heading, number, score
from inverter.evaluation.results import Results, Row

COSTS = {"target_queries": "target queries", "denoiser_calls": "denoiser calls", "seconds_per_image": "seconds"}


def results_table(results: Results, kinds: Sequence[str]) -> str:
    """Methods down; the metrics of these kinds, as far as they were measured, and costs an image across."""
    metrics = [metric for kind in kinds for metric in results.metrics() if metric.partition("/")[0] == kind]
    rows = [["method", *map(heading, metrics), *COSTS.values()]]
    for row in results.rows:
        cells = [score(metric, row.scores[metric]) if metric in row.scores else "" for metric in metrics]
        rows.append([name(row), *cells, *(_cost(row, cost) for cost in COSTS)])
    if results.chance:
        guesses = [number(m, results.chance[m]) if m in results.chance else "" for m in metrics]
        rows.append(["guessing", *guesses, *("" for _ in COSTS)])
    return markdown(rows)


def name(row: Row) -> str:
    """The method, and what it is where it is no attack."""
    return row.name if row.kind == "attack" else f"{row.name} ({row.kind})"


def markdown(rows: Sequence[Sequence[str]]) -> str:
    """A table whose first row is its heading; ``|`` in a cell is escaped."""
    lines = ["| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |" for row in rows]
    return "\n".join([lines[0], "| --- " * len(rows[0]) + "|", *lines[1:]])


def _cost(row: Row, cost: str) -> str:
    value = row.cost.get(cost)
    return (
        "" if value is None or row.kind != "attack" else f"{value:,.2f}" if cost.startswith("sec") else f"{value:,.0f}"
    )
