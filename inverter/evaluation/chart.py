"""Charts of values with their intervals, as SVG text that pages take in."""

from __future__ import annotations

import io
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import matplotlib
from matplotlib.axes import Axes
from matplotlib.figure import Figure

COLOURS = ("#17467d", "#c2570c", "#2f7d3b", "#7a3d99", "#8a6d00", "#46525c", "#b0186f", "#2f8f8f")
ACCENT, INK, MUTED, GRID, ALARM = COLOURS[0], "#1b1f24", COLOURS[5], "#e4e8ec", "#b3261e"
MAX_NAME = 14
"""Characters of a column's name that fit; of a longer one the end is shown."""
MAX_COLUMNS = 8
"""Columns that are named; of more every second, third, ... is."""
MAX_INSIDE = 4
"""Series that are named among the lines; of more the names stand below."""
SETTINGS: Any = {"svg.fonttype": "none", "svg.hashsalt": "inverter", "font.size": 9, "text.parse_math": False}

Point = tuple[float, float | None, float | None]
"""Value with the ends of its interval, None where there is none."""


@dataclass(frozen=True)
class Chart:
    """One value a column for each of several series.

    Args:
        title: Heading.
        columns: Along the horizontal axis, evenly spaced.
        series: Name to column to value and interval; a column without a value is left out of the line.
        limits: Lower and upper end of the vertical axis; None takes those of the values.
        mark: Value of a dashed line.
    """

    title: str
    columns: Sequence[str]
    series: Mapping[str, Mapping[str, Point]]
    limits: tuple[float, float] | None = None
    mark: float | None = None


def render(charts: Sequence[Chart], per_row: int = 1) -> str:
    """SVG text of some charts in rows; the same charts give the same text."""
    rows = max(math.ceil(len(charts) / per_row), 1)
    with matplotlib.rc_context(SETTINGS):
        figure = Figure(figsize=(4.8 * per_row, 2.9 * rows), layout="constrained")
        for place, chart in enumerate(charts, 1):
            draw(figure.add_subplot(rows, per_row, place), chart)
        return to_svg(figure)


def draw(axes: Axes, chart: Chart) -> None:
    """Lines with error bars, a little apart so that intervals do not hide each other."""
    places = {column: place for place, column in enumerate(chart.columns)}
    apart = 0.5 / max(len(chart.series), 1) if len(places) == 1 else min(0.04, 0.2 / max(len(chart.series), 1))
    for number, (name, points) in enumerate(chart.series.items()):
        shown = [(places[column], points[column]) for column in chart.columns if column in points]
        if not shown:
            continue
        shift = apart * (number - (len(chart.series) - 1) / 2)
        values = [value for _, (value, _, _) in shown]
        below = [value - (value if low is None else low) for _, (value, low, _) in shown]
        above = [(value if high is None else high) - value for _, (value, _, high) in shown]
        axes.errorbar(
            [place + shift for place, _ in shown],
            values,
            yerr=(below, above) if any(below) or any(above) else None,
            label=name,
            color=COLOURS[number % len(COLOURS)],
            marker="o" if len(shown) < 20 else None,
            markersize=3,
            linewidth=1.2,
        )
    if chart.mark is not None:
        axes.axhline(chart.mark, color=ALARM, linestyle="--", linewidth=1)
    every = -(-len(places) // MAX_COLUMNS) or 1
    axes.set_xticks(range(0, len(places), every), [shorten(column) for column in chart.columns[::every]])
    axes.set_xlim(-0.5, max(len(places), 1) - 0.5)
    if chart.limits is not None:
        axes.set_ylim(*chart.limits)
    axes.set_title(chart.title, loc="left", fontsize=10, fontweight="bold")
    axes.grid(axis="y", color=GRID)
    axes.spines[["top", "right"]].set_visible(False)
    if axes.has_data() and axes.get_legend_handles_labels()[0]:
        under: dict[str, Any] = {"loc": "upper center", "bbox_to_anchor": (0.5, -0.1), "ncols": 3}
        axes.legend(fontsize=8, frameon=False, **(under if len(chart.series) > MAX_INSIDE else {}))


def to_svg(figure: Figure) -> str:
    """SVG text of a figure, from ``<svg`` on, with its words as text."""
    stream = io.StringIO()
    with matplotlib.rc_context(SETTINGS):
        figure.savefig(stream, format="svg", metadata=dict.fromkeys(("Creator", "Date", "Format", "Type")))
    text = stream.getvalue()
    return text[text.index("<svg") :]


def shorten(name: str, length: int = MAX_NAME) -> str:
    """The end of a name that is longer."""
    return name if len(name) <= length else f"…{name[1 - length :]}"
