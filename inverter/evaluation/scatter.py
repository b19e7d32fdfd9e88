"""Charts of one figure against another, both with their intervals, as SVG text that pages take in."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import matplotlib
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter

from inverter.evaluation.chart import COLOURS, GRID, INK, MUTED, SETTINGS, Point, to_svg

MARKERS = "osD^vP"


@dataclass(frozen=True)
class Scatter:
    """Named points of several series.

    Args:
        across: What the horizontal axis is, a share in [0, 1].
        up: What the vertical axis is.
        series: Name to point's name to its place across and up.
        marks: Point's name to what is written beside it, in the first series that has it.
        path: Points that a line joins, in the first series.
        limits: Lower and upper end of the vertical axis; None takes those of the values.
    """

    across: str
    up: str
    series: Mapping[str, Mapping[str, tuple[Point, Point]]]
    marks: Mapping[str, str]
    path: Sequence[str] = ()
    limits: tuple[float, float] | None = None


def render_scatter(chart: Scatter) -> str:
    """SVG text; the same chart gives the same text."""
    with matplotlib.rc_context(SETTINGS):
        figure = Figure(figsize=(4.8, 3.4), layout="constrained")
        axes = figure.add_subplot()
        written: set[str] = set()
        for number, (name, points) in enumerate(chart.series.items()):
            _draw(axes, name, points, number)
            for point, (across, up) in points.items():
                if point in chart.marks and point not in written:
                    side = 1 if len(written) % 2 == 0 else -1  # neighbours in order are often neighbours in place
                    written.add(point)
                    axes.annotate(
                        chart.marks[point],
                        (across[0], up[0]),
                        (4 * side, 4 * side),
                        textcoords="offset points",
                        ha="left" if side > 0 else "right",
                        va="bottom" if side > 0 else "top",
                        fontsize=8,
                        color=INK,
                    )
        first = next(iter(chart.series.values()), {})
        joined = sorted((first[name][0][0], first[name][1][0]) for name in chart.path if name in first)
        if len(joined) > 1:
            axes.plot(*zip(*joined, strict=True), color=MUTED, linestyle=":", linewidth=1.2, zorder=0)
        axes.set_xlabel(chart.across)
        axes.set_ylabel(chart.up)
        axes.xaxis.set_major_formatter(PercentFormatter(1.0))
        if chart.limits is not None:
            axes.set_ylim(*chart.limits)
        axes.grid(color=GRID)
        axes.spines[["top", "right"]].set_visible(False)
        if len(chart.series) > 1:
            figure.legend(loc="outside upper left", ncols=3, fontsize=8, frameon=False)
        return to_svg(figure)


def _draw(axes: Axes, name: str, points: Mapping[str, tuple[Point, Point]], number: int) -> None:
    colour, marker = COLOURS[number % len(COLOURS)], MARKERS[number % len(MARKERS)]
    for across, up in points.values():
        axes.plot(_ends(across), [up[0]] * 2, color=colour, linewidth=0.8)
        axes.plot([across[0]] * 2, _ends(up), color=colour, linewidth=0.8)
    places = [(across[0], up[0]) for across, up in points.values()]
    axes.plot([x for x, _ in places], [y for _, y in places], marker, color=colour, markersize=4.5, label=name)


def _ends(point: Point) -> list[float]:
    return [point[0] if end is None else end for end in point[1:]]
