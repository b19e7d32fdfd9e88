"""What a training cost and reached, kept beside the run and, of a prior, inside the published folder."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import lightning as L
from lightning.pytorch.callbacks import Timer

from inverter.run.files import write_text
from inverter.run.record import commits, environment, read_run


def summarise(
    trainer: L.Trainer, output: Path, stage: str, batch_size: int, monitor: str, **more: Any
) -> dict[str, Any]:
    """Steps, images, seconds of training, the newest and the best value of what was monitored, commits, environment.

    Args:
        trainer: After ``fit``.
        output: Folder of the run, with its record.
        stage: Such as ``train_autoencoder``.
        batch_size: Images a batch and process.
        monitor: Metric of the checkpoints.
        more: Further plain data.
    Returns:
        Plain data; where a finished run was started again and took no step, what it said the first time.
    """
    kept = read_run(summary_path(output, stage))
    if kept and kept.get("steps") == trainer.global_step:
        return kept
    timer = next(callback for callback in trainer.callbacks if isinstance(callback, Timer))  # type: ignore[attr-defined]
    best = trainer.checkpoint_callback.best_model_score  # type: ignore[union-attr]
    last = trainer.callback_metrics.get(monitor)
    return {
        "steps": trainer.global_step,
        "images_seen": trainer.global_step * batch_size * trainer.world_size,
        "seconds": round(timer.time_elapsed("train"), 1),  # type: ignore[arg-type]
        monitor: None if last is None else float(last),
        f"best {monitor}": None if best is None else float(best),
        "commit": commits(read_run(output / f"{stage}.json") or {}),
        "environment": environment(),
        **more,
    }


def save_summary(summary: dict[str, Any], output: Path, stage: str) -> None:
    """Write ``OUTPUT/STAGE.summary.json``."""
    write_text(summary_path(output, stage), json.dumps(summary, indent=2) + "\n")


def summary_path(output: Path, stage: str) -> Path:
    """Where the summary of a stage lies."""
    return output / f"{stage}.summary.json"
