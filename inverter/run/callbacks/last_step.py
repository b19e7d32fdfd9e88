"""Validation and checkpoints at the end of a training by steps."""

from __future__ import annotations

import lightning as L
from lightning.pytorch.callbacks import Callback


class LastStep(Callback):
    """Stop at the last step, as a time budget does: then Lightning validates; where its steps run out it does not."""

    def on_train_batch_end(self, trainer: L.Trainer, pl_module: L.LightningModule, *_: object) -> None:
        if 0 < trainer.max_steps <= trainer.global_step:
            trainer.should_stop = True
