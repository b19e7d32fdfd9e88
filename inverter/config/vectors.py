"""Schema of measuring what payloads leave of a table of vectors."""

from __future__ import annotations

from dataclasses import dataclass, field

from omegaconf import MISSING

from inverter.config.pairs import TableConfig


@dataclass
class VectorsConfig:
    features: str = MISSING  # table of vectors, .parquet, .arrow, .feather or .npy, as their network gave them
    table: TableConfig = field(default_factory=TableConfig)  # its columns; pictures are not read
    payloads: list[str] = field(
        default_factory=lambda: ["identity", "fp16", "int8:0.99:fit", "binary"]
    )  # each a name or several joined by +, docs/payloads.md
    rows: int = 10_000  # first ones that are taken as the store
    queries: int = 256  # rows, drawn at random, whose neighbours are looked for
    k: int = 10  # neighbours
    min_recall: float | None = None  # exit with status 3 where recall of a payload but identity may be below it
    max_linked: float | None = None  # exit with status 3 where the share that is linked may be above it
    max_label: float | None = None  # exit with status 3 where the share whose label is found may be above it
    num_bootstrap: int = 2000
    output: str | None = None  # folder of vectors.json; null writes none
    seed: int = 0
