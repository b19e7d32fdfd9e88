"""The first process's clock, for all."""

from __future__ import annotations

import math
import time

import lightning as L
from lightning.pytorch.callbacks import Callback, Timer
from lightning.pytorch.trainer.states import RunningStage

from inverter.run.processes import share_numbers


class SharedClock(Callback):
    """Let every process validate, and lower its learning rate, by the clock of the first one.

    Each by its own clock would wait for the others forever. One small tensor a step is sent. Lightning compares the
    time since ``_last_val_time`` with the interval right after this hook.

    Args:
        every_seconds: Between two validations.
    """

    def __init__(self, every_seconds: float) -> None:
        self.every_seconds, self.elapsed = every_seconds, 0.0

    def on_train_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        self.validated = time.monotonic()
        self._share(trainer, pl_module)

    def on_train_batch_end(self, trainer: L.Trainer, pl_module: L.LightningModule, *_: object) -> None:
        due = self._share(trainer, pl_module) >= self.every_seconds
        trainer._last_val_time = -math.inf if due else math.inf

    def on_validation_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        self.validated = time.monotonic()

    def _share(self, trainer: L.Trainer, pl_module: L.LightningModule) -> float:
        """Seconds since the last validation; notes those of the training in ``elapsed``."""
        timers = [callback for callback in trainer.callbacks if isinstance(callback, Timer)]  # type: ignore[attr-defined]
        elapsed = timers[0].time_elapsed(RunningStage.TRAINING) if timers else 0.0
        since, self.elapsed = share_numbers([time.monotonic() - self.validated, elapsed], pl_module.device)
        return since
