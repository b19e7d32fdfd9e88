"""Measurements as a picture: one SVG, bars grouped by unit, a line where there is an aim."""

from __future__ import annotations

from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from inverter.evaluation.chart import to_svg
from inverter.lab.bench.measurement import Measurement

MET, MISSED, AIM = "#3c6eb5", "#b5533c", "#22aa22"


def draw(measurements: Sequence[Measurement], machine: str) -> str:
    """SVG text; bars of one unit share one scale."""
    groups: dict[str, list[Measurement]] = {}
    for measurement in measurements:
        groups.setdefault(measurement.unit, []).append(measurement)
    counts = [len(rows) for rows in groups.values()]
    figure = Figure(figsize=(9, 0.28 * sum(counts) + 0.6 * len(groups) + 0.4), layout="constrained")
    figure.suptitle(machine.replace("$", r"\$"), x=0.01, ha="left", fontsize=10, fontweight="bold")
    all_axes = figure.subplots(len(groups), 1, squeeze=False, gridspec_kw={"height_ratios": [n + 1 for n in counts]})
    for axes, (unit, rows) in zip(all_axes[:, 0], groups.items(), strict=True):
        bars(axes, rows)
        axes.set_title("ratio" if unit == "x" else unit, loc="left", fontsize=8, color="#555555")
    return to_svg(figure)


def bars(axes: Axes, rows: Sequence[Measurement]) -> None:
    """A bar a measurement with its range, another colour where its aim is missed."""
    for place, row in enumerate(rows):
        axes.barh(place, row.value, color=MISSED if row.met is False else MET, height=0.6)
        axes.plot([row.low, row.high], [place, place], color="black", linewidth=1)
        text = f"{row.value:.3g}" if row.value < 1000 else f"{row.value:.0f}"
        if row.aim is not None:
            axes.plot([row.aim, row.aim], [place - 0.4, place + 0.4], color=AIM, linewidth=2)
            text += f" (aim: at {'least' if row.more_is_better else 'most'} {row.aim:g})"
        axes.annotate(text, (1.01, place), xycoords=("axes fraction", "data"), va="center", fontsize=8)
    axes.set_yticks(range(len(rows)), [row.name.replace("$", r"\$") for row in rows], fontsize=8)
    axes.invert_yaxis()
    axes.tick_params(axis="x", labelsize=7)
    axes.spines[["top", "right"]].set_visible(False)
