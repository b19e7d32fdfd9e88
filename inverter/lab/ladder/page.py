"""``README.md`` of a ladder: what each rung reached, and what remains."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from inverter.evaluation.labels import interval, number
from inverter.lab.ladder.rung import Rung, read_json
from inverter.run.files import write_text

METRICS = {
    "psnr": ("mean", "PSNR of `mean`, dB"),
    "reid_top1/efficientnet-lite1": ("sample", "`sample` found first (EfficientNet-Lite1)"),
    "reid_top1/residual": ("sample", "(residual)"),
}


def write_page(rungs: Sequence[Rung], published: Path, folder: Path) -> Path:
    """Write the page from what lies in the runs' folders, whichever machine wrote it; returns its path."""
    heads = ["rung", "state", "pairs seen", "hours", *(title for _, title in METRICS.values()), "MB"]
    lines = [f"| {' | '.join(heads)} |", "| --- " * len(heads) + "|", *(_row(rung, published) for rung in rungs)]
    done = sum(rung.published(published) for rung in rungs)
    text = f"# Ladder\n\n{done} of {len(rungs)} inverters are published; 95 % intervals.\n\n" + "\n".join(lines) + "\n"
    folder.mkdir(parents=True, exist_ok=True)
    write_text(folder / "README.md", text)
    return folder / "README.md"


def _row(rung: Rung, published: Path) -> str:
    summary = read_json(rung.run / "summary.json")
    rows = read_json(rung.run / "evaluation" / "metrics.json").get("methods", {})
    seen = f"{summary['pairs_seen']:,}" if summary else ""
    hours = f"{summary['seconds'] / 3600:.1f}" if summary else ""
    scores = [_score(rows.get(method), metric) for metric, (method, _) in METRICS.items()]
    files = [file for file in (published / rung.name).rglob("*") if file.is_file()]
    size = f"{sum(file.stat().st_size for file in files) / 1e6:.1f}" if files else ""
    return f"| {' | '.join([rung.name, _state(rung, published), seen, hours, *scores, size])} |"


def _state(rung: Rung, published: Path) -> str:
    if rung.published(published):
        return "published"
    if (rung.run / "evaluation" / "metrics.json").is_file():
        return "evaluated"
    if (rung.run / "summary.json").is_file():
        return "trained"
    return "in training" if (rung.run / "train.yaml").is_file() else "waiting"


def _score(row: dict[str, Any] | None, metric: str) -> str:
    if row is None or metric not in row["metrics"]:
        return ""
    score = row["metrics"][metric]
    return f"{number(metric, score['mean'])} {interval(metric, score['low'], score['high'])}"
