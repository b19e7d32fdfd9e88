"""An experiment as one HTML page, of the family that evaluations and audits have, charts and pictures inside."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from inverter.evaluation.chart import Chart, render
from inverter.evaluation.labels import heading
from inverter.evaluation.page import render_page
from inverter.evaluation.report import Figure, comparisons_by_pair, key_metrics, rows_by_kind
from inverter.lab.experiments.page import (
    NOTHING,
    RULE,
    UNFINISHED,
    Lead,
    Text,
    find_lead,
    made_by,
    own_limits,
    write_page,
)
from inverter.lab.experiments.record import ExperimentRecord
from inverter.run.files import write_text

TEMPLATES = Path(__file__).parent / "templates"
FILE = "report.html"


def render_report(record: ExperimentRecord, text: Text, charts: Sequence[Chart | None]) -> str:
    """The page as ASCII HTML; every string of the record is escaped.

    It begins with the table of :func:`find_lead`; the others are folded away with their first pictures.
    """
    lead, drawn = find_lead(record), [chart for chart in charts if chart is not None]
    shown, folded = _split(drawn, lead)
    ranked = {None, lead.summary.method} if lead else set()
    attacks = {row.name for group in record.groups for row in group.results.rows if row.kind == "attack"}
    return render_page(
        "experiment.html.j2",
        TEMPLATES,
        record=record,
        text=text,
        lead=lead,
        nothing=NOTHING,
        rule=RULE,
        unfinished=UNFINISHED,
        setup=[*text.setup, *made_by(record)],
        limits=[*text.limits, *own_limits(record)],
        shown=attacks,
        pictures=[found for found in lead.group.results.pictures if found.ranked_by in ranked] if lead else [],
        key_metrics=key_metrics(lead.group.results, text.key) if lead else {},
        kinds=rows_by_kind(lead.group.results) if lead else {},
        pairs=[comparisons_by_pair(group.results) for group in record.groups],
        figures=_figures(shown),
        further=_figures(folded),
    )


def write_pages(
    record: ExperimentRecord, text: Text, charts: Sequence[Chart | None], results: Path, output: Path
) -> None:
    """Table, plot and page in ``results``, the report in ``output``."""
    write_page(record, text, charts, results)
    write_report(record, text, charts, output)


def write_report(record: ExperimentRecord, text: Text, charts: Sequence[Chart | None], folder: Path) -> Path:
    """Write ``report.html`` beside the reconstructions that it shows, whole or not at all; returns its path."""
    write_text(folder / FILE, render_report(record, text, charts))
    return folder / FILE


def _split(charts: Sequence[Chart], lead: Lead | None) -> tuple[list[Chart], list[Chart]]:
    """Charts of the metric that the page begins with, under every judge, else the first one; and the others."""
    kind = "" if lead is None else lead.summary.metric.partition("/")[0]
    names = () if lead is None else tuple(heading(metric) for metric in key_metrics(lead.group.results, (kind,))[kind])
    first = [chart for chart in charts if names and chart.title.endswith(names)] or list(charts[:1])
    return first, [chart for chart in charts if chart not in first]


def _figures(charts: Sequence[Chart]) -> list[Figure]:
    return [Figure(chart.title, render([replace(chart, title="")]), "") for chart in charts]
