"""Charts of what judges recognise: every method between guessing and the ceiling, and how early originals are found."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import cycle
from typing import Any

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter

from inverter.evaluation.chart import ACCENT, GRID, INK, MUTED, SETTINGS, shorten, to_svg
from inverter.evaluation.methods import NEAREST_BY_FEATURES
from inverter.evaluation.results import Results, Row

KIND_COLOURS = {"attack": ACCENT, "floor": MUTED, "ceiling": INK}
MARKERS = "osD^vP"
DASHES: Any = ("--", ":", "-.", (0, (8, 3)), (0, (1, 3)), (0, (6, 2, 1, 2, 1, 2)), (0, (3, 4)), (0, (9, 2, 3, 2)))
RANKS = (1, 10, 100)
"""Ranks of the table that goes with the curves."""
WIDTH = 4.2
"""Inches."""
MAX_NAME = 24
"""Characters of a method's name that fit; of a longer one the end is shown."""


def recognition_chart(results: Results, kind: str) -> str | None:
    """SVG text of a metric in [0, 1], one line a method and one mark a judge, each with its interval.

    Args:
        results: The evaluation; the originals themselves are left out.
        kind: ``reid_top1`` or ``agreement``.
    Returns:
        None where no judge measured it.
    """
    metrics = [metric for metric in results.metrics() if metric.partition("/")[0] == kind]
    rows = [row for row in _from_the_top(results.rows) if any(metric in row.scores for metric in metrics)]
    if not rows:
        return None
    with matplotlib.rc_context(SETTINGS):
        figure = Figure(figsize=(WIDTH, 0.3 * len(rows) + 1.1), layout="constrained")
        axes = figure.add_subplot()
        for number, metric in enumerate(metrics):
            _marks(axes, rows, metric, 0.22 * (number - (len(metrics) - 1) / 2), MARKERS[number % len(MARKERS)])
        for kind in dict.fromkeys(row.kind for row in rows):
            axes.plot([], [], color=KIND_COLOURS[kind], linewidth=3, label=kind)
        guesses = [results.chance[metric] for metric in metrics if metric in results.chance]
        if guesses:
            axes.axvline(max(guesses), color=MUTED, linestyle=":", linewidth=1, label="guessing")
        axes.set_yticks(range(len(rows)), [shorten(row.name, MAX_NAME) for row in rows])
        axes.set_ylim(len(rows) - 0.5, -0.5)
        axes.set_xlim(-0.02, 1.02)
        axes.xaxis.set_major_formatter(PercentFormatter(1.0))
        axes.grid(axis="x", color=GRID)
        axes.tick_params(axis="y", length=0)
        axes.spines[["top", "right", "left"]].set_visible(False)
        figure.legend(loc="outside upper left", ncols=3, fontsize=8, frameon=False)
        return to_svg(figure)


def rank_chart(results: Results, judge: str, first: str = "") -> str | None:
    """SVG text of the share of pictures whose original a judge ranks within the first k, against k.

    Args:
        results: The evaluation, with its numbers per image.
        judge: Name of the judge.
        first: Attack that is drawn strongest.
    Returns:
        None where there are no ranks.
    """
    metric = f"reid_rank/{judge}"
    shown = [row for row in results.rows if row.kind != "ceiling" and metric in results.per_image.get(row.name, {})]
    if not shown:
        return None
    mean_choices = 2 * results.chance.get(metric, 0.0) - 1
    choices = max(2.0, mean_choices, *(max(results.per_image[row.name][metric]) for row in shown))
    dashes = cycle(DASHES)
    with matplotlib.rc_context(SETTINGS):
        figure = Figure(figsize=(WIDTH, 3.0), layout="constrained")
        axes = figure.add_subplot()
        for row in sorted(shown, key=lambda row: row.name != first):
            ranks, shares = cumulative(results.per_image[row.name][metric], choices)
            strong = row.name in (first, NEAREST_BY_FEATURES)
            axes.step(
                ranks,
                shares,
                where="post",
                color=INK if row.name == NEAREST_BY_FEATURES else KIND_COLOURS[row.kind],
                linestyle="-" if strong else next(dashes),
                linewidth=1.8 if row.name == first else 1.2,
                label=shorten(row.name, MAX_NAME),
            )
        if metric in results.chance:
            guess = np.geomspace(1, choices, 100)
            axes.plot(guess, np.minimum(guess / mean_choices, 1), color=MUTED, linewidth=0.8, label="guessing")
        axes.set_xscale("log")
        axes.minorticks_off()
        axes.set_xlim(1, choices)
        axes.set_xticks([*(10**power for power in range(10) if 10**power < choices / 2), choices])
        axes.set_ylim(0, 1.02)
        axes.xaxis.set_major_formatter("{x:,.0f}")
        axes.yaxis.set_major_formatter(PercentFormatter(1.0))
        axes.set_xlabel("found within the first")
        axes.grid(color=GRID)
        axes.spines[["top", "right"]].set_visible(False)
        figure.legend(loc="outside upper left", ncols=2, fontsize=8, frameon=False)
        return to_svg(figure)


def found_within(results: Results, judge: str) -> dict[str, tuple[float, ...]]:
    """Method to the share of pictures whose original a judge ranks within each of :data:`RANKS`; empty if unranked."""
    metric = f"reid_rank/{judge}"
    shown = [row.name for row in _from_the_top(results.rows) if metric in results.per_image.get(row.name, {})]
    ranks = {name: np.asarray(results.per_image[name][metric]) for name in shown}
    return {name: tuple(float(np.mean(found <= k)) for k in RANKS) for name, found in ranks.items()}


def cumulative(ranks: Sequence[float], choices: float) -> tuple[list[float], list[float]]:
    """Ranks from 1 to ``choices`` at which the share of pictures found grows, and the share from each on."""
    steps, counts = np.unique(np.asarray(ranks), return_counts=True)
    shares = np.cumsum(counts) / len(ranks)
    start = [] if steps[0] == 1 else [(1.0, 0.0)]
    points = [*start, *zip(steps.tolist(), shares.tolist(), strict=True), (float(choices), 1.0)]
    return [x for x, _ in points], [y for _, y in points]


def _from_the_top(rows: Sequence[Row]) -> list[Row]:
    """Ceilings, attacks, floors."""
    kinds = ("ceiling", "attack", "floor")
    return [row for kind in kinds for row in rows if row.kind == kind and row.name != "original"]


def _marks(axes: Axes, rows: Sequence[Row], metric: str, shift: float, marker: str) -> None:
    judge = metric.partition("/")[2]
    for place, row in enumerate(rows):
        if (score := row.scores.get(metric)) is None:
            continue
        low, high = (score.mean if end is None else end for end in (score.low, score.high))
        colour = KIND_COLOURS[row.kind]
        axes.plot([low, high], [place + shift] * 2, color=colour, linewidth=1.2)
        axes.plot(score.mean, place + shift, marker, color=colour, markersize=4.5)
    axes.plot([], [], marker, color=MUTED, markersize=4.5, label=shorten(judge, MAX_NAME) or "value")
