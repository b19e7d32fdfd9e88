"""What is said of stored vectors: the table that is printed, ``vectors.json``, and which limits may be exceeded."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from rich.table import Table

from inverter.config import VectorsConfig
from inverter.data.table import VectorTable
from inverter.evaluation.intervals import MIN_SOURCES, Interval
from inverter.evaluation.stored_vectors import VectorScore
from inverter.run.files import write_text
from inverter.run.record import commit

SCHEMA_VERSION = 1


def write_scores(
    path: Path,
    config: VectorsConfig,
    table: VectorTable,
    scores: Sequence[VectorScore],
    num_rows: int,
    guessed: float | None,
) -> None:
    """Write the scores of ``num_rows`` rows as JSON, each with the limits that it may exceed."""
    about = {"vectors": table.describe(), "rows": num_rows, "k": config.k, "label_guessed": guessed}
    rows = [{**asdict(score), "exceeds": exceeded(config, score)} for score in scores]
    values = {"schema_version": SCHEMA_VERSION, "commit": commit(), **about, "scores": rows}
    write_text(path, json.dumps(values, indent=1) + "\n")


def exceeded(config: VectorsConfig, score: VectorScore) -> list[str]:
    """Limits that a payload may exceed by its intervals, or by having too few queries; ``identity`` has none."""
    if score.payload == "identity":
        return []
    few = score.recall.n < MIN_SOURCES
    limits = (("max_linked", score.linked), ("max_label", score.label))
    keys = [key for key, value in limits if value is not None and _above(value, getattr(config, key), few)]
    low = score.recall.low
    if config.min_recall is not None and (few or low is None or low < config.min_recall):
        keys.insert(0, "min_recall")
    return keys


def _above(value: Interval, limit: float | None, few: bool) -> bool:
    return limit is not None and (few or value.high is None or value.high > limit)


def draw_table(
    config: VectorsConfig, table: VectorTable, scores: Sequence[VectorScore], num_rows: int, guessed: float | None
) -> Table:
    """The table that is printed."""
    first = scores[0].recall
    title = f"{table.path.name}: {num_rows} rows, {table.describe()}; n={first.n} queries, 95 % intervals"
    drawn = Table(title=title, title_justify="left")
    label = "" if guessed is None else f"label\nguessed {guessed:.3f}"
    for column in ("payload", "bytes", "times\nsmaller", "cosine", f"recall@{config.k}", "linked", label):
        if column:
            drawn.add_column(column, justify="left" if column == "payload" else "right", overflow="fold")
    for score in scores:
        cells = [_cell(value) for value in (score.cosine, score.recall, score.linked, score.label) if value is not None]
        times = 4 * table.width / score.num_bytes
        drawn.add_row(score.payload, f"{score.num_bytes:,.1f}", f"{times:.1f}", *cells)
    return drawn


def _cell(value: Interval) -> str:
    ends = "" if value.low is None or value.high is None else f" [{value.low:.3f}, {value.high:.3f}]"
    return f"{value.mean:.3f}{ends}"
