"""Results as tables for the terminal: the headlines, as many as fit; everything is in the report."""

from collections.abc import Sequence

from rich.box import SIMPLE_HEAD
from rich.console import Console, Group
from rich.table import Table
from rich.text import Text

from inverter.evaluation.intervals import MIN_SOURCES
from inverter.evaluation.labels import CLAIMS, heading, interval, label, number, verdict
from inverter.evaluation.results import Comparison, Results, Row
from inverter.evaluation.summary import summarise

HEADLINES = ("psnr", "agreement", "kid", "reid_top1", "ssim", "lpips")
"""Kinds of metrics in order of importance, before all others; of one that several judges compute, the first judge's is
shown."""

NAME_WIDTH, CELL_WIDTH = 22, 18
"""Columns of the terminal that a method's name and a metric take; one more lies between them."""


def results_table(results: Results, width: int = 120) -> Group:
    """What leaked in a sentence; methods down, headlines across; what attacks are worth against floors and baseline,
    from 20 sources on; what a reader has to know."""
    metrics = _headlines(results)[: max(1, (width - NAME_WIDTH) // (CELL_WIDTH + 1))]
    said = Text(summarise(results).text.replace("`", ""), style="bold")
    parts: list[Table | Text] = [said, Text(), _methods(results, metrics), Text()]
    if results.comparisons and results.num_sources >= MIN_SOURCES:
        parts += [_comparisons(results, metrics), Text()]
    payload = results.payload
    sent = f"{payload.features:,} numbers travel for a picture of {payload.picture:,}"
    sizes = "" if payload.bytes is None else f" They take {payload.bytes:,.0f} bytes."
    lines = [*results.notes, f"{sent}: {payload.ratio:.2f} times as many.{sizes}"]
    lines += [f"Not computed: {label(missing.metric).title} ({missing.reason})." for missing in results.missing]
    parts += map(Text, lines)
    return Group(*parts)


def print_table(results: Results, console: Console | None = None) -> None:
    """Print :func:`results_table`."""
    console = console or Console()
    console.print(results_table(results, console.width))


def _headlines(results: Results) -> list[str]:
    first: dict[str, str] = {}
    for metric in results.metrics():
        first.setdefault(metric.partition("/")[0], metric)
    return [first[kind] for kind in dict.fromkeys((*HEADLINES, *first)) if kind in first]


def _methods(results: Results, metrics: Sequence[str]) -> Table:
    title = f"{results.num_images} images from {results.num_sources} sources, 95 % intervals"
    table = _table(title, "method", [heading(metric.partition("/")[0]) for metric in metrics])
    for row in results.rows:
        table.add_row(*map(Text, [f"{row.name}\n({row.kind})", *(_score(row, metric) for metric in metrics)]))
    if any(metric in results.chance for metric in metrics):
        guesses = [number(metric, results.chance[metric]) if metric in results.chance else "" for metric in metrics]
        table.add_row(*map(Text, ["chance", *guesses]))
    judges = dict.fromkeys(judge for _, _, judge in (metric.partition("/") for metric in metrics) if judge)
    judged = "".join(f" Judge: {judge}." for judge in judges)
    table.caption = f"Arrows point to more leakage.{judged} All metrics and intervals are in the report."
    return table


def _score(row: Row, metric: str) -> str:
    score = row.scores.get(metric)
    return f"{number(metric, score.mean)}\n{interval(metric, score.low, score.high)}" if score else ""


def _comparisons(results: Results, metrics: Sequence[str]) -> Table:
    table = _table(
        "Paired differences", "attack against", [label(metric.partition("/")[0]).title for metric in metrics]
    )
    pairs: dict[str, dict[str, dict[str, Comparison]]] = {}
    for c in results.comparisons:
        pairs.setdefault(c.a, {}).setdefault(c.b, {})[c.metric] = c
    for attack, others in pairs.items():
        table.add_section()
        table.add_row(Text(f"{attack}:", style="bold"))
        for other, found in others.items():
            table.add_row(*map(Text, [other, *(_verdict(found[m]) if m in found else "" for m in metrics)]))
    table.caption = (
        "better, worse: the attack leaks more, less. Both need an interval of the paired difference that excludes 0, "
        f"{MIN_SOURCES} sources, and the same sign under every judge."
    )
    return table


def _verdict(c: Comparison) -> str:
    word = verdict(c)
    return f"{word} by {number(c.metric, abs(c.difference))}" if word in CLAIMS else word


def _table(title: str, name: str, columns: Sequence[str]) -> Table:
    table = Table(
        title=title, title_justify="left", caption_justify="left", box=SIMPLE_HEAD, show_edge=False, padding=0
    )
    table.add_column(name, width=NAME_WIDTH, overflow="fold")
    for column in columns:
        table.add_column(Text(column), justify="right", width=CELL_WIDTH, overflow="fold")
    return table
