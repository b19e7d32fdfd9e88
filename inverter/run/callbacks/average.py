"""The average of the weights over training, which is what is validated, kept and published."""

from __future__ import annotations

from collections.abc import Sequence

import lightning as L
import torch
from lightning.pytorch.callbacks.weight_averaging import WeightAveraging
from torch import Tensor


class Average(WeightAveraging):
    """Weight averaging on the training's device that leaves the right weights behind, however the training ends.

    Raw weights are back in place before a checkpoint is written for an exception, which may come while the averaged
    ones are validated. A finished run that is resumed trains no step, and still ends with the averaged weights.
    """

    validating = False

    def setup(self, trainer: L.Trainer, pl_module: L.LightningModule, stage: str) -> None:
        pl_module.to(trainer.strategy.root_device)  # Lightning does so later, and the average would stay on the CPU
        super().setup(trainer, pl_module, stage)

    def on_fit_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        self.on_train_end(trainer, pl_module)

    def on_validation_epoch_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        super().on_validation_epoch_start(trainer, pl_module)
        self.validating = True

    def on_validation_epoch_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        super().on_validation_epoch_end(trainer, pl_module)
        self.validating = False

    def on_exception(self, trainer: L.Trainer, pl_module: L.LightningModule, exception: BaseException) -> None:
        if self.validating:
            self.on_validation_epoch_end(trainer, pl_module)


def ema(decay: float) -> Average:
    """Exponential moving average of the weights; the decay grows from 0.1 so that early steps are soon forgotten."""

    def average(averaged: Sequence[Tensor], current: Sequence[Tensor], count: Tensor) -> None:
        rate = torch.clamp((1 + count) / (10 + count), max=decay)
        steps = torch._foreach_sub(current, averaged)
        torch._foreach_mul_(steps, 1 - rate)
        torch._foreach_add_(averaged, steps)

    return Average(use_buffers=False, multi_avg_fn=average)
