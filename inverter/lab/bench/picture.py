"""Measurements as a picture: one SVG, bars grouped by unit, a line where there is an aim."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import jinja2

from inverter.lab.bench.measurement import Measurement

TEMPLATES = Path(__file__).parent / "templates"


def draw(measurements: Sequence[Measurement], machine: str) -> str:
    """SVG text; bars of one unit share one scale, which ends at their largest value or aim."""
    groups: dict[str, list[Measurement]] = {}
    for measurement in measurements:
        groups.setdefault(measurement.unit, []).append(measurement)
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(TEMPLATES), autoescape=True, trim_blocks=True, lstrip_blocks=True
    )
    scales = {unit: max(max(m.high, m.aim or 0) for m in rows) for unit, rows in groups.items()}
    lines = sum(map(len, groups.values())) + 2 * len(groups)
    template = environment.get_template("bench.svg.j2")
    return template.render(groups=groups, scales=scales, lines=lines, machine=machine)
