"""Results as one HTML page with its pictures inside: no script, nothing loaded from elsewhere."""

import base64
from pathlib import Path

import jinja2
from torch import Tensor

from inverter.evaluation import labels
from inverter.evaluation.recon_files import png
from inverter.evaluation.results import Results
from inverter.run.files import write_text

TEMPLATES = Path(__file__).parent / "templates"


def render_report(results: Results, title: str = "Evaluation") -> str:
    """The page as ASCII HTML; every string of the results is escaped, captions included."""
    page = page_environment().get_template("report.html.j2").render(title=title, results=results)
    return page.encode("ascii", "xmlcharrefreplace").decode()


def write_report(results: Results, path: Path, title: str = "Evaluation") -> None:
    """Write the page to a file, whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    write_text(path, render_report(results, title))


def page_environment(*templates: Path) -> jinja2.Environment:
    """Renders pages of ``templates`` and of this package: everything escaped, metrics named and rounded."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader([*templates, TEMPLATES]),
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
        verdict=labels.verdict,
    )
    environment.filters["data_uri"] = _data_uri
    return environment


def _data_uri(picture: Tensor | bytes) -> str:
    data = picture if isinstance(picture, bytes) else png(picture)
    return f"data:image/png;base64,{base64.b64encode(data).decode()}"
