"""Optimiser and learning rate of every training."""

from __future__ import annotations

import math
from collections.abc import Iterable
from functools import partial
from typing import Any

import lightning as L
import torch
from lightning.pytorch.callbacks import Timer
from lightning.pytorch.trainer.states import RunningStage
from torch import nn

from inverter.config import OptimConfig
from inverter.run.callbacks.shared_clock import SharedClock

ALGORITHMS = ("adamw", "muon")


def build_optimizer(
    module: L.LightningModule, parameters: Iterable[nn.Parameter] | Iterable[dict[str, Any]], optim: OptimConfig
) -> Any:
    """AdamW or Muon with linear warm-up, then a cosine to zero over ``max_steps`` or ``max_time``, the further one.

    ``parameters`` may be groups with settings of their own. Returns what ``configure_optimizers`` returns.

    Raises:
        ValueError: ``optim.algorithm`` is neither.
    """
    if optim.algorithm not in ALGORITHMS:
        raise ValueError(f"optim.algorithm is {optim.algorithm!r}; allowed: {', '.join(ALGORITHMS)}")
    algorithm: Any = torch.optim.AdamW
    if optim.algorithm == "muon":
        from timm.optim import Muon  # seconds to import

        algorithm = partial(Muon, nesterov=True)
    optimizer = algorithm(parameters, lr=optim.lr, betas=(0.9, 0.99), weight_decay=optim.weight_decay)

    def factor(step: int) -> float:
        warmup = min(1.0, (step + 1) / max(optim.warmup_steps, 1))
        return warmup * 0.5 * (1 + math.cos(math.pi * min(1.0, training_progress(module, step, optim))))

    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, factor)
    return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}


def training_progress(module: L.LightningModule, step: int, optim: OptimConfig) -> float:
    """Share of the training that is over, by steps or by time, whichever is further on."""
    shares = [0.0]
    if optim.max_steps:
        shares.append(step / optim.max_steps)
    callbacks = module.trainer.callbacks  # type: ignore[attr-defined]
    clocks = [callback.elapsed for callback in callbacks if isinstance(callback, SharedClock)]
    clocks += [callback.time_elapsed(RunningStage.TRAINING) for callback in callbacks if isinstance(callback, Timer)]
    if optim.max_time and clocks:
        shares.append(clocks[0] / optim.max_time)
    return max(shares)
