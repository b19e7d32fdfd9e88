"""Validation by the first process's clock."""

from __future__ import annotations

import math
import time

import lightning as L
from lightning.pytorch.callbacks import Callback


class SharedClock(Callback):
    """Let every process validate when the first one is due; each by its own clock would wait for the others forever.

    Lightning compares the time since ``_last_val_time`` with the interval right after this hook.

    Args:
        every_seconds: Between two validations.
    """

    def __init__(self, every_seconds: float) -> None:
        self.every_seconds = every_seconds

    def on_train_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        self.validated = time.monotonic()

    def on_train_batch_end(self, trainer: L.Trainer, pl_module: L.LightningModule, *_: object) -> None:
        due = trainer.strategy.broadcast(time.monotonic() - self.validated >= self.every_seconds)
        trainer._last_val_time = -math.inf if due else math.inf

    def on_validation_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        self.validated = time.monotonic()
