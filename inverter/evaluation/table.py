"""Results as tables for the terminal."""

from collections.abc import Sequence

from rich.console import Console, Group
from rich.table import Table
from rich.text import Text

from inverter.evaluation.labels import heading, interval, label, number
from inverter.evaluation.results import Results, Row

SECONDS = "seconds per image"


NAME_WIDTH, CELL_WIDTH = 24, 21
"""Columns of the terminal that a method's name and a metric take, borders included."""


def results_table(results: Results, width: int = 120) -> Group:
    """Methods down, metrics across, in as many tables as fit ``width``; then comparisons, payload, what is missing."""
    metrics = [*results.metrics(), SECONDS]
    across = max(1, (width - NAME_WIDTH) // CELL_WIDTH)
    parts: list[Table | Text] = [
        _block(results, metrics[first : first + across]) for first in range(0, len(metrics), across)
    ]
    parts[0].title = f"{results.num_images} images from {results.num_sources} sources, 95 % intervals"  # type: ignore[union-attr]
    if results.comparisons:
        parts.append(_comparisons(results))
    payload = results.payload
    parts.append(
        Text(
            f"{payload.features:,} numbers travel per image against {payload.picture:,} in a picture: "
            f"{payload.ratio:.2f} times"
        )
    )
    parts += [Text(f"not computed: {label(missing.metric).title} ({missing.reason})") for missing in results.missing]
    parts += [Text(note) for note in results.notes]
    return Group(*parts)


def print_table(results: Results, console: Console | None = None) -> None:
    """Print :func:`results_table`."""
    console = console or Console()
    console.print(results_table(results, console.width))


def _block(results: Results, metrics: Sequence[str]) -> Table:
    table = Table()
    table.add_column("method", width=NAME_WIDTH - 4)
    for metric in metrics:
        table.add_column(
            Text(SECONDS if metric == SECONDS else heading(metric)),
            justify="right",
            width=CELL_WIDTH - 3,
            overflow="fold",
        )
    for row in results.rows:
        point = f", {row.operating_point}" if row.operating_point else ""
        cells = [_cell(row, metric) for metric in metrics]
        table.add_row(*map(Text, [f"{row.name}\n({row.kind}{point})", *cells]))
    if any(metric in results.chance for metric in metrics):
        guesses = [number(m, results.chance[m]) if m in results.chance else "" for m in metrics]
        table.add_row(*map(Text, ["chance", *guesses]))
    return table


def _cell(row: Row, metric: str) -> str:
    if metric == SECONDS:
        seconds = row.cost.get("seconds_per_image")
        return "" if seconds is None else f"{seconds:.3g}"
    found = row.scores.get(metric)
    return f"{number(metric, found.mean)}\n{interval(metric, found.low, found.high)}" if found else ""


def _comparisons(results: Results) -> Table:
    table = Table(title="Paired differences")
    for title in ("a minus b", "metric", "difference", "95 % interval", "claim"):
        table.add_column(title)
    for c in results.comparisons:
        difference, ends = number(c.metric, c.difference, signed=True), interval(c.metric, c.low, c.high, signed=True)
        table.add_row(*map(Text, [f"{c.a} - {c.b}", heading(c.metric), difference, ends, "yes" if c.claim else "no"]))
    return table
