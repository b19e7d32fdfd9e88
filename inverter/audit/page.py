"""The audit as one HTML page with its charts and pictures inside."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from inverter.audit.picture_sheet import PictureSheet
from inverter.audit.record import Audit
from inverter.audit.summary import summarise
from inverter.audit.table import verdict
from inverter.evaluation.chart import Chart, Point, render
from inverter.evaluation.labels import heading, label
from inverter.evaluation.methods import NEAREST_BY_FEATURES
from inverter.evaluation.page import render_page as render_template
from inverter.evaluation.report import Figure
from inverter.run.files import write_text

TEMPLATES = Path(__file__).parent / "templates"
PLOTTED = ("mean", "sample", NEAREST_BY_FEATURES, "mean image", "round trip")
"""Methods whose metrics are drawn."""


def render_page(audit: Audit, sheet: PictureSheet) -> str:
    """The page as ASCII HTML; every string of the audit is escaped."""
    metrics = list(dict.fromkeys(metric for layer in audit.layers for metric in (*layer.scores, *layer.unscored)))
    return render_template(
        "audit.html.j2",
        TEMPLATES,
        audit=audit,
        sheet=sheet,
        summary=summarise(audit),
        recommendation=verdict(audit),
        metrics=metrics,
        plotted=PLOTTED,
        scores=score_figures(audit),
        values=[Figure("", render([metric_chart(audit, metric)]), heading(metric)) for metric in metrics],
    )


def write_page(audit: Audit, sheet: PictureSheet, path: Path) -> None:
    """Write the page to a file, whole or not at all."""
    write_text(path, render_page(audit, sheet))


def score_figures(audit: Audit) -> list[Figure]:
    """Leak scores against depth: of the headline under every judge, then of the other metrics."""
    kind = audit.metric.partition("/")[0]
    metrics = dict.fromkeys([audit.metric, *(metric for layer in audit.layers for metric in layer.scores)])
    first = [metric for metric in metrics if metric.partition("/")[0] == kind]
    others = [metric for metric in metrics if metric not in first]
    known = f"Bars are 95 % intervals over sources; the dashed line is the threshold, {audit.threshold:g}."
    titles = ((label(kind).title, first), ("Other metrics", others))
    return [Figure(f"{title}: leak score", render([score_chart(audit, of)]), known) for title, of in titles if of]


def score_chart(audit: Audit, metrics: Sequence[str]) -> Chart:
    """Leak scores of some metrics against depth, with their intervals."""
    series: dict[str, dict[str, Point]] = {
        label(metric).title: {
            layer.layer: (score.value, score.low, score.high)
            for layer in audit.layers
            if (score := layer.scores.get(metric)) is not None
        }
        for metric in metrics
    }
    return Chart("", [layer.layer for layer in audit.layers], series, limits=(0.0, 1.0), mark=audit.threshold)


def metric_chart(audit: Audit, metric: str) -> Chart:
    """A metric in its own unit against depth: attacks, the mean image and the round trip."""
    series: dict[str, dict[str, Point]] = {
        method: {
            layer.layer: (score.mean, score.low, score.high)
            for layer in audit.layers
            if (score := layer.metrics.get(method, {}).get(metric)) is not None
        }
        for method in PLOTTED
    }
    return Chart(heading(metric), [layer.layer for layer in audit.layers], series)
