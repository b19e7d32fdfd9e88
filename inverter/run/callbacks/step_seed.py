"""Random numbers of a training step that depend on the step alone."""

from __future__ import annotations

import lightning as L
import torch
from lightning.pytorch.callbacks import Callback

from inverter.run.seeds import derive_seed


class StepSeed(Callback):
    """Seed torch from (seed, step, rank) before each step, so that a resumed run repeats its noise exactly.

    Args:
        seed: Seed of the run.
    """

    def __init__(self, seed: int) -> None:
        self.seed = seed

    def on_train_batch_start(self, trainer: L.Trainer, pl_module: L.LightningModule, *_: object) -> None:
        torch.manual_seed(derive_seed(self.seed, trainer.global_step, trainer.global_rank))
