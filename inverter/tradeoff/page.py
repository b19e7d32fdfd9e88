"""The trade-off as one HTML page with its charts and pictures inside."""

from __future__ import annotations

from pathlib import Path

from inverter.audit.picture_sheet import PictureSheet
from inverter.evaluation.chart import Point
from inverter.evaluation.labels import heading, label
from inverter.evaluation.methods import NEAREST_BY_FEATURES, STATIC
from inverter.evaluation.page import render_page as render_template
from inverter.evaluation.report import Figure
from inverter.evaluation.results import Score
from inverter.evaluation.scatter import Scatter, render_scatter
from inverter.run.files import write_text
from inverter.tradeoff.record import SettingRecord, Tradeoff
from inverter.tradeoff.summary import recommendation, summarise

TEMPLATES = Path(__file__).parent / "templates"
OPERATING_POINTS = ("mean", "sample")
PLOTTED = ("reid_mrr", "agreement", "psnr")
"""Metrics that are drawn of each operating point, under every judge."""
ROWS = (*OPERATING_POINTS, *(f"{STATIC}{point}" for point in OPERATING_POINTS), NEAREST_BY_FEATURES, "mean image")
"""Methods whose metrics are in the tables; what of several queries is there comes behind the operating points."""
ACROSS = "same answer as the undefended network"


def render_page(tradeoff: Tradeoff, sheet: PictureSheet) -> str:
    """The page as ASCII HTML; every string of the trade-off is escaped."""
    metrics = list(dict.fromkeys(m for each in tradeoff.settings for m in (*each.scores, *each.unscored)))
    return render_template(
        "tradeoff.html.j2",
        TEMPLATES,
        tradeoff=tradeoff,
        sheet=sheet,
        summary=summarise(tradeoff),
        recommendation=recommendation(tradeoff),
        metrics=metrics,
        rows=methods(tradeoff),
        headline=[headline_figure(tradeoff)],
        figures=attack_figures(tradeoff),
        defences={each.name: each.defence["sha256"] for each in tradeoff.settings if each.defence},
    )


def write_page(tradeoff: Tradeoff, sheet: PictureSheet, path: Path) -> None:
    """Write the page to a file, whole or not at all."""
    write_text(path, render_page(tradeoff, sheet))


def methods(tradeoff: Tradeoff) -> list[str]:
    """Methods of the tables, in order."""
    known = list(dict.fromkeys(name for each in tradeoff.settings for name in each.metrics))
    repeated = [name for name in known if name.endswith(" queries")]
    return [name for name in (*ROWS[:2], *repeated, *ROWS[2:], "round trip") if name in known]


def headline_figure(tradeoff: Tradeoff) -> Figure:
    """Leak score of the best attack against agreement, the Pareto set joined."""
    points = {
        each.name: (_point(each.agreement), (score.value, score.low, score.high))
        for each in tradeoff.settings
        if (score := each.scores.get(tradeoff.metric)) is not None
    }
    chart = Scatter(
        ACROSS,
        f"leak score ({label(tradeoff.metric).title})",
        {"best attack": points},
        {each.name: str(number) for number, each in enumerate(tradeoff.settings, 1)},
        tradeoff.pareto,
        (-0.02, 1.02),
    )
    caption = (
        "To the right and down is better. Numbers are those of the table; lines are 95 % intervals over sources, the "
    )
    return Figure("", render_scatter(chart), f"{caption}dotted line joins the Pareto set.")


def attack_figures(tradeoff: Tradeoff) -> list[Figure]:
    """The metrics themselves against agreement, of both operating points, adaptive and static, under every judge."""
    known = list(dict.fromkeys(m for each in tradeoff.settings for found in each.metrics.values() for m in found))
    drawn = [(metric, point) for metric in known for point in OPERATING_POINTS if metric.partition("/")[0] in PLOTTED]
    return [
        Figure(f"{label(metric).title}, `{point}`", render_scatter(_attack_chart(tradeoff, metric, point)), "")
        for metric, point in sorted(drawn, key=lambda each: PLOTTED.index(each[0].partition("/")[0]))
    ]


def _attack_chart(tradeoff: Tradeoff, metric: str, point: str) -> Scatter:
    marks = {each.name: str(number) for number, each in enumerate(tradeoff.settings, 1)}
    series = {
        name: {
            each.name: (_point(each.agreement), _point(each.metrics[method][metric]))
            for each in tradeoff.settings
            if _has(each, method, metric)
        }
        for name, method in (("adaptive", point), ("static", f"{STATIC}{point}"))
    }
    return Scatter(ACROSS, heading(metric), {name: points for name, points in series.items() if points}, marks)


def _has(setting: SettingRecord, method: str, metric: str) -> bool:
    return metric in setting.metrics.get(method, {})


def _point(score: Score) -> Point:
    return score.mean, score.low, score.high
