"""What a training cost and reached, kept beside the run and, of a prior, inside the published folder."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import lightning as L
from lightning.pytorch.callbacks import Timer

from inverter.run.files import write_text
from inverter.run.record import commits, environment, read_run


def save_summary(
    trainer: L.Trainer, config: Any, stage: str, *, seen: str = "images_seen", **more: Any
) -> dict[str, Any]:
    """Write the summary of a stage: steps, images, seconds, the newest and the best value of what was monitored.

    Args:
        trainer: After ``fit``.
        config: Of the training, with its ``output`` and ``data.batch_size``, images a batch and process.
        stage: Such as ``train_autoencoder``.
        seen: Key of the images that training went through, repeats counted.
        more: Further plain data.
    Returns:
        The same as plain data; where a finished run was started again and took no step, what it said the first time.
    """
    output = Path(config.output)
    kept = read_run(summary_path(output, stage))
    if kept and kept.get("steps") == trainer.global_step:
        return kept
    timer = next(callback for callback in trainer.callbacks if isinstance(callback, Timer))  # type: ignore[attr-defined]
    checkpoints = trainer.checkpoint_callback
    best, monitor = checkpoints.best_model_score, checkpoints.monitor  # type: ignore[union-attr]
    last = trainer.callback_metrics.get(monitor)
    summary = {
        "steps": trainer.global_step,
        seen: trainer.global_step * config.data.batch_size * trainer.world_size,
        "seconds": round(timer.time_elapsed("train"), 1),  # type: ignore[arg-type]
        monitor: None if last is None else float(last),
        f"best {monitor}": None if best is None else float(best),
        "commit": commits(read_run(output / f"{stage}.json") or {}),
        "environment": environment(),
        **more,
    }
    write_text(summary_path(output, stage), json.dumps(summary, indent=2) + "\n")
    return summary


def summary_path(output: Path, stage: str) -> Path:
    """``STAGE.summary.json``; of a black-box model, which is what a run is by itself, ``summary.json``."""
    return output / ("summary.json" if stage == "train" else f"{stage}.summary.json")
