"""The command that makes a page, from the configuration that the page keeps."""

from __future__ import annotations

import json
import shlex
from dataclasses import asdict
from typing import Any

from inverter.config import load_config
from inverter.lab.experiments.config import ExperimentConfig
from inverter.lab.experiments.record import ExperimentRecord

ELSEWHERE = ("output", "results", "max_time", "device", "num_workers")
"""Keys that say where and for how long, which change nothing on the page."""


def command(record: ExperimentRecord, schema: type[ExperimentConfig]) -> str:
    """``inverter experiment NAME experiment_NAME.yaml`` and a word for each key that was given beside the file.

    Files are named without their folders.
    """
    file = f"experiment_{record.experiment}.yaml"
    words = _words(asdict(load_config(schema, [file])), record.config)
    return " ".join(["inverter experiment", record.experiment, file, *map(shlex.quote, words)])


def _words(base: Any, config: dict[str, Any], prefix: str = "") -> list[str]:
    words = []
    for key, value in config.items():
        name = f"{prefix}{key}"
        if name in ELSEWHERE or value == base[key]:
            continue
        words += _words(base[key], value, f"{name}.") if isinstance(value, dict) else [f"{name}={_text(value)}"]
    return words


def _text(value: Any) -> str:
    if isinstance(value, list) and value and all(isinstance(entry, dict) for entry in value):
        given = [{k: v for k, v in entry.items() if v is not None} for entry in value]
        return "[" + ", ".join("{" + ", ".join(f"{k}: {_text(v)}" for k, v in e.items()) + "}" for e in given) + "]"
    if isinstance(value, list):
        return "[" + ", ".join(map(_text, value)) + "]"
    return value if isinstance(value, str) else json.dumps(value)
