"""Reports of ``runs/``: found once, asked for by name, shown in a frame that runs nothing."""

from __future__ import annotations

import html
from pathlib import Path

REPORT = "report.html"
MOST_BYTES = 64_000_000


def find_reports(folder: Path) -> dict[str, Path]:
    """Reports in a folder and its subfolders by the name of theirs; links that lead out of it are left out."""
    root = folder.resolve()
    paths = sorted(path for path in root.rglob(REPORT) if path.is_file() and path.resolve().is_relative_to(root))
    return {path.parent.relative_to(root).as_posix(): path for path in paths}


def frame(folder: Path, name: str) -> str:
    """A report as HTML of a frame without scripts, forms or an origin.

    Args:
        folder: Of the runs.
        name: One of :func:`find_reports`; nothing else is read.
    Raises:
        ValueError: There is none of that name, or it is too large.
    """
    reports = find_reports(folder)
    if name not in reports:
        raise ValueError(f"report is {name!r}; allowed: {', '.join(reports) or 'none, since no run has one yet'}")
    size = reports[name].stat().st_size
    if size > MOST_BYTES:
        raise ValueError(f"report of {name} has {size:,} bytes; allowed: {MOST_BYTES:,}; open its file instead")
    page = html.escape(reports[name].read_text(encoding="utf-8"))
    return f'<iframe class="report" title="Report of {html.escape(name)}" sandbox="" srcdoc="{page}"></iframe>'
