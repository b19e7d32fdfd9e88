"""``README.md`` of a ladder: what each rung reached, and what remains."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from inverter.evaluation.labels import heading, interval, number
from inverter.lab.ladder.config import LadderConfig
from inverter.lab.ladder.rung import Rung
from inverter.run.files import write_text
from inverter.run.record import read_run


def write_page(rungs: Sequence[Rung], config: LadderConfig) -> Path:
    """Write the page from what lies in the runs' folders, whichever machine wrote it; returns its path."""
    folder, published = Path(config.output), Path(config.published)
    shown = [("mean", "psnr"), *(("sample", f"reid_top1/{judge}") for judge in config.judges)]
    heads = ["rung", "state", "pairs seen", "hours", *(f"`{method}`: {heading(metric)}" for method, metric in shown)]
    lines = [f"| {' | '.join([*heads, 'MB'])} |", "| --- " * (len(heads) + 1) + "|"]
    lines += [_row(rung, published, shown) for rung in rungs]
    done = sum(rung.published(published) for rung in rungs)
    text = f"# Ladder\n\n{done} of {len(rungs)} inverters are published; 95 % intervals.\n\n" + "\n".join(lines) + "\n"
    folder.mkdir(parents=True, exist_ok=True)
    write_text(folder / "README.md", text)
    return folder / "README.md"


def _row(rung: Rung, published: Path, shown: Sequence[tuple[str, str]]) -> str:
    summary = read_run(rung.run / "summary.json")
    rows = (read_run(rung.run / "evaluation" / "metrics.json") or {}).get("methods", {})
    pairs_seen = f"{summary['pairs_seen']:,}" if summary else ""
    hours = f"{summary['seconds'] / 3600:.1f}" if summary else ""
    scores = [_score(rows.get(method), metric) for method, metric in shown]
    files = [file for file in (published / rung.name).rglob("*") if file.is_file()]
    size = f"{sum(file.stat().st_size for file in files) / 1e6:.1f}" if files else ""
    return f"| {' | '.join([rung.name, _state(rung, published), pairs_seen, hours, *scores, size])} |"


def _state(rung: Rung, published: Path) -> str:
    if rung.published(published):
        return "published"
    if (rung.run / "evaluation" / "metrics.json").is_file():
        return "evaluated"
    if rung.trained():
        return "trained"
    return "in training" if (rung.run / "train.yaml").is_file() else "waiting"


def _score(row: dict[str, Any] | None, metric: str) -> str:
    if row is None or metric not in row["metrics"]:
        return ""
    score = row["metrics"][metric]
    return f"{number(metric, score['mean'])} {interval(metric, score['low'], score['high'])}"
