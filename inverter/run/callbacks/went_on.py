"""The record of a run that goes on, written once it does."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import lightning as L
from lightning.pytorch.callbacks import Callback

from inverter.run.record import record_run


class WentOn(Callback):
    """Record at the first batch that a run went on: one that is refused, or has no step left, did not.

    Args:
        config: Of the run, with its output.
        stage: Such as ``train``.
    """

    def __init__(self, config: Any, stage: str) -> None:
        self.config, self.stage, self.recorded = config, stage, False

    def on_train_batch_start(self, trainer: L.Trainer, pl_module: L.LightningModule, *_: object) -> None:
        if not self.recorded:
            record_run(self.config, Path(self.config.output), self.stage, resumed=True)
            self.recorded = True
