"""Stage ``vectors``: what payloads leave of the vectors in a table, and what can be looked up in them."""

from __future__ import annotations

import json
import logging
from dataclasses import asdict
from itertools import takewhile
from pathlib import Path

import numpy as np
import torch
from rich.console import Console
from rich.table import Table
from torch import Tensor

from inverter.config import VectorsConfig
from inverter.data.table import VectorTable
from inverter.evaluation.intervals import MIN_SOURCES, Interval
from inverter.evaluation.stored_vectors import VectorScore, guessed_labels, score_payloads
from inverter.run.files import write_text
from inverter.run.record import commit, record_run
from inverter.run.status import LIMIT_EXCEEDED

log = logging.getLogger(__name__)
SCHEMA_VERSION = 1


def run(config: VectorsConfig) -> list[VectorScore]:
    """Print a row a payload; write ``OUTPUT/vectors.json`` where an output is given.

    Raises:
        ValueError: The table or a payload cannot be used, or a value is not allowed.
        SystemExit: A limit may be exceeded (status 3).
    """
    for key in ("min_recall", "max_linked", "max_label"):
        value = getattr(config, key)
        if value is not None and not 0 <= value <= 1:
            raise ValueError(f"{key} is {value}; allowed: 0 to 1")
    if config.rows < 2 or not config.payloads:
        raise ValueError(f"rows is {config.rows}, payloads {config.payloads}; allowed: 2 or more, 1 or more")
    if config.max_label is not None and config.table.label is None:
        raise ValueError(f"max_label is {config.max_label}; allowed: with table.label, the column of the labels")
    table = VectorTable(Path(config.features), config.table)
    vectors, labels = read_vectors(table, config.rows)
    scores = list(
        score_payloads(
            vectors,
            config.payloads,
            labels,
            num_queries=config.queries,
            k=config.k,
            num_bootstrap=config.num_bootstrap,
            seed=config.seed,
        )
    )
    guessed = None if labels is None else guessed_labels(labels)
    Console(width=200).print(draw(config, table, scores, len(vectors), guessed))
    if config.output is not None:
        output = Path(config.output)
        record_run(config, output, "vectors")
        about = {"vectors": table.describe(), "rows": len(vectors), "k": config.k, "label_guessed": guessed}
        rows = [{**asdict(score), "exceeds": exceeded(config, score)} for score in scores]
        values = {"schema_version": SCHEMA_VERSION, "commit": commit(), **about, "scores": rows}
        write_text(output / "vectors.json", json.dumps(values, indent=1) + "\n")
        log.info("%s", output / "vectors.json")
    if wrong := [f"{score.payload} ({', '.join(keys)})" for score in scores if (keys := exceeded(config, score))]:
        log.error("limits may be exceeded by %s", "; ".join(wrong))
        raise SystemExit(LIMIT_EXCEEDED)
    return scores


def read_vectors(table: VectorTable, num_rows: int) -> tuple[Tensor, Tensor | None]:
    """The first ``num_rows`` vectors ``(n, D)``, or all, and their labels ``(n,)``; no further part is read."""
    parts = list(takewhile(lambda rows: rows.start < num_rows, table.rows()))
    vectors = torch.from_numpy(np.concatenate([rows.vectors for rows in parts]))[:num_rows]
    if table.label is None:
        return vectors, None
    return vectors, torch.tensor([label for rows in parts for label in rows.labels or ()])[:num_rows]


def exceeded(config: VectorsConfig, score: VectorScore) -> list[str]:
    """Limits that a payload may exceed by its intervals, or by having too few queries; ``identity`` has none."""
    if score.payload == "identity":
        return []
    few = score.recall.n < MIN_SOURCES
    limits = (("max_linked", score.linked), ("max_label", score.label))
    found = [key for key, value in limits if value is not None and _above(value, getattr(config, key), few)]
    low = score.recall.low
    if config.min_recall is not None and (few or low is None or low < config.min_recall):
        found.insert(0, "min_recall")
    return found


def _above(value: Interval, limit: float | None, few: bool) -> bool:
    return limit is not None and (few or value.high is None or value.high > limit)


def draw(
    config: VectorsConfig, table: VectorTable, scores: list[VectorScore], num_rows: int, guessed: float | None
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
