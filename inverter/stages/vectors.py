"""Stage ``vectors``: what payloads leave of the vectors in a table, and what can be looked up in them."""

from __future__ import annotations

import logging
from pathlib import Path

import torch
from rich.console import Console

from inverter.config import VectorsConfig
from inverter.data.table import VectorTable
from inverter.evaluation.stored_vectors import VectorScore, guessed_labels, score_payloads
from inverter.evaluation.vector_report import draw_table, exceeded, write_scores
from inverter.run.record import record_run
from inverter.run.status import LIMIT_EXCEEDED

log = logging.getLogger(__name__)


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
    rows, classes = table.read(config.rows)
    vectors, labels = torch.from_numpy(rows), None if classes is None else torch.from_numpy(classes)
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
    Console(width=200).print(draw_table(config, table, scores, len(vectors), guessed))
    if config.output is not None:
        output = Path(config.output)
        record_run(config, output, "vectors")
        write_scores(output / "vectors.json", config, table, scores, len(vectors), guessed)
        log.info("%s", output / "vectors.json")
    if wrong := [f"{score.payload} ({', '.join(keys)})" for score in scores if (keys := exceeded(config, score))]:
        log.error("limits may be exceeded by %s", "; ".join(wrong))
        raise SystemExit(LIMIT_EXCEEDED)
    return scores
