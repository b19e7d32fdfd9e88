"""How far a training is: a bar in a terminal, a plain line now and then elsewhere."""

from __future__ import annotations

import logging
import sys
import time

import lightning as L
from lightning.pytorch.callbacks import Callback, RichProgressBar

from inverter.config import OptimConfig
from inverter.run.optimizer import training_progress
from inverter.run.progress import time_left

log = logging.getLogger(__name__)


def progress(optim: OptimConfig, every_seconds: float = 30.0) -> Callback:
    """A rich bar where stderr is a terminal, else a line each ``every_seconds``."""
    if sys.stderr.isatty():
        return RichProgressBar(leave=True, console_kwargs={"stderr": True})
    return PlainProgress(optim, every_seconds)


class PlainProgress(Callback):
    """Log steps, time left, losses, PSNR or accuracy, and speed, as far as known, and nothing in between."""

    def __init__(self, optim: OptimConfig, every_seconds: float) -> None:
        self.optim, self.every_seconds = optim, every_seconds

    def on_train_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        self.started = self.logged = time.monotonic()
        self.share = training_progress(pl_module, trainer.global_step, self.optim)

    def on_train_batch_end(self, trainer: L.Trainer, pl_module: L.LightningModule, *_: object) -> None:
        now = time.monotonic()
        if now - self.logged < self.every_seconds or not trainer.is_global_zero:
            return
        self.logged = now
        steps = f"step {trainer.global_step}" + (f" of {trainer.max_steps}" if trainer.max_steps > 0 else "")
        metrics = trainer.callback_metrics
        known = [f"{name} {float(metrics[name]):.4g}" for name in METRICS if name in metrics]
        share = training_progress(pl_module, trainer.global_step, self.optim)
        left = time_left(now - self.started, (share - self.share) / (1 - self.share)) if self.share < 1 else ""
        log.info("%s after %.0f s%s%s", steps, now - self.started, left, "".join(f", {text}" for text in known))


METRICS = ("train/loss", "dev/psnr", "val/psnr", "val/loss", "val/accuracy", "train/images_per_second")
