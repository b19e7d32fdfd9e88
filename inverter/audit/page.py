"""The audit as one HTML page with its charts and pictures inside: no script, nothing loaded from elsewhere."""

from __future__ import annotations

from pathlib import Path

from inverter.audit.picture_sheet import PictureSheet
from inverter.audit.record import Audit
from inverter.audit.table import verdict
from inverter.evaluation.chart import Chart, Point, render
from inverter.evaluation.labels import heading, label
from inverter.evaluation.references import NEAREST_BY_FEATURES
from inverter.evaluation.report import page_environment
from inverter.run.files import write_text

TEMPLATES = Path(__file__).parent / "templates"
PLOTTED = ("mean", "sample", NEAREST_BY_FEATURES, "mean image", "round trip")
"""Methods whose metrics are drawn."""


def render_page(audit: Audit, sheet: PictureSheet) -> str:
    """The page as ASCII HTML; every string of the audit is escaped."""
    template = page_environment(TEMPLATES).get_template("audit.html.j2")
    page = template.render(
        audit=audit,
        sheet=sheet,
        headline=render([score_chart(audit)]),
        charts=[render([metric_chart(audit, metric)]) for metric in audit.layers[0].scores | audit.layers[0].unscored],
        short=lambda metric: label(metric).title,
        verdict=verdict,
    )
    return page.encode("ascii", "xmlcharrefreplace").decode()


def write_page(audit: Audit, sheet: PictureSheet, path: Path) -> None:
    """Write the page to a file, whole or not at all."""
    write_text(path, render_page(audit, sheet))


def score_chart(audit: Audit) -> Chart:
    """Leak scores against depth, the headline first and with its interval."""
    metrics = dict.fromkeys([audit.metric, *(metric for layer in audit.layers for metric in layer.scores)])
    series: dict[str, dict[str, Point]] = {}
    for metric in metrics:
        ends = metric == audit.metric
        series[label(metric).title] = {
            layer.layer: (score.value, score.low if ends else None, score.high if ends else None)
            for layer in audit.layers
            if (score := layer.scores.get(metric)) is not None
        }
    names = [layer.layer for layer in audit.layers]
    return Chart("Leak score", names, series, limits=(0.0, 1.0), mark=audit.threshold)


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
