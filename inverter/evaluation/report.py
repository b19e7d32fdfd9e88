"""Results as one HTML page with its charts and pictures inside."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from inverter.evaluation.harness import ORIGINAL
from inverter.evaluation.methods import KINDS, NEAREST_BY_FEATURES
from inverter.evaluation.notes import WARNING
from inverter.evaluation.page import render_page
from inverter.evaluation.recognition import RANKS, found_within, rank_chart, recognition_chart
from inverter.evaluation.results import Comparison, Results, Row
from inverter.evaluation.summary import Summary, summarise
from inverter.run.files import write_text

KEY_METRICS = ("psnr", "reid_top1", "agreement", "kid")
"""Kinds of metrics of the table that is not folded away."""

SHOWN = ("mean", "sample", NEAREST_BY_FEATURES)
"""Methods whose pictures are shown from the start, with the attack of the summary."""


class Figure(NamedTuple):
    """A chart as SVG text under a title, with a line below."""

    title: str
    svg: str
    caption: str


def render_report(results: Results, title: str = "Evaluation") -> str:
    """The page as ASCII HTML; every string of the results is escaped, captions included."""
    summary = summarise(results)
    shown = {*SHOWN, summary.method}
    if not shown & {row.name for row in results.rows if row.kind == "attack"}:
        shown |= {row.name for row in results.rows}
    return render_page(
        "report.html.j2",
        title=title,
        results=results,
        summary=summary,
        warnings=[note for note in results.notes if note.startswith(WARNING)],
        rankings=rankings(results, summary.method),
        shown=shown,
        key_metrics=key_metrics(results),
        kinds=rows_by_kind(results),
        figures=figures(results, summary),
        ranks=RANKS,
        found_within={judge: shares for judge in _judges(results) if (shares := found_within(results, judge))},
        pairs=comparisons_by_pair(results),
    )


def write_report(results: Results, path: Path, title: str = "Evaluation") -> None:
    """Write the page to a file, whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    write_text(path, render_report(results, title))


def figures(results: Results, summary: Summary) -> list[Figure]:
    """What judges recognise of each method, then how early each judge finds the originals."""
    known = "Marks are judges; lines are 95 % intervals over sources."
    drawn = [
        ("Original found first", recognition_chart(results, "reid_top1"), known),
        ("Same class as the original", recognition_chart(results, "agreement"), known),
    ]
    within = "Share of the pictures whose original is among the first k that the judge names."
    drawn += [
        (f"How early `{judge}` finds it", rank_chart(results, judge, summary.method), within)
        for judge in _judges(results)
    ]
    return [Figure(title, svg, caption) for title, svg, caption in drawn if svg is not None]


def key_metrics(results: Results, kinds: Sequence[str] = KEY_METRICS) -> dict[str, list[str]]:
    """Metrics of these kinds by kind, under every judge, as far as they were measured."""
    return {kind: found for kind in kinds if (found := _metrics(results, kind))}


def rows_by_kind(results: Results) -> dict[str, list[Row]]:
    """Attacks, floors and ceilings; the originals, of which every metric is the best, are left out."""
    return {kind: [row for row in results.rows if row.kind == kind and row.name != ORIGINAL] for kind in KINDS}


def rankings(results: Results, first: str) -> list[str]:
    """Attacks by which pictures are best, median or worst; ``first`` comes first."""
    names = dict.fromkeys(found.ranked_by for found in results.pictures if found.ranked_by is not None)
    return sorted(names, key=lambda name: name != first)


def comparisons_by_pair(results: Results) -> dict[str, list[Comparison]]:
    """Comparisons by what is subtracted from what."""
    pairs: dict[str, list[Comparison]] = {}
    for comparison in results.comparisons:
        pairs.setdefault(f"{comparison.a} − {comparison.b}", []).append(comparison)
    return pairs


def _judges(results: Results) -> list[str]:
    return [metric.partition("/")[2] for metric in _metrics(results, "reid_rank")]


def _metrics(results: Results, kind: str) -> list[str]:
    return [metric for metric in results.metrics() if metric.partition("/")[0] == kind]
