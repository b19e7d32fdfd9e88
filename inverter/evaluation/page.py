"""HTML pages from templates: one look, nothing loaded from elsewhere, everything that others wrote escaped."""

from __future__ import annotations

import base64
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import jinja2
from markupsafe import Markup, escape
from torch import Tensor

from inverter.evaluation import labels
from inverter.evaluation.chart import ACCENT, ALARM, COLOURS, GRID, INK, MUTED
from inverter.evaluation.recon_files import png

TEMPLATES = Path(__file__).parent / "templates"
ROLES = {colour: f"series-{number}" for number, colour in enumerate(COLOURS)}
ROLES |= {
    ACCENT: "accent",
    INK: "ink",
    "#000000": "ink",
    MUTED: "muted",
    GRID: "line",
    ALARM: "alarm",
    "#ffffff": "paper",
}
"""Colours of charts to the custom properties of the stylesheet that replace them."""


def render_page(template: str, *folders: Path, **values: Any) -> str:
    """A page as ASCII HTML.

    Args:
        template: File name; it extends ``base.html.j2``.
        folders: Where templates lie besides this package.
        values: What the template takes; every string is escaped.
    """
    page = page_environment(*folders).get_template(template).render(values)
    return page.encode("ascii", "xmlcharrefreplace").decode()


def page_environment(*folders: Path) -> jinja2.Environment:
    """Renders pages of ``folders`` and of this package: everything escaped, metrics named and rounded."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader([*folders, TEMPLATES]),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.globals.update(
        heading=labels.heading,
        number=labels.number,
        interval=labels.interval,
        label=labels.label,
        share=labels.share,
        verdict=labels.verdict,
        chart=inline_chart,
    )
    environment.filters.update(
        data_uri=_data_uri,
        code=_code,
        marked=_marked,
        breakable=lambda name: escape(name).replace("_", Markup("_<wbr>")),
        flat=lambda values: dict(_flat(values)),
    )
    return environment


def inline_chart(svg: str, name: str, description: str) -> Markup:
    """A chart in the colours of the page.

    Args:
        svg: What :mod:`inverter.evaluation.chart` drew.
        name: In front of its ids, which are unique in the page then.
        description: What it shows, for those who do not see it.
    """

    def paint(found: re.Match[str]) -> str:
        role = ROLES.get(found[2])
        return f"{found[1]}: var(--{role})" if role else found[0]

    svg = re.sub(r"(fill|stroke): (#[0-9a-f]{6})", paint, svg)
    svg = re.sub(r'( id="| (?:xlink:)?href="#|url\(#)', rf"\g<1>{name}-", svg)
    return Markup(svg.replace("<svg ", f'<svg role="img" aria-label="{escape(description)}" ', 1))


def _data_uri(picture: Tensor | bytes) -> str:
    data = picture if isinstance(picture, bytes) else png(picture)
    return f"data:image/png;base64,{base64.b64encode(data).decode()}"


def _code(text: str) -> Markup:
    """Escaped, and what stands in backticks as code."""
    return Markup(re.sub("`([^`]+)`", r"<code>\1</code>", str(escape(text))))


def _marked(text: str) -> Markup:
    """As code, and what stands between two pairs of asterisks is strong."""
    return Markup(re.sub(r"\*\*(.+?)\*\*", r"<strong>\1</strong>", str(_code(text))))


def _flat(values: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Dotted keys of nested plain data."""
    for key, value in values.items():
        if isinstance(value, Mapping) and value:
            yield from _flat(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", ", ".join(map(str, value)) if isinstance(value, (list, tuple)) else value
