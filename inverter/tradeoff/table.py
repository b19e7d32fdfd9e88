"""A trade-off as a table for the terminal."""

from __future__ import annotations

from rich.console import Console, Group
from rich.table import Table
from rich.text import Text

from inverter.audit.table import interval
from inverter.evaluation.labels import label
from inverter.evaluation.labels import score as write_score
from inverter.tradeoff.record import Tradeoff
from inverter.tradeoff.summary import recommendation, summarise


def tradeoff_table(tradeoff: Tradeoff) -> Group:
    """Settings down; bytes, utility and the headline score across; then the verdict."""
    title = f"{tradeoff.target['name']} at {tradeoff.target['layer']}: leak score by {label(tradeoff.metric).title}"
    table = Table(title=title)
    for column in ("setting", "KiB", "same answer", "score", "95 % interval", "best attack", ""):
        left = column in ("setting", "best attack", "")
        table.add_column(column, justify="left" if left else "right", overflow="fold")
    for each in tradeoff.settings:
        score = each.scores.get(tradeoff.metric)
        found = [f"{score.value:.3f}", interval(score), score.attack] if score else ["none", "", ""]
        tags = [
            tag for tag, names in (("Pareto", tradeoff.pareto), ("protects", tradeoff.protecting)) if each.name in names
        ]
        sent = [f"{each.bytes / 1024:,.1f}", write_score("agreement", each.agreement)]
        table.add_row(*map(Text, [each.name, *sent, *found, ", ".join(tags)]))
    summary = summarise(tradeoff)
    lines = [summary.text, *summary.details, recommendation(tradeoff)]
    return Group(table, *(Text(line.replace("`", "")) for line in lines))


def print_tradeoff(tradeoff: Tradeoff, console: Console | None = None) -> None:
    """Print :func:`tradeoff_table`."""
    (console or Console()).print(tradeoff_table(tradeoff))
