"""Geometry of the page's charts: values against layers, as points in an SVG's pixels. The template draws them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

WIDTH, HEIGHT = 460, 240
LEFT, RIGHT, TOP, BOTTOM = 52, 12, 12, 44
MAX_NAME = 14
"""Characters of a layer's name that fit; of a longer one the end is shown."""

COLOURS = ("#17467d", "#c2570c", "#2f7d3b", "#7a3d99", "#8a6d00", "#46525c", "#b0186f", "#2f8f8f")

Point = tuple[float, float | None, float | None]
"""Value with the ends of its interval, None where there is none."""


@dataclass(frozen=True)
class Line:
    """One series: connected points ``(x, y)`` and vertical intervals ``(x, top, bottom)``."""

    name: str
    colour: str
    points: tuple[tuple[float, float], ...]
    whiskers: tuple[tuple[float, float, float], ...]


@dataclass(frozen=True)
class Chart:
    """A chart ready to draw: places of the ticks ``(y, text)``, of the layers ``(x, name)`` and of the lines."""

    title: str
    ticks: tuple[tuple[float, str], ...]
    columns: tuple[tuple[float, str], ...]
    lines: tuple[Line, ...]
    mark: float | None
    width: int = WIDTH
    height: int = HEIGHT
    left: int = LEFT
    right: int = WIDTH - RIGHT
    bottom: int = HEIGHT - BOTTOM


def draw(
    title: str,
    layers: Sequence[str],
    series: Mapping[str, Mapping[str, Point]],
    *,
    limits: tuple[float, float] | None = None,
    mark: float | None = None,
) -> Chart:
    """Place series of one value a layer; a layer without a value is left out of the line.

    Args:
        title: Heading.
        layers: Names along the horizontal axis, evenly spaced.
        series: Name to layer to value and interval.
        limits: Lower and upper end of the vertical axis; None takes those of the values.
        mark: Value of a dashed line.
    """
    values = [x for points in series.values() for point in points.values() for x in point if x is not None]
    low, high = limits or (min(values, default=0.0), max(values, default=1.0))
    if high <= low:
        low, high = low - 0.5, high + 0.5
    step = (WIDTH - LEFT - RIGHT) / max(len(layers), 1)
    across = {layer: round(LEFT + step * (i + 0.5), 1) for i, layer in enumerate(layers)}

    def down(value: float) -> float:
        return round(TOP + (HEIGHT - TOP - BOTTOM) * (high - value) / (high - low), 1)

    share = step / (len(series) + 1)
    apart = share if len(layers) == 1 else min(3.0, share / 4)  # pixels, so that intervals do not hide each other
    lines = []
    for i, (name, points) in enumerate(series.items()):
        places = [
            (round(across[layer] + apart * (i - (len(series) - 1) / 2), 1), points[layer])
            for layer in layers
            if layer in points
        ]
        whiskers = [(x, down(p[2]), down(p[1])) for x, p in places if p[1] is not None and p[2] is not None]
        dots = tuple((x, down(p[0])) for x, p in places)
        lines.append(Line(name, COLOURS[i % len(COLOURS)], dots, tuple(whiskers)))
    ticks = tuple((down(value), f"{value:.3g}") for value in (low + (high - low) * i / 4 for i in range(5)))
    columns = tuple(
        (x, layer if len(layer) <= MAX_NAME else f"…{layer[1 - MAX_NAME :]}") for layer, x in across.items()
    )
    return Chart(title, ticks, columns, tuple(lines), None if mark is None else down(mark))
