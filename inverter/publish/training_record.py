"""What is published of the training of an inverter."""

from __future__ import annotations

import json
from pathlib import Path

from inverter.blackbox.config import TrainConfig
from inverter.blackbox.published import split_run
from inverter.data.manifest import Manifest
from inverter.run.record import commits


def training_record(run: Path, config: TrainConfig, manifest: Manifest) -> dict[str, object]:
    """What the model card and the config say of the training."""
    run, number = split_run(run)
    if not (run / "summary.json").is_file():
        raise ValueError(f"run {run} has no summary.json, so its training was cut off; train it to its end first")
    record = json.loads((run / "train.json").read_text())
    summary = json.loads((run / "summary.json").read_text())
    if config.start_from is not None and not record.get("began_with"):
        raise ValueError(f"run {run}: its train.json does not say what start_from={config.start_from} was; train again")
    return {
        "source": manifest.source,
        "pairs": manifest.num_pairs if number else summary["pairs"],
        "pairs_seen": round(summary["pairs_seen"] * share_of(config, number)),
        "tuned": config.model.tune,
        "began_with": record.get("began_with", []),
        "augment": manifest.augment,
        "max_time_seconds": config.optim.max_time,
        "max_steps": config.optim.max_steps,
        "learning_rate": config.optim.lr,
        "seed": config.seed,
        "threat_model": manifest.threat_model,
        "commit": commits(record),
        "environment": record["environment"],
    }


def share_of(config: TrainConfig, number: int) -> float:
    """Share of a run's steps that one of its inverters got."""
    shares = config.data.shares or [1.0] * (1 + len(config.data.also))
    return shares[number] / sum(shares)
